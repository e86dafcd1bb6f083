"""S3_BUCKET and S3_PREFIX name the log where nothing of ours does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eventreplay.config import load_settings
from eventreplay.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_file_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("bucket", "prefix", "url"),
    [
        ("cards", "prod/log", "s3://cards/prod/log"),
        ("cards", "/prod/log/", "s3://cards/prod/log"),
        ("cards", "", "s3://cards"),
        ("", "", "log"),
    ],
)
def test_the_pair_gives_the_log(bucket: str, prefix: str, url: str) -> None:
    assert load_settings(environ={"S3_BUCKET": bucket, "S3_PREFIX": prefix}).log_url == url


def test_anything_of_ours_is_stronger(tmp_path: Path) -> None:
    pair = {"S3_BUCKET": "cards", "S3_PREFIX": "prod"}
    assert load_settings(environ={**pair, "EVENTREPLAY_LOG_URL": "here"}).log_url == "here"
    assert load_settings(environ=pair, arguments={"log_url": "there"}).log_url == "there"
    (tmp_path / "eventreplay.toml").write_text('log_url = "everywhere"\n')
    assert load_settings(environ=pair).log_url == "everywhere"


def test_half_a_pair_is_an_error_where_it_decides() -> None:
    half = {"S3_PREFIX": "prod"}
    with pytest.raises(ConfigError, match="S3_BUCKET is not") as caught:
        load_settings(environ=half)
    assert caught.value.fields["setting"] == "log_url"
    assert load_settings(environ=half, arguments={"log_url": "log"}).log_url == "log"


@pytest.mark.parametrize("bucket", ["s3://cards", "cards/prod", "Cards", "a", "key:hunter2@cards"])
def test_what_is_no_bucket_is_refused(bucket: str) -> None:
    with pytest.raises(ConfigError, match="S3_BUCKET") as caught:
        load_settings(environ={"S3_BUCKET": bucket}, arguments={"log_url": "log"})
    assert "hunter2" not in f"{caught.value!r} {caught.value.hint}"


def test_variables_of_the_dbt_project_are_no_settings(root: Path) -> None:
    """One environment is given to all: what dbt reads is not taken for a misspelt setting."""
    text = "".join(
        path.read_text("utf-8") for path in (root / "dbt").rglob("*") if path.suffix in {".sql", ".yml"}
    )
    names = set(re.findall(r"env_var\(\s*'(EVENTREPLAY_\w+)'", text))
    assert {"EVENTREPLAY_DBT_THREADS", "EVENTREPLAY_DUCKDB_PATH"} <= names
    load_settings(environ=dict.fromkeys(names, "2"))
