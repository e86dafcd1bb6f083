"""What a connection says becomes the settings of an end; what it says in vain is an error; no value shows."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from airflow.sdk import Connection

from eventreplay.errors import ConfigError
from eventreplay.log.s3 import S3Settings
from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSettings
from eventreplay.sources.postgres.settings import PostgresSettings
from eventreplay.sources.rabbitmq.settings import RabbitSettings
from eventreplay_airflow.hook import FromConnection

MARKER = "MARKERhush0secret"
PEM = f"-----BEGIN PRIVATE KEY-----\n{MARKER}\n-----END PRIVATE KEY-----\n"
CLASSES: dict[str, type] = {
    "postgres": PostgresSettings,
    "rabbitmq": RabbitSettings,
    "s3": S3Settings,
    "snowflake": SnowflakeSettings,
}
TYPES = {"postgres": "postgres", "rabbitmq": "amqp", "s3": "aws", "snowflake": "snowflake"}


def made(
    name: str,
    extra: object = None,
    *,
    options: dict[str, object] | None = None,
    place: str | None = None,
    masked: list[str] | None = None,
    **given: Any,
) -> Any:
    text = extra if isinstance(extra, str) or extra is None else json.dumps(extra)
    connection = Connection(**{"conn_id": "mine", "conn_type": TYPES[name], "extra": text} | given)
    told = FromConnection(
        "mine", options or {}, {"mine": connection}.__getitem__, ([] if masked is None else masked).append
    )
    return told.settings(name, CLASSES[name], place)


def test_postgres() -> None:
    found = made(
        "postgres",
        {
            "sslmode": "verify-ca",
            "sslrootcert": "/ca.pem",
            "connect_timeout": 7,
            "keepalives_idle": "20",
            "readers": 2,
            "event_types": ["a", "b"],
            "columns": {"stream_id": "key"},
            "cursor": "dictcursor",
            "application_name": "airflow",
            "iam": False,
        },
        host="db",
        port=5433,
        login="ada",
        password=MARKER,
        schema="shop",
        place="public.journal",
        options={"hold_wait_s": "1.5", "range_ids": 10},
    )
    assert found == PostgresSettings(
        table="public.journal",
        host="db",
        port=5433,
        user="ada",
        password=Secret(MARKER),
        database="shop",
        sslmode="verify-ca",
        sslrootcert="/ca.pem",
        connect_timeout_s=7,
        keepalive_idle_s=20,
        readers=2,
        event_types=("a", "b"),
        columns={"stream_id": "key"},
        hold_wait_s=1.5,
        range_ids=10,
    )


def test_amqp() -> None:
    found = made(
        "rabbitmq",
        {"tls": "true", "cafile": "/ca.pem", "heartbeat": 15, "queue_type": "classic", "retry_delay": 3},
        host="mq",
        login="ada",
        password=MARKER,
        schema="shop",
        place="orders",
    )
    due = RabbitSettings(
        queue="orders",
        host="mq",
        user="ada",
        password=Secret(MARKER),
        vhost="shop",
        tls=True,
        ca_file="/ca.pem",
        heartbeat_s=15,
        queue_type="classic",
    )
    assert found == due
    assert made("rabbitmq", conn_type="amqps", host="mq", place="orders").tls is True
    assert made("rabbitmq", host="mq", place="orders").vhost == "/"


def test_aws() -> None:
    found = made(
        "s3",
        {
            "region_name": "eu-central-1",
            "endpoint_url": "https://s3.example",
            "aws_session_token": f"{MARKER}-token",
            "role_arn": "arn:aws:iam::123456789012:role/loader",
            "external_id": "42",
            "verify": "/ca.pem",
            "part_bytes": 8 << 20,
        },
        login="AKIA1",
        password=MARKER,
    )
    assert found == S3Settings(
        access_key_id="AKIA1",
        secret_access_key=Secret(MARKER),
        session_token=Secret(f"{MARKER}-token"),
        region="eu-central-1",
        endpoint="https://s3.example",
        role_arn="arn:aws:iam::123456789012:role/loader",
        role_external_id="42",
        ca_file="/ca.pem",
        part_bytes=8 << 20,
    )
    assert made("s3") == S3Settings(), "an empty one: the role of the machine"
    assert made("s3", {"profile_name": "p", "service_config": {"s3": {"endpoint_url": "https://x"}}}) == (
        S3Settings(profile="p", endpoint="https://x")
    )
    assert made("s3", {"session_kwargs": {"profile_name": "p"}, "verify": True}).profile == "p"


@pytest.mark.parametrize(
    ("extra", "given", "due"),
    [
        ({}, {"password": MARKER}, {"password": Secret(MARKER)}),
        ({"authenticator": "snowflake"}, {"password": MARKER}, {"password": Secret(MARKER)}),
        ({"private_key_file": "/key.pem"}, {}, {"private_key_file": "/key.pem"}),
        (
            {"private_key_file": "/key.pem", "authenticator": "SNOWFLAKE_JWT"},
            {"password": MARKER},
            {"private_key_file": "/key.pem", "private_key_passphrase": Secret(MARKER)},
        ),
        ({"private_key_content": PEM}, {}, {"private_key": Secret(PEM)}),
        (
            {"private_key_content": base64.b64encode(PEM.encode()).decode()},
            {},
            {"private_key": Secret(PEM)},
        ),
        ({"authenticator": "oauth", "token": MARKER}, {}, {"token": Secret(MARKER)}),
    ],
)
def test_snowflake_logs_in(extra: dict[str, object], given: dict[str, Any], due: dict[str, Any]) -> None:
    place = {"account": "org-acc", "warehouse": "LOADING", "role": "LOADER", "database": "ELSEWHERE"}
    found = made("snowflake", place | extra, login="ada", place="SHOP", **given)
    assert found == SnowflakeSettings(
        account="org-acc", user="ada", database="SHOP", warehouse="LOADING", role="LOADER", **due
    )


def test_snowflake_elsewhere() -> None:
    found = made(
        "snowflake",
        {
            "extra__snowflake__account": "acc",
            "region": "eu-central-1",
            "host": "127.0.0.1",
            "port": "8084",
            "protocol": "http",
            "database": "SHOP",
            "session_parameters": {"QUERY_TAG": "airflow"},
            "raw_schema": "RAW_DEV",
            "insecure_mode": "false",
            "client_session_keep_alive": True,
        },
        login="ada",
        password=MARKER,
        schema="PUBLIC",
    )
    assert (found.account, found.host, found.port, found.protocol) == (
        "acc.eu-central-1",
        "127.0.0.1",
        8084,
        "http",
    )
    assert (found.database, found.raw_schema, found.query_tag) == ("SHOP", "RAW_DEV", "airflow")


@pytest.mark.parametrize(
    ("name", "extra", "given", "named"),
    [
        ("postgres", {"sslcert": MARKER}, {}, "sslcert"),
        ("postgres", {"options": MARKER}, {}, "options"),
        ("postgres", {"iam": True}, {}, "iam"),
        ("postgres", {"ssl_mode": MARKER}, {}, "Did you mean sslmode"),
        ("postgres", {"host": MARKER}, {"host": "db"}, "host"),
        ("postgres", {"readers": MARKER}, {"host": "db"}, "readers takes a whole number"),
        ("postgres", MARKER, {"host": "db"}, "no JSON object"),
        ("postgres", [MARKER], {"host": "db"}, "no JSON object"),
        ("rabbitmq", {"ssl_options": {"cert": MARKER}}, {}, "ssl_options"),
        ("s3", {"verify": False}, {}, "verify"),
        ("s3", {"config_kwargs": {"proxies": MARKER}}, {}, "config_kwargs"),
        ("s3", {"assume_role_method": MARKER}, {}, "assume_role_method"),
        ("s3", {"service_config": {"s3": {"endpoint": MARKER}}}, {}, "service_config"),
        ("s3", {}, {"host": MARKER}, "the field host"),
        ("s3", {}, {"password": MARKER}, "access_key_id"),
        ("s3", {"endpoint_url": f"https://key:{MARKER}@host"}, {}, "endpoint"),
        ("snowflake", {"authenticator": "externalbrowser"}, {"password": MARKER}, "authenticator"),
        ("snowflake", {"authenticator": "oauth"}, {"password": MARKER}, "authenticator"),
        ("snowflake", {"insecure_mode": True}, {"password": MARKER}, "insecure_mode"),
        ("snowflake", {"refresh_token": MARKER}, {}, "refresh_token"),
        ("snowflake", {"private_key_content": f"{MARKER}!"}, {}, "private_key_content"),
        ("snowflake", {"session_parameters": {"TIMEZONE": MARKER}}, {}, "session_parameters"),
        ("snowflake", {"account": "acc"}, {"login": "ada", "password": MARKER}, "lacks database"),
        ("snowflake", {}, {"conn_type": "postgres", "password": MARKER}, "of type postgres"),
    ],
)
def test_what_is_said_in_vain_is_named_and_not_shown(
    name: str, extra: object, given: dict[str, Any], named: str
) -> None:
    place = "queue" if name == "rabbitmq" else None
    with pytest.raises(ConfigError, match=named) as caught:
        made(name, extra, place=place, **given)
    assert "mine" in str(caught.value)
    assert MARKER not in str(caught.value) + repr(caught.value.fields)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"password": MARKER}, "secret"),
        ({"passwort": MARKER}, "Did you mean password"),
        ({"readers": MARKER}, "whole number"),
    ],
)
def test_options_are_checked_and_secrets_refused_in_them(options: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        made("postgres", host="db", options=options)
    assert MARKER not in str(caught.value)


def test_every_secret_is_masked_in_every_form_it_may_show_in() -> None:
    masked: list[str] = []
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nshort\n-----END PRIVATE KEY-----\n"
    extra = {"account": "acc", "database": "D", "private_key_content": key}
    made("snowflake", extra, login="ada", password="p@ss/word", masked=masked)  # noqa: S106 - a test's
    assert {key, "MIIEvQIBADANBgkqhkiG9w0BAQEF", "p@ss/word", "p%40ss%2Fword"} <= set(masked)
    assert "-----BEGIN PRIVATE KEY-----" not in masked, "innocent lines stay readable"
    assert "short" not in masked
    masked.clear()
    made("postgres", {"url": f"postgresql://ada:{MARKER}%21@db/shop"}, masked=masked)
    assert {f"{MARKER}%21", f"{MARKER}!"} <= set(masked)
