"""One story by the command line alone: real servers in, a log in a bucket, two warehouses with equal rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pika
import pytest
import snowflake.connector

from eventreplay.cli import main

EVENTS = 500
COLUMNS = (
    "event_id, event_type, stream_id, source_position, content_type, payload_type, log_partition, log_offset"
)

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in an empty folder, which must succeed; gives its JSON."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> dict[str, Any]:
        code = main([*arguments, "--json"])
        said = capsys.readouterr()
        assert code == 0, said.out + said.err
        found: dict[str, Any] = json.loads(said.out)
        return found

    return command


def payload(number: int) -> bytes:
    return json.dumps({"number": number, "amount": "1.10", "name": "Zo\u00eb \U0001f0cf"}).encode()


def publish(url: str, queue: str, numbers: range) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for number in numbers:
            properties = pika.BasicProperties(
                message_id=f"event-{number}",
                type="shop.ordered",
                timestamp=1_767_225_600 + number,
                content_type="application/json",
                headers={"stream_id": f"stream-{number % 7}"},
                delivery_mode=2,
            )
            channel.basic_publish("", queue, payload(number), properties, mandatory=True)


def export(path: Path, numbers: range) -> None:
    records = (
        {
            "event_id": f"event-{number}",
            "event_type": "shop.ordered",
            "stream_id": f"stream-{number % 7}",
            "occurred_at": "2026-01-31T00:00:00Z",
            "content_type": "application/json",
            "payload": json.loads(payload(number)),
        }
        for number in numbers
    )
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture
def settings(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    rabbitmq_url: str,
    s3_bucket: str,
    snowflake_database: dict[str, Any],
) -> str:
    """The settings file names everything but the secrets; gives the log's URL."""
    assert run is not None
    names = ("account", "user", "host", "port", "protocol", "database", "role", "warehouse")
    given = {name: snowflake_database[name] for name in names if snowflake_database.get(name)}
    lines = [
        f'log_url = "s3://{s3_bucket}/log"',
        "segment_positions = 100",
        "",
        "[rabbitmq]",
        'queue = "orders"',
    ]
    lines += ["", "[snowflake]", *(f"{name} = {json.dumps(value)}" for name, value in given.items())]
    Path("eventreplay.toml").write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("EVENTREPLAY_RABBITMQ_URL", rabbitmq_url)
    monkeypatch.setenv("SNOWFLAKE_PASSWORD", str(snowflake_database["password"]))
    return f"s3://{s3_bucket}/log"


def in_duckdb(table: str) -> list[tuple[Any, ...]]:
    with duckdb.connect("w.duckdb", read_only=True) as connection:
        found = connection.execute(f"SELECT {COLUMNS}, CAST(payload AS VARCHAR) FROM RAW.{table}").fetchall()
    return sorted((*row[:-1], json.loads(row[-1])["number"]) for row in found)


def in_snowflake(database: dict[str, Any], table: str) -> list[tuple[Any, ...]]:
    with snowflake.connector.connect(**database) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {COLUMNS}, TO_JSON(payload) FROM RAW.{table}")
        found: list[Any] = cursor.fetchall()
    return sorted((*row[:-1], json.loads(row[-1])["number"]) for row in found)


def test_queue_and_files_to_a_bucket_to_two_warehouses(
    run: Run, settings: str, rabbitmq_url: str, snowflake_database: dict[str, Any]
) -> None:
    publish(rabbitmq_url, "orders", range(EVENTS))
    export(Path("history.jsonl"), range(EVENTS, 2 * EVENTS))
    live = run("capture", "rabbitmq", "--consumers", "2", "--until-idle", "1s", "--rows", "100")
    assert live["received"] == live["logged"] == EVENTS
    history = run("capture", "history.jsonl", "--partition", "journal", "--from", "100")
    assert (history["received"], history["commits"]) == (EVENTS - 100, 4)
    run("snowflake", "init")
    for sink in ("duckdb:///w.duckdb", "snowflake:///"):
        receipt = run("replay", "--sink", sink)
        assert receipt["read"] == receipt["loaded"] == 2 * EVENTS - 100
        assert run("replay", "--sink", sink)["read"] == 0
    assert in_duckdb("EVENTS") == in_snowflake(snowflake_database, "EVENTS")
    assert sorted(row[-1] for row in in_duckdb("EVENTS")) == [
        *range(EVENTS),
        *range(EVENTS + 100, 2 * EVENTS),
    ]
    assert run("log", "check")["ok"] is True
    status = run("status", "--sink", "duckdb:///w.duckdb")
    assert {part["partition"]: part["lag_rows"] for part in status["partitions"]} == {
        "journal": 0,
        "live-0": 0,
        "live-1": 0,
    }
    assert settings.startswith("s3://")


def test_doctor_sees_every_end(
    run: Run, settings: str, rabbitmq_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(rabbitmq_url, "orders", range(1))
    run("snowflake", "init")
    main(["doctor", "--json"])
    ends = {end["name"]: end for end in json.loads(capsys.readouterr().out)["ends"]}
    assert {"python", "log", "duckdb", "rabbitmq", "snowflake"} <= ends.keys()
    missing = {
        name: [each["name"] for each in end["findings"] if not each["ok"] and each["required"]]
        for name, end in ends.items()
    }
    assert missing["log"] == missing["snowflake"] == missing["duckdb"] == []
    assert ends["snowflake"]["settings"]["password"] == "SNOWFLAKE_PASSWORD in the environment"  # noqa: S105
    assert settings not in json.dumps(ends["rabbitmq"])
