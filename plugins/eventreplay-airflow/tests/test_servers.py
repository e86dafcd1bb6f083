"""Real servers, reached by connections alone: a journal, a queue, a bucket; and no secret shows anywhere."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pika
import psycopg2
import pytest
from airflow.sdk import Connection
from airflow.sdk._shared.secrets_masker import redact
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from eventreplay.log import Log
from eventreplay.receipts import Receipts
from eventreplay.testing.services import S3Server
from eventreplay_airflow import CaptureOperator, EventReplayHook, journal_ranges
from eventreplay_airflow.triggers import CommitsTrigger

EVENTS = 40
Define = Callable[..., None]


@pytest.fixture
def define(monkeypatch: pytest.MonkeyPatch) -> Define:
    """Defines a connection by a variable, as Airflow reads them."""

    def defined(conn_id: str, **given: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(given))

    return defined


def parts_of(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    found = {"host": parts.hostname, "port": parts.port, "login": parts.username, "schema": parts.path[1:]}
    return found | {"password": unquote(parts.password or ""), "schema": unquote(parts.path[1:])}


@pytest.fixture
def journal(postgres_url: str, define: Define) -> str:
    given = parts_of(postgres_url)
    define(
        "eventreplay_journal", conn_type="postgres", extra={"sslmode": "prefer", "hold_wait_s": 1}, **given
    )
    with psycopg2.connect(postgres_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE events (id bigserial PRIMARY KEY, event_id text NOT NULL, event_type text NOT NULL,"
            " occurred_at timestamptz NOT NULL DEFAULT now(), content_type text NOT NULL,"
            " payload bytea NOT NULL)"
        )
        cursor.execute(
            "INSERT INTO events (event_id, event_type, content_type, payload) SELECT n::text, 'web.viewed',"
            f" 'application/json', '{{}}' FROM generate_series(1, {EVENTS}) n"
        )
    connection.close()
    return "postgres:public.events"


def test_a_journal_is_cut_into_ranges_and_captured_into_a_bucket(
    journal: str, define: Define, s3_server: S3Server, runs: Any
) -> None:
    bucket, environment = s3_server.bucket(), s3_server.environment()
    extra = {"endpoint_url": s3_server.endpoint, "region_name": "us-east-1"}
    login, password = environment["AWS_ACCESS_KEY_ID"], "MARKERbucket"
    define("eventreplay_log", conn_type="aws", login=login, password=password, extra=extra)
    url = f"s3://{bucket}/log"
    ranges = journal_ranges(source=journal, range_positions=16)
    assert ranges == [
        {"partition": "journal-000000", "first": 0, "upto": 15},
        {"partition": "journal-000001", "first": 16, "upto": 31},
        {"partition": "journal-000002", "first": 32, "upto": EVENTS},
    ]
    assert journal_ranges(source=journal, range_positions=16, first="20", upto=31) == ranges[1:2]
    shown = []
    for each in ranges:
        run = runs()
        operator = CaptureOperator(task_id="capture", source=journal, log=url, **each)
        shown.append(json.dumps([operator.execute(run.context), run.announced]))
        lineage = operator.get_openlineage_facets_on_complete(None)
        assert lineage.inputs[0].namespace.startswith("postgres://127.0.0.1:")
        assert lineage.inputs[0].name.endswith(".public.events")
        assert (lineage.outputs[0].namespace, lineage.outputs[0].name) == (
            f"s3://{bucket}",
            f"log/{each['partition']}",
        )
        shown.append(repr(lineage))
    assert not [name for name in os.environ if name.startswith("AWS_")]
    log = EventReplayHook().open_log(url)
    held = [log.reader(each["partition"]).head() for each in ranges]
    assert [head and head.next_offset for head in held] == [15, 16, 9]
    shown += [json.dumps(receipt.to_json()) for receipt in Receipts(log).list()]
    marks = {each["partition"]: 0 for each in ranges}
    trigger = CommitsTrigger(log=url, log_conn_id=None, marks=marks, every=True)
    shown.append(repr(trigger.serialize()))
    assert asyncio.run(first_of(trigger)) == {"heads": dict.fromkeys(marks, 1)}
    assert "MARKERbucket" not in "".join(shown)
    assert redact("MARKERbucket") == "***"


async def first_of(trigger: CommitsTrigger) -> Any:
    return (await anext(trigger.run())).payload


def test_a_login_that_is_refused_shows_no_password(
    define: Define, journal: str, tmp_path: Path, run: Any
) -> None:
    given = json.loads(os.environ["AIRFLOW_CONN_EVENTREPLAY_JOURNAL"]) | {"password": "MARKERpassword"}
    given["login"] = "nobody"
    define("eventreplay_journal", **given)
    operator = CaptureOperator(task_id="capture", source=journal, log=str(tmp_path), partition="journal")
    with pytest.raises(AirflowException) as caught:
        operator.execute(run.context)
    assert "MARKERpassword" not in str(caught.value)
    assert caught.value.__suppress_context__, "below it stand texts of drivers"
    assert caught.value.__cause__ is None


@pytest.fixture
def queue(rabbitmq_url: str, define: Define) -> str:
    define("eventreplay_queue", conn_type="amqp", extra={"queue_type": "classic"}, **parts_of(rabbitmq_url))
    publish(rabbitmq_url, range(EVENTS))
    return "rabbitmq:orders"


def publish(url: str, numbers: range) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.queue_declare("orders", durable=True)
        channel.confirm_delivery()
        for number in numbers:
            properties = pika.BasicProperties(
                message_id=str(number),
                type="web.viewed",
                timestamp=1_800_000_000,
                content_type="application/json",
            )
            channel.basic_publish("", "orders", b"{}", properties, mandatory=True)


def waiting_in(url: str) -> int:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        found: int = connection.channel().queue_declare("orders", passive=True).method.message_count
        return found


def test_a_queue_is_captured_until_it_is_silent(
    queue: str, rabbitmq_url: str, tmp_path: Path, run: Any
) -> None:
    operator = CaptureOperator(
        task_id="capture", source=queue, log=str(tmp_path / "log"), partition="live-0", idle_end_s=0.5
    )
    found = operator.execute(run.context)
    assert (found["received"], found["quarantined"]) == (EVENTS, 0)
    assert waiting_in(rabbitmq_url) == 0
    assert run.announced["eventreplay_log"]["rows"] == EVENTS


def test_asked_to_end_a_queue_is_settled_up_to_what_is_committed(
    queue: str, rabbitmq_url: str, tmp_path: Path, run: Any
) -> None:
    operator = CaptureOperator(
        task_id="capture",
        source=queue,
        log=str(tmp_path / "log"),
        partition="live-0",
        run_for_s=300,
        rows_max=8,
    )
    told = threading.Event()
    note = operator.report

    def report(progress: Any, done: int, total: int | None) -> None:
        operator.on_kill()
        told.set()
        note(progress, done, total)

    operator.report = report  # type: ignore[method-assign]
    with pytest.raises(AirflowException, match="at a commit"):
        operator.execute(run.context)
    assert told.is_set()
    head = Log.open(str(tmp_path / "log")).reader("live-0").head()
    assert head is not None
    assert 0 < head.next_offset <= EVENTS
    # What was committed and not settled comes again: doubled in the log, once in STAGING; never lost.
    assert waiting_in(rabbitmq_url) + head.next_offset >= EVENTS


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "must have one"),
        ({"idle_end_s": 1, "upto": 5}, "no positions"),
        ({"idle_end_s": 0}, "idle_end_s"),
    ],
)
def test_a_queue_has_an_end_and_no_positions(
    define: Define, tmp_path: Path, run: Any, given: dict[str, Any], said: str
) -> None:
    define("eventreplay_queue", conn_type="amqp", host="127.0.0.1", port=9)
    log = str(tmp_path / "log")
    operator = CaptureOperator(task_id="c", source="rabbitmq:orders", log=log, partition="live-0", **given)
    with pytest.raises(AirflowFailException, match=said):
        operator.execute(run.context)


def test_the_button_of_the_form_looks_at_the_broker(rabbitmq_url: str) -> None:
    given = parts_of(rabbitmq_url) | {"conn_id": "mine", "conn_type": "amqp"}
    ok, said = EventReplayHook("mine", get={"mine": Connection(**given)}.__getitem__).test_connection()
    assert (ok, "RabbitMQ" in said) == (True, True)
    wrong = Connection(**given | {"password": "MARKERwrong"})
    ok, said = EventReplayHook("mine", get={"mine": wrong}.__getitem__).test_connection()
    assert not ok
    assert "MARKERwrong" not in said
    assert redact("the password is MARKERwrong") == "the password is ***", "Airflow's own masker knows it"
