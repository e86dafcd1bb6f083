"""`.env.example`: every name that the platform's description has, and each one is read by something."""

from __future__ import annotations

import inspect
import re
from importlib import metadata
from pathlib import Path

import attrs
import pytest

from eventreplay.config import Settings, gather, load_settings
from eventreplay.config.core import _from_bucket
from eventreplay.config.sections import ENVIRONMENT_PREFIX, variable
from eventreplay.log.s3.settings import S3Settings
from eventreplay.sinks.snowflake import SnowflakeSettings
from eventreplay.sources.postgres.settings import PostgresSettings
from eventreplay.sources.rabbitmq.settings import RabbitSettings

NAMED = (
    "POSTGRES_HOST", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "AWS_REGION",
    "S3_BUCKET", "S3_PREFIX",
    "SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER", "SNOWFLAKE_PASSWORD", "SNOWFLAKE_DATABASE", "DBT_TARGET",
    "DBT_PROFILES_DIR", "RAW_EVENTS_FRESHNESS_WARN_HOURS", "RAW_EVENTS_FRESHNESS_ERROR_HOURS",
    "VOLUME_ANOMALY_PCT", "VOLUME_ANOMALY_LOOKBACK_DAYS",
)  # fmt: skip
ENDS = {
    "postgres": PostgresSettings,
    "rabbitmq": RabbitSettings,
    "s3": S3Settings,
    "snowflake": SnowflakeSettings,
}


@pytest.fixture
def example(root: Path) -> dict[str, str]:
    lines = (root / ".env.example").read_text("utf-8").splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    assert all(equals == "=" and re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name, equals, _ in pairs)
    assert len({name for name, _, _ in pairs}) == len(pairs)
    return {name: value for name, _, value in pairs}


def usual(cls: type) -> dict[str, str]:
    """The variables that an end's settings class names."""
    return dict(getattr(cls, "ENVIRONMENT"))  # noqa: B009 - each of them has one


def readers(root: Path) -> dict[str, set[str]]:
    """Names of variables by who reads them."""
    project = "".join(
        path.read_text("utf-8") for path in (root / "dbt").rglob("*") if path.suffix in {".sql", ".yml"}
    )
    parameters = metadata.distribution("dbt-core").locate_file("dbt/cli/params.py")
    return {
        **{name: set(usual(cls).values()) for name, cls in ENDS.items()},
        "ends": {variable(name, field.name) for name, cls in ENDS.items() for field in attrs.fields(cls)},
        "core": {ENVIRONMENT_PREFIX + field.name.upper() for field in attrs.fields(Settings)},
        "bucket": set(re.findall(r'"(S3_[A-Z]+)"', inspect.getsource(_from_bucket))),
        "compose": set(re.findall(r"\$\{(\w+):[-?]", (root / "deploy/compose.yaml").read_text("utf-8"))),
        "the dbt project": set(re.findall(r"env_var\(\s*'(\w+)'", project)),
        "dbt": set(re.findall(r'"(DBT_[A-Z_]+)"', Path(str(parameters)).read_text("utf-8"))),
    }


def test_every_name_that_was_asked_for_is_there(example: dict[str, str]) -> None:
    assert set(NAMED) <= example.keys()


def test_every_name_is_read_by_something(root: Path, example: dict[str, str]) -> None:
    known = readers(root)
    assert all(known.values()), known
    assert example.keys() <= set().union(*known.values())


def test_no_value_is_a_secret(example: dict[str, str]) -> None:
    hidden = {name: value for name, value in example.items() if re.search("PASSWORD|SECRET|TOKEN|KEY", name)}
    assert len(hidden) >= 4
    assert set(hidden.values()) == {""}


def test_every_value_is_one_that_its_reader_takes(
    example: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ=example).sink_url == example["EVENTREPLAY_SINK_URL"]
    filled = {**example, "S3_BUCKET": "cards", "S3_PREFIX": "log"}
    assert load_settings(environ=filled).log_url == "s3://cards/log"
    for name, cls in ENDS.items():
        found = gather(name, cls, None, example)
        assert found.values or name == "s3"
    filled = {**example, "SNOWFLAKE_ACCOUNT": "a-b", "SNOWFLAKE_PASSWORD": "x", "POSTGRES_PASSWORD": "y"}
    filled |= {"RABBITMQ_PASSWORD": "z"}
    assert gather("snowflake", SnowflakeSettings, None, filled).make()
    assert gather("postgres", PostgresSettings, None, filled).make()
    assert gather("rabbitmq", RabbitSettings, None, filled, place="orders").make()
