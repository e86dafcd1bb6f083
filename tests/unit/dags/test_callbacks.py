"""A failure and a missed deadline are one line in the log, and a message where somebody wants it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import eventreplay_callbacks as callbacks
import pytest
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

SECRET = "s3cret-of-the-hook"  # noqa: S105 - to be looked for
TASK = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=3, try_number=2)


def line_of(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    found: dict[str, Any] = json.loads(record.getMessage())
    return found


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> dict[str, Connection]:
    """Connections by id; one that is not there is not found, as in Airflow."""
    known: dict[str, Connection] = {}

    def get(conn_id: str) -> Connection:
        if conn_id not in known:
            raise AirflowNotFoundException(conn_id)
        return known[conn_id]

    monkeypatch.setattr(Connection, "get", get)
    return known


@contextmanager
def hook(status: int = 200) -> Iterator[tuple[int, list[tuple[str, dict[str, str], bytes]]]]:
    """A web hook on this machine: its port, and what it was sent."""
    sent: list[tuple[str, dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            sent.append((self.path, dict(self.headers), self.rfile.read(length)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def web(port: int) -> Connection:
    return Connection(
        conn_id=callbacks.ALERTS, conn_type="http", host="127.0.0.1", port=port, schema="http",
        password=SECRET, extra=json.dumps({"path": "/alert"}),
    )  # fmt: skip


def test_without_a_connection_a_failure_is_one_line(
    connection: dict[str, Connection], caplog: pytest.LogCaptureFixture
) -> None:
    assert connection == {}
    callbacks.task_failed({"ti": TASK, "exception": AirflowFailException("Nothing there. Put it there.")})
    assert line_of(caplog) == {
        "event": "task_failed", "dag": "d", "run": "r", "task": "t", "map_index": 3, "attempt": 2,
        "error": "AirflowFailException", "message": "Nothing there. Put it there.",
    }  # fmt: skip


def test_the_text_of_a_foreign_error_stays_where_it_is(
    connection: dict[str, Connection], caplog: pytest.LogCaptureFixture
) -> None:
    assert connection == {}
    callbacks.task_failed({"ti": TASK, "exception": ValueError(f"postgresql://u:{SECRET}@h/d")})
    assert (line_of(caplog)["error"], line_of(caplog)["message"]) == ("ValueError", "")
    assert SECRET not in caplog.text


def test_a_missed_deadline_is_posted_where_somebody_listens(
    connection: dict[str, Connection], caplog: pytest.LogCaptureFixture
) -> None:
    with hook() as (port, sent):
        connection[callbacks.ALERTS] = web(port)
        run = {"dag_id": "d", "dag_run_id": "r"}
        callbacks.deadline_missed(context={"dag_run": run, "deadline": {"deadline_time": "noon"}}, limit_s=60)
    [(path, headers, body)] = sent
    assert (path, headers["Authorization"]) == ("/alert", f"Bearer {SECRET}")
    assert json.loads(body) == line_of(caplog)
    assert line_of(caplog) == {
        "event": "deadline_missed", "dag": "d", "run": "r", "limit_s": 60, "deadline": "noon",
    }  # fmt: skip


@pytest.mark.parametrize("is_there", [True, False])
def test_an_alert_that_cannot_be_sent_is_a_line_and_no_other_failure(
    connection: dict[str, Connection], caplog: pytest.LogCaptureFixture, *, is_there: bool
) -> None:
    with hook(status=500) as (port, _):
        connection[callbacks.ALERTS] = web(port)
        if is_there:
            callbacks.task_failed({"ti": TASK})
    if not is_there:
        callbacks.task_failed({"ti": TASK})
    (warned,) = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert callbacks.ALERTS in warned
    assert SECRET not in caplog.text
