"""The live service with a real broker, a folder and DuckDB: kills, outages of either side, a second copy."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventreplay.testing.faults.publisher import Publisher
from eventreplay.testing.services import RabbitServer
from tests.integration.live.service import QUEUE, Service, holds_exactly, ids_in_log, in_log, until
from tests.integration.rabbitmq.books import declared
from tests.live_run import events

HOLDER = """
import sys, duckdb
connection = duckdb.connect("w.duckdb")
print("held", flush=True)
sys.stdin.read()
connection.close()
"""
"""Has the warehouse's file open until its standard input ends."""


@pytest.fixture
def publisher(rabbitmq_url: str) -> Iterator[Publisher]:
    declared(rabbitmq_url, QUEUE)
    with Publisher(rabbitmq_url, routing_key=QUEUE) as made:
        yield made


def test_killed_and_started_again_raw_equals_what_was_published(
    publisher: Publisher, rabbitmq_url: str, tmp_path: Path
) -> None:
    with Service(tmp_path, rabbitmq_url, "--consumers", "2") as first:
        first.heard("READY=1")
        publisher.publish(events(300))
        first.until_loaded(300)
        publisher.publish(events(400, first=300))
        first.until_captured(301)
        first.kill()
    publisher.publish(events(100, first=700))
    with Service(tmp_path, rabbitmq_url, "--consumers", "2") as second:
        until(lambda: sum(in_log(tmp_path).values()) >= 800)
        second.heard("WATCHDOG=1")
        second.until_part("load", lambda part: part["commits"])
        second.until(lambda status: status["lag"]["rows"] == 0)
        receipt = second.end()
        second.heard("STOPPING=1")
        assert second.status()["state"] == "ended"
    holds_exactly(tmp_path, 800)
    assert receipt["behind_rows"] == receipt["failures"] == 0
    assert receipt["received"] == sum(each["received"] for each in receipt["captures"])
    with Service(tmp_path, rabbitmq_url, "--consumers", "2") as third:
        third.heard("READY=1")
        third.until(lambda status: status["lag"]["rows"] == 0)
        # Nothing was left in the queue: all had been settled.
        assert third.end(signal.SIGINT)["received"] == 0


def test_a_warehouse_that_another_process_holds_stops_no_capture(
    publisher: Publisher, rabbitmq_url: str, tmp_path: Path
) -> None:
    with Service(tmp_path, rabbitmq_url) as service:
        publisher.publish(events(100))
        service.until_loaded(100)
        # Between two loads anybody may open the file: the service lets go of it.
        with subprocess.Popen(
            [sys.executable, "-c", HOLDER],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            publisher.publish(events(200, first=100))
            service.until_captured(300)
            service.until_part("load", lambda part: part["state"] == "waiting")
            status = service.status()
            assert (status["lag"]["rows"], status["loaded"]["read"]) == (200, 100)
            assert "another process has it open" in service.part("load")["failure"]["message"]
            holder.communicate("", timeout=60)
        service.until_loaded(300)
        receipt = service.end()
    assert receipt["failures"] >= 1
    holds_exactly(tmp_path, 300)


@pytest.mark.long  # tests/unit/test_live.py shows it over doubles
def test_a_second_copy_takes_over_and_the_first_says_so(
    publisher: Publisher, rabbitmq_url: str, tmp_path: Path
) -> None:
    with Service(tmp_path, rabbitmq_url) as first:
        publisher.publish(events(50))
        first.until_loaded(50)
        with Service(tmp_path, rabbitmq_url) as second:
            second.heard("READY=1")
            # Either gets some of it; the first is fenced as soon as it wants to commit.
            published = 50
            while first.process.poll() is None:
                publisher.publish(events(20, first=published))
                published += 20
                second.until_captured(1)
            said = first.said()
            assert first.process.returncode == 4
            assert "another writer" in said.lower()
            assert first.status()["state"] == "failed"
            assert first.status()["error"]["kind"] == "FenceError"
            # What the first held comes again, to the second.
            until(lambda: ids_in_log(tmp_path) >= {each.event_id for each in events(published)})
            second.end()
    holds_exactly(tmp_path, published)


@pytest.mark.long
def test_a_broker_that_goes_away_and_comes_back_loses_nothing(tmp_path: Path) -> None:
    with RabbitServer.start() as server:
        url = server.vhost()
        declared(url, QUEUE)
        with (
            Publisher(url, routing_key=QUEUE) as publisher,
            Service(
                tmp_path, url, "-o", "attempts_max=1", "-o", "wait_max_s=1", "--consumers", "2"
            ) as service,
        ):
            publisher.publish(events(200))
            service.until_loaded(200)
            server.kill()
            service.until_part("capture live-0", lambda part: part["failures"])
            assert service.part("load")["failures"] == 0
            server.restart()
            publisher.publish(events(200, first=200))
            service.until_captured(400)
            service.until(lambda status: status["lag"]["rows"] == 0)
            receipt = service.end()
    assert receipt["failures"] >= 1
    holds_exactly(tmp_path, 400)


def test_no_secret_is_in_what_it_says(publisher: Publisher, rabbitmq_url: str, tmp_path: Path) -> None:
    wrong = rabbitmq_url.replace("://", "://nobody:hunter2-marker@", 1) if "@" not in rabbitmq_url else ""
    wrong = wrong or "amqp://nobody:hunter2-marker@" + rabbitmq_url.partition("@")[2]
    with Service(tmp_path, wrong) as service:
        until(lambda: service.process.poll() is not None)
        said = service.said()
        assert service.process.returncode == 1
        written = json.dumps(service.status())
    assert "hunter2-marker" not in said + written
    assert service.status()["state"] == "failed"
    assert publisher.ledger.confirmed == {}
