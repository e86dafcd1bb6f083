"""What comes out of bulk reading: exact, the same however it is read, and whole after whatever breaks it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from eventreplay.errors import SourceUnavailableError
from eventreplay.event import Position
from eventreplay.sources.postgres import PostgresSource
from eventreplay.testing.faults.proxy import Proxy
from tests.integration.postgres.journals import (
    PARTITION,
    capture_all,
    execute,
    fill,
    ledger_of_log,
    logged,
    make_table,
    open_source,
)


def objects(folder: Path) -> dict[str, str]:
    """Keys and hashes of everything a log vouches for."""
    files = (file for kind in ("events", "quarantine", "commits") for file in (folder / kind).rglob("*.*"))
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_the_same_bytes_however_it_is_read(postgres_url: str, tmp_path: Path) -> None:
    make_table(postgres_url)
    fill(postgres_url, 70_000)
    execute(postgres_url, "DELETE FROM events WHERE id % 1000 = 0 OR id BETWEEN 30000 AND 40000")
    ways = [(1, 1, 262_144, 65_536), (2, 2, 10_000, 7_777), (4, 4, 33_333, 65_536)]
    found = []
    for number, (workers, readers, range_ids, rows) in enumerate(ways):
        capture_all(
            postgres_url,
            tmp_path / str(number),
            workers=workers,
            readers=readers,
            range_ids=range_ids,
            batch_rows_max=rows,
        )
        found.append(objects(tmp_path / str(number)))
    assert len(found[0]) > 2
    assert found[1:] == found[:1] * 2


def test_values_that_break_others(postgres_url: str, tmp_path: Path) -> None:
    make_table(postgres_url)
    good = "'t', now(), 'x'"
    rows = [
        "('infinity', 't', 'infinity', 'x', NULL)",
        "('-infinity', 't', '-infinity', 'x', NULL)",
        "('bc', 't', '4713-01-01 BC', 'x', NULL)",
        f"(NULL, {good}, NULL)",
        "('no type', NULL, now(), 'x', NULL)",
        "('no payload', 't', now(), NULL, NULL)",
        f"('bad headers', {good}, '{{\"a\": 1}}')",
        f"('array', {good}, '[]')",
        f"('empty', {good}, '{{}}')",
        f"('null value', {good}, '{{\"a\": null}}')",
        "('good', 't', '2026-01-31 23:59:59.999999+00', '\\x00ff0d0a', '{\"b\": \"2\", \"a\": \"é\"}')",
    ]
    for row in rows:
        execute(
            postgres_url,
            f"INSERT INTO events (event_id, event_type, occurred_at, payload, headers) VALUES {row}",
        )
    receipt = capture_all(postgres_url, tmp_path)
    assert receipt.received == len(rows)
    events = {row["event_id"]: row for row in logged(tmp_path)}
    assert sorted(events) == ["empty", "good"]
    assert events["good"]["payload"] == b"\x00\xff\r\n"
    assert dict(events["good"]["headers"]) == {"a": "é", "b": "2"}
    assert events["good"]["occurred_at"] == datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert events["good"]["source_position"] == 11


HOSTILE = "o'ne\"il.%s {0} `x`; DROP TABLE events; -- é🃏"


def test_hostile_names_mapping_constants_and_types(postgres_url: str, tmp_path: Path) -> None:
    def quoted(name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    id_column, type_column = "id %(a)s", 'ty"pe %'
    table = f"{quoted('sche.ma %s')}.{quoted(HOSTILE[:50])}"
    execute(
        postgres_url,
        f"CREATE SCHEMA {quoted('sche.ma %s')}",
        f"CREATE TABLE {table} ({quoted(id_column)} int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        f" of_event uuid DEFAULT gen_random_uuid(), {quoted(type_column)} varchar(40), at timestamp,"
        " body jsonb)",
        f"INSERT INTO {table} ({quoted(type_column)}, at, body) VALUES"
        " ('a', '2026-01-01 12:00', '{\"b\": 1.10, \"a\": 2}'), ('b''; --', '2026-07-01 12:00', '\"x\"'),"
        " ('c', now(), '1')",
        f"DELETE FROM {table} WHERE {quoted(type_column)} = 'never'",
    )
    mapping = {
        "event_id": "of_event",
        "event_type": type_column,
        "occurred_at": "at",
        "payload": "body",
        "source": "=urn:'%s\"",
        "content_type": "=application/json",
    }
    receipt = capture_all(
        postgres_url,
        tmp_path,
        table=table,
        id_column=id_column,
        columns=mapping,
        naive_timezone="Europe/Zurich",
        event_types=("a", "b'; --"),
        notify_channel=None,
    )
    assert (receipt.logged, receipt.quarantined) == (2, 0)
    first, second = logged(tmp_path)
    assert first["payload"] == b'{"a": 2, "b": 1.10}'
    assert first["occurred_at"] == datetime(2026, 1, 1, 11, tzinfo=UTC)
    assert second["occurred_at"] == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert (second["event_type"], second["source"]) == ("b'; --", "urn:'%s\"")
    assert len(first["event_id"]) == 36
    assert "?filter=" in receipt.source


def test_partitions_of_a_table_are_one_journal(postgres_url: str, tmp_path: Path) -> None:
    execute(
        postgres_url,
        "CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, event_id text, event_type text,"
        " occurred_at timestamptz, payload bytea) PARTITION BY RANGE (occurred_at)",
        "CREATE TABLE old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2026-01-01')",
        "CREATE TABLE new PARTITION OF events FOR VALUES FROM ('2026-01-01') TO (MAXVALUE)",
        "INSERT INTO events (event_id, event_type, occurred_at, payload) SELECT 'e' || n, 't',"
        " '2025-12-31 23:00+00'::timestamptz + n % 2 * interval '1 day', 'x' FROM generate_series(1, 1000) n",
    )
    capture_all(postgres_url, tmp_path, readers=2, range_ids=100)
    assert ledger_of_log(tmp_path) == {n: f"e{n}" for n in range(1, 1001)}


def test_a_jump_of_the_sequence_costs_nothing(postgres_url: str, tmp_path: Path) -> None:
    make_table(postgres_url)
    fill(postgres_url, 10)
    execute(postgres_url, "SELECT setval('events_id_seq', 9000000000000000)")
    fill(postgres_url, 10)
    assert capture_all(postgres_url, tmp_path).logged == 20


def test_a_connection_reset_in_the_middle_of_a_copy(postgres_url: str, tmp_path: Path) -> None:
    make_table(postgres_url)
    fill(postgres_url, 60_000)
    parts = urlsplit(postgres_url)
    with Proxy(parts.hostname or "", parts.port or 0) as proxy:
        through = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}").geturl()
        with closing(open_source(through, batch_bytes=1 << 18)) as source:
            head = source.head()
            assert head is not None
            reading = source.read(None, head)
            proxy.cut_after(2_000_000, "down", every=True)
            with pytest.raises(SourceUnavailableError):
                sum(batch.rows for batch in reading)
            proxy.heal()
            proxy.set_next()
        assert proxy.bytes("passed", "down") > 1_000_000
    capture_all(postgres_url, tmp_path)
    assert len(ledger_of_log(tmp_path)) == 60_000


def test_an_abandoned_read_ends_its_connections(postgres_url: str) -> None:
    make_table(postgres_url)
    fill(postgres_url, 50_000)
    with closing(open_source(postgres_url, readers=2, range_ids=5_000, batch_rows_max=10)) as source:
        reading = source.read(None, Position(50_000))
        next(reading)
        del reading
    deadline_s = time.monotonic() + 20
    left = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    while execute(postgres_url, left) != [(0,)]:
        assert time.monotonic() < deadline_s


CHILD = """
import sys
from eventreplay.capture import CaptureOptions, capture
from eventreplay.log import Log
from eventreplay.secret import Secret
from eventreplay.sources.postgres import PostgresSettings, PostgresSource
source = PostgresSource(PostgresSettings(url=Secret(sys.argv[1]), range_ids=2_000))
capture(source, Log.open(sys.argv[2]), sys.argv[3], options=CaptureOptions(segment_positions=1_000),
        progress=lambda done, total: print(done, flush=True))
"""


def test_killed_in_the_middle_it_goes_on_behind_the_last_commit(postgres_url: str, tmp_path: Path) -> None:
    make_table(postgres_url)
    fill(postgres_url, 10_000)
    for _ in range(2):
        command = [sys.executable, "-c", CHILD, postgres_url, str(tmp_path), PARTITION]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            child.stdout.readline()
            child.stdout.readline()
            os.kill(child.pid, signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
    begun = len(ledger_of_log(tmp_path))
    assert 0 < begun < 10_000
    assert capture_all(postgres_url, tmp_path).received == 10_000 - begun
    assert ledger_of_log(tmp_path) == {n: f"event-{n}" for n in range(1, 10_001)}


@pytest.mark.parametrize("channel", [None, 'odd "channel'])
def test_waiting_ends_when_something_is_written(channel: str | None, postgres_url: str) -> None:
    make_table(postgres_url)
    fill(postgres_url, 1)

    def waits(source: PostgresSource, seconds: float) -> bool:
        return source.wait(seconds)

    with closing(open_source(postgres_url, notify_channel=channel)) as source:
        source.head()
        assert not waits(source, 0.1)
        fill(postgres_url, 1)
        if channel is not None:
            execute(postgres_url, "SELECT pg_notify(%s, '')", parameters=(channel,))
        assert waits(source, 20)
