"""The client of Airflow's REST API: logs in by itself, reads all pages, says what was refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from eventreplay.testing.services.airflow_api import AirflowApi, AirflowError, run_state

PASSWORD = "marked/@:%secret"  # noqa: S105 - not a real one
ROWS = 250


class Handler(BaseHTTPRequestHandler):
    """As much of Airflow as the client sees; a token is good for `GOOD` requests."""

    GOOD = 3
    logins: ClassVar[list[dict[str, Any]]] = []
    left: ClassVar[dict[str, int]] = {}

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/auth/token":
            self.logins.append(body)
            token = f"token-{len(self.logins)}"
            self.left[token] = self.GOOD
            good = body["password"] == PASSWORD
            self.say(201 if good else 401, {"access_token": token} if good else {"detail": "no"})
        elif self.known():
            self.say(409, {"detail": "DAG run exists"})

    def do_GET(self) -> None:
        if not self.known():
            return
        query = parse_qs(urlsplit(self.path).query)
        first = int(query["offset"][0])
        rows = [{"n": n} for n in range(first, min(first + int(query["limit"][0]), ROWS))]
        self.say(200, {"rows": rows, "total_entries": ROWS})

    def known(self) -> bool:
        token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        self.left[token] = self.left.get(token, 0) - 1
        if self.left[token] < 0:
            self.say(401, {"detail": "expired"})
        return self.left[token] >= 0

    def say(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def url() -> Iterator[str]:
    Handler.logins.clear()
    Handler.left.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_it_logs_in_once_and_reads_every_page(url: str) -> None:
    found = AirflowApi(url, "admin", PASSWORD).all("/rows", "rows")
    assert [row["n"] for row in found] == list(range(ROWS))
    assert len(Handler.logins) == 1


def test_a_token_that_ran_out_is_renewed(url: str) -> None:
    api = AirflowApi(url, "admin", PASSWORD)
    for _ in range(2):
        assert len(api.all("/rows", "rows")) == ROWS
    assert len(Handler.logins) == 2


def test_a_refusal_says_what_and_why_and_shows_no_password(url: str) -> None:
    with pytest.raises(AirflowError, match="409: DAG run exists") as caught:
        AirflowApi(url, "admin", PASSWORD).ask("POST", "/dags/x/dagRuns", {})
    assert caught.value.fields["status"] == 409
    with pytest.raises(AirflowError, match="401: no") as refused:
        AirflowApi(url, "admin", "wrong-but-marked").get("/rows")
    assert "marked" not in str(refused.value) + repr(refused.value.fields)


def test_nobody_there_is_an_error_with_a_hint() -> None:
    api = AirflowApi("http://127.0.0.1:9", "admin", PASSWORD)
    with pytest.raises(AirflowError, match="does not answer") as caught:
        api.get("/rows")
    assert caught.value.fields["status"] is None
    assert api.alive() is None


def test_a_run_that_waits_has_not_ended() -> None:
    row = {"dag_id": "d", "dag_run_id": "r", "run_type": "manual"}
    states = {
        state: run_state({**row, "state": state}).ended
        for state in ("queued", "running", "success", "failed")
    }
    assert states == {"queued": False, "running": False, "success": True, "failed": True}
