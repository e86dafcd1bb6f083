"""Settings and names: what is refused before a connection is opened."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from eventreplay.errors import ConfigError
from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSettings
from eventreplay.sinks.snowflake.names import identifier, literal, quoted, stage_path
from eventreplay.testing.examples import HOSTILE_TEXTS


def settings(**changes: Any) -> SnowflakeSettings:
    given = {"account": "org-acc", "user": "loader", "database": "analytics", "password": Secret("x")}
    return SnowflakeSettings(**{**given, **changes})


def test_the_login_follows_from_what_is_given() -> None:
    assert settings().login_method == "password"
    assert settings(password=None, token=Secret("t")).login_method == "oauth"
    assert settings(password=None, private_key_file="k.p8").login_method == "key_pair"


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"account": ""}, "account"),
        ({"account": "https://org-acc"}, "account"),
        ({"user": ""}, "user"),
        ({"password": None}, "private_key_file"),
        ({"token": Secret("t")}, "private_key_file"),
        ({"private_key_passphrase": Secret("p")}, "private_key_passphrase"),
        ({"database": "a b"}, "database"),
        ({"database": ""}, "database"),
        ({"raw_schema": 'x"; DROP'}, "raw_schema"),
        ({"role": "a-b"}, "role"),
        ({"warehouse": "x" * 256}, "warehouse"),
        ({"stage_name": '"My Stage"'}, "stage_name"),
        ({"stage": "gs://bucket"}, "stage"),
        ({"stage": "s3://key:secret@bucket/x"}, "stage"),
        ({"stage": "s3://bucket/a/../b"}, "stage"),
        ({"stage": "s3://bucket/a//b"}, "stage"),
        ({"host": "a/b"}, "host"),
        ({"port": 0}, "port"),
        ({"protocol": "http"}, "protocol"),
        ({"protocol": "http", "host": "192.0.2.1"}, "protocol"),
        ({"network_timeout_s": 0}, "network_timeout_s"),
        ({"transaction_rows_min": 0}, "transaction_rows_min"),
        ({"file_bytes_max": 0}, "file_bytes_max"),
        ({"query_tag": "x" * 2001}, "query_tag"),
    ],
)
def test_what_cannot_be_right_is_refused_by_name(changes: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(**changes)
    assert caught.value.fields["setting"] == setting
    assert caught.value.hint
    assert "secret" not in str(caught.value)


def test_secrets_do_not_print() -> None:
    shown = repr(settings(password=Secret("Marker-1")))
    assert "Marker-1" not in shown


def test_names_mean_what_they_mean_in_snowflake() -> None:
    assert identifier("analytics", setting="x") == "ANALYTICS"
    assert identifier('"My ""DB"""', setting="x") == 'My "DB"'
    assert quoted("A", 'b"c') == '"A"."b""c"'
    assert literal("it's \\") == "'it''s \\\\'"
    assert settings(database='"lower"', raw_schema="raw2").schema_names == ("lower", "RAW2")
    assert settings(stage="s3://bucket/p/q/").bucket_and_prefix == ("bucket", "p/q/")
    assert settings(stage="s3://bucket").bucket_and_prefix == ("bucket", "")


@pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS)
def test_a_hostile_name_is_refused_or_quoted(text: str) -> None:
    for name in (text, '"' + text.replace('"', '""') + '"'):
        try:
            found = identifier(name, setting="database")
        except ConfigError:
            continue
        assert found == text
        assert quoted(found) == '"' + text.replace('"', '""') + '"'
    with pytest.raises(ConfigError):
        settings(stage_name=text)


@pytest.mark.parametrize("part", ["..", "a/b", "", "a b", "a'b", "-x", "a..b"])
def test_a_stage_path_is_made_of_parts_that_leave_no_folder(part: str) -> None:
    assert stage_path("S", "eventreplay", "ab12") == "@S/eventreplay/ab12/"
    with pytest.raises(ValueError, match="stage path"):
        stage_path("S", part)


def test_settings_load_no_driver() -> None:
    code = (
        "import sys; from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink;"
        " assert not {'snowflake.connector', 'boto3', 'cryptography'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
