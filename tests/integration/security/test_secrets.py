"""No secret of any end is ever shown (promise P9): not in what is said, raised, returned or stored."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pika
import psycopg2
import pytest
from attrs import evolve, frozen

from eventreplay.cli import main
from eventreplay.cli.stopping import Stop
from eventreplay.retrying import retried
from tests.integration.security.marks import files, leaks, raised

KINDS = ("file", "variable", "own file")


@frozen(kw_only=True)
class End:
    """One end with its settings, of which one is a secret.

    Attributes:
        name: its section.
        field: of the secret.
        secret: what must not show.
        plain: the other settings.
        commands: what uses it.
    """

    name: str
    field: str
    secret: str
    plain: Mapping[str, str | int]
    commands: tuple[tuple[str, ...], ...]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory; nothing is waited for between attempts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Stop, "wait", lambda _self, _timeout_s: None)
    monkeypatch.setattr(
        "eventreplay.cli.jobs.replay.retried", lambda run, told: retried(run, attempts_max=1, told=told)
    )
    # The Snowflake driver's own back-off begins with a second.
    monkeypatch.setattr("snowflake.connector.time_util.TimeoutBackoffCtx.current_sleep_time", 0)
    return tmp_path


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody answers, and nobody else will for the length of the test."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def mark() -> str:
    """A secret with characters that URLs, shells and quoting treat specially; never twice the same."""
    return f"mark-{secrets.token_hex(8)}-p@ss:w/o#r?d%41"


def configure(end: End, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    lines = [f"[{end.name}]", *(f"{name} = {json.dumps(value)}" for name, value in end.plain.items())]
    if kind == "file":
        lines.append(f"{end.field} = {json.dumps(end.secret)}")
    elif kind == "own file":
        (folder / "secret").write_text(end.secret + "\n")
        lines.append(f'{end.field}_file = "secret"')
    else:
        monkeypatch.setenv(f"EVENTREPLAY_{end.name}_{end.field}".upper(), end.secret)
    path = folder / "eventreplay.toml"
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)


def assert_nothing_shows(
    end: End,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> list[int]:
    codes = []
    for command in end.commands:
        for asked in (command, (*command, "--json"), (*command, "--help")):
            codes.append(main(list(asked)))
            out, err = capfd.readouterr()
            assert out + err
            assert leaks(end.secret, out, err) == [], asked
        text, values = raised(list(command), monkeypatch)
        said = capfd.readouterr()
        assert leaks(end.secret, text, said.out, said.err) == [], command
        assert leaks(end.secret, *values) == [], command
    assert leaks(end.secret, *files(folder, "eventreplay.toml", "secret")) == []
    return codes


def rabbitmq(secret: str, *, field: str = "password", **plain: str | int) -> End:
    return End(
        name="rabbitmq",
        field=field,
        secret=secret,
        plain={"queue": "q", "attempts_max": 1, "queue_type": "classic", **plain},
        commands=(("doctor", "rabbitmq"), ("capture", "rabbitmq", "--log", "log", "--until-idle", "300ms")),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_rabbitmq_that_is_not_there(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    closed_port: int,
    kind: str,
) -> None:
    end = rabbitmq(mark(), host="127.0.0.1", port=closed_port)
    configure(end, folder, monkeypatch, kind)
    assert 1 in assert_nothing_shows(end, folder, monkeypatch, capfd)


def test_a_malformed_url_of_rabbitmq(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for form in ("amqp://u:{0}@h:port/", "{0}", "amqp:/{0}", "http://u:{0}@127.0.0.1", "amqp://u:{0}@[::1"):
        end = rabbitmq(form.format(secrets.token_hex(9)), field="url")
        end = evolve(end, commands=end.commands[1:])
        configure(end, folder, monkeypatch, "variable")
        codes = assert_nothing_shows(end, folder, monkeypatch, capfd)
        assert 2 in codes


@pytest.mark.parametrize("good", ["good", "wrong"])
def test_rabbitmq_with_good_and_wrong_credentials(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    rabbitmq_url: str,
    good: str,
) -> None:
    parts = urlsplit(rabbitmq_url)
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        channel.queue_declare("q", durable=True)
        channel.basic_publish("", "q", b"{}", pika.BasicProperties(message_id="1", type="t", timestamp=1))
    secret = unquote(parts.password or "") if good == "good" else mark()
    assert len(secret) >= 8
    end = rabbitmq(
        secret,
        host=str(parts.hostname),
        port=int(parts.port or 0),
        user=unquote(parts.username or ""),
        vhost=unquote(parts.path[1:]),
    )
    configure(end, folder, monkeypatch, "variable")
    # doctor asks for a dead-letter exchange, which this queue has not; capture does not.
    *_, captured, captured_json, _help = assert_nothing_shows(end, folder, monkeypatch, capfd)
    assert captured == captured_json == (0 if good == "good" else 1)


def postgres(secret: str, url: str, *, field: str = "password") -> End:
    parts = urlsplit(url)
    plain: dict[str, str | int] = {"host": str(parts.hostname), "port": int(parts.port or 0)}
    plain |= {"user": unquote(parts.username or ""), "database": parts.path[1:], "hold_wait_s": 0}
    return End(
        name="postgres",
        field=field,
        secret=secret,
        plain=plain if field == "password" else {},
        commands=(("postgres", "check"), ("capture", "postgres", "--log", "log", "--partition", "p")),
    )


@pytest.mark.parametrize("good", ["good", "wrong"])
def test_postgres_with_good_and_wrong_credentials(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    postgres_url: str,
    good: str,
) -> None:
    with closing(psycopg2.connect(postgres_url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE events (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, event_id text,"
            " event_type text, occurred_at timestamptz, payload bytea)"
        )
        cursor.execute(
            "INSERT INTO events (event_id, event_type, occurred_at, payload) VALUES ('1', 't', now(), 'x')"
        )
        connection.commit()
    secret = unquote(urlsplit(postgres_url).password or "") if good == "good" else mark()
    assert len(secret) >= 8
    end = postgres(secret, postgres_url)
    configure(end, folder, monkeypatch, "variable")
    *_, captured, captured_json, _help = assert_nothing_shows(end, folder, monkeypatch, capfd)
    assert captured == captured_json == (0 if good == "good" else 1)


def snowflake(field: str, secret: str, port: int) -> End:
    plain: dict[str, str | int] = {
        "account": "test",
        "user": "u",
        "host": "127.0.0.1",
        "port": port,
        "protocol": "http",
        "database": "D",
        "login_timeout_s": 2,
        "network_timeout_s": 2,
        "socket_timeout_s": 1,
    }
    return End(
        name="snowflake",
        field=field,
        secret=secret,
        plain=plain,
        commands=(
            ("doctor", "snowflake"),
            ("snowflake", "check"),
            ("snowflake", "init"),
            ("replay", "--log", "log", "--sink", "snowflake://D"),
        ),
    )


@pytest.mark.parametrize("field", ["password", "token", "private_key"])
def test_snowflake_that_is_not_there(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    closed_port: int,
    field: str,
) -> None:
    (folder / "e.jsonl").write_text(
        '{"event_id": "1", "event_type": "t", "occurred_at": "2026-01-31T00:00:00Z", "payload": {}}\n'
    )
    assert main(["capture", "e.jsonl", "--log", "log"]) == 0
    end = snowflake(field, mark(), closed_port)
    configure(end, folder, monkeypatch, "variable")
    codes = assert_nothing_shows(end, folder, monkeypatch, capfd)
    assert set(codes) - {0}


@pytest.mark.parametrize("good", ["good", "wrong"])
def test_snowflake_with_good_and_wrong_credentials(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    snowflake_database: dict[str, object],
    good: str,
) -> None:
    (folder / "e.jsonl").write_text(
        '{"event_id": "1", "event_type": "t", "occurred_at": "2026-01-31T00:00:00Z", "payload": {}}\n'
    )
    assert main(["capture", "e.jsonl", "--log", "log"]) == 0
    secret = str(snowflake_database["password"]) if good == "good" else mark()
    assert len(secret) >= 8
    plain: dict[str, Any] = {
        name: snowflake_database[name] for name in ("account", "user", "host", "port", "protocol", "database")
    }
    plain |= {"role": "ACCOUNTADMIN", "warehouse": "COMPUTE_WH"}
    end = End(
        name="snowflake",
        field="password",
        secret=secret,
        plain=plain,
        commands=(
            ("snowflake", "init"),
            ("doctor", "snowflake"),
            ("snowflake", "check"),
            ("replay", "--log", "log", "--sink", "snowflake:///"),
        ),
    )
    configure(end, folder, monkeypatch, "variable")
    codes = assert_nothing_shows(end, folder, monkeypatch, capfd)
    assert (1 in codes) == (good == "wrong"), codes


@pytest.mark.parametrize("good", ["good", "gone"])
def test_the_keys_of_s3(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    s3_bucket: str,
    closed_port: int,
    good: str,
) -> None:
    (folder / "e.jsonl").write_text(
        '{"event_id": "1", "event_type": "t", "occurred_at": "2026-01-31T00:00:00Z", "payload": {}}\n'
    )
    secret = mark()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("EVENTREPLAY_S3_ATTEMPTS_MAX", "1")
    if good == "gone":
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    url = f"s3://{s3_bucket}/log"
    end = End(
        name="s3",
        field="secret",
        secret=secret,
        plain={},
        commands=(
            ("doctor", "log", "--log", url),
            ("capture", "e.jsonl", "--log", url),
            ("log", "check", "--log", url),
            ("replay", "--log", url, "--sink", "duckdb:///w.duckdb"),
        ),
    )
    codes = assert_nothing_shows(end, folder, monkeypatch, capfd)
    assert (1 in codes) == (good == "gone"), codes
