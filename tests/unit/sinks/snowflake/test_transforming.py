from __future__ import annotations

import re
from typing import Any

import pytest

from eventreplay.errors import ConfigError
from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSink
from eventreplay.sinks.snowflake.settings import SnowflakeSettings
from eventreplay.transform import project_folder

PLAIN: dict[str, Any] = {"account": "myorg-acct", "user": "DBT", "database": "analytics"}


def environment(**more: Any) -> dict[str, str | Secret]:
    return dict(SnowflakeSink.dbt_environment(SnowflakeSettings(**PLAIN, **more)))


def test_everything_that_the_profile_reads_is_said() -> None:
    """What is not said would be taken from wherever the process's own environment has it."""
    text = (project_folder() / "profiles.yml").read_text("utf-8")
    read = {part.partition("'")[0] for part in text.split("env_var('")[1:]}
    own = {name for name in read if name.startswith("EVENTREPLAY_DUCKDB_")}
    said = environment(password=Secret("p")).keys()
    assert read - said == own | {"DBT_TARGET", "EVENTREPLAY_DBT_THREADS"}
    outputs = {line.strip().partition(":")[0] for line in text.splitlines() if re.match(r" {4}\w", line)}
    assert outputs == {"duckdb", "dev", "staging", "prod"}


@pytest.mark.parametrize(
    ("login", "set_names"),
    [
        ({"password": Secret("p")}, {"DBT_ENV_SECRET_SNOWFLAKE_PASSWORD"}),
        ({"token": Secret("t")}, {"DBT_ENV_SECRET_SNOWFLAKE_TOKEN", "SNOWFLAKE_AUTHENTICATOR"}),
        ({"private_key_file": "/k.p8"}, {"SNOWFLAKE_PRIVATE_KEY_FILE"}),
        (
            {"private_key": Secret("k"), "private_key_passphrase": Secret("w")},
            {"DBT_ENV_SECRET_SNOWFLAKE_PRIVATE_KEY", "DBT_ENV_SECRET_SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"},
        ),
    ],
    ids=["password", "oauth", "key-file", "key"],
)
def test_one_way_to_log_in_is_set_and_every_other_is_empty(
    login: dict[str, Any], set_names: set[str]
) -> None:
    found = environment(**login)
    ways = {name for name in found if "SECRET" in name or "KEY" in name or "AUTHENTICATOR" in name}
    assert {name for name in ways if found[name] != ""} == set_names
    assert all(
        name.startswith("DBT_ENV_SECRET_") for name, value in found.items() if isinstance(value, Secret)
    )


def test_names_are_those_that_snowflake_folds_to() -> None:
    found = environment(password=Secret("p"), role="transformer", warehouse='"WH_1"', raw_schema="raw_next")
    assert found["SNOWFLAKE_DATABASE"] == "ANALYTICS"
    assert found["SNOWFLAKE_ROLE"] == "TRANSFORMER"
    assert found["SNOWFLAKE_WAREHOUSE"] == "WH_1"
    assert found["EVENTREPLAY_RAW_SCHEMA"] == "RAW_NEXT"
    assert (found["SNOWFLAKE_HOST"], found["SNOWFLAKE_PORT"]) == ("", "")


def test_a_name_that_dbt_would_not_quote_is_refused() -> None:
    with pytest.raises(ConfigError, match="raw_schema needs double quotes"):
        environment(password=Secret("p"), raw_schema='"raw"')
