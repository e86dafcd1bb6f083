"""What is DuckDB's own: types, time zones, order, locks, foreign files, and a process that really dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.errors import (
    CheckpointConflictError,
    ConfigError,
    EventReplayError,
    InvalidEventError,
    SinkError,
    SinkUnavailableError,
)
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.duckdb_tables import connect, quarantined, raw_counts
from eventreplay.testing import TickingClock
from eventreplay.testing.examples import example_quarantine, example_rows
from eventreplay.testing.sink_suite import checkpoint_at

EVENTS = {
    "event_id": "VARCHAR", "event_type": "VARCHAR", "stream_id": "VARCHAR", "source": "VARCHAR",
    "source_position": "BIGINT", "occurred_at": "TIMESTAMP", "recorded_at": "TIMESTAMP",
    "content_type": "VARCHAR", "headers": "JSON", "payload_type": "VARCHAR", "payload": "JSON",
    "payload_sha256": "BLOB", "event_hash": "BIGINT", "log_partition": "VARCHAR", "log_offset": "BIGINT",
    "inserted_at": "TIMESTAMP",
}  # fmt: skip
QUARANTINE = {
    "stage": "VARCHAR", "log_partition": "VARCHAR", "log_offset": "BIGINT", "event_id": "VARCHAR",
    "event_type": "VARCHAR", "stream_id": "VARCHAR", "source": "VARCHAR", "source_position": "BIGINT",
    "occurred_at": "TIMESTAMP", "recorded_at": "TIMESTAMP", "content_type": "VARCHAR", "headers": "JSON",
    "payload": "BLOB", "payload_sha256": "BLOB", "error_code": "VARCHAR", "error_message": "VARCHAR",
    "decoder_fingerprint": "VARCHAR", "quarantined_at": "TIMESTAMP",
}  # fmt: skip
CHECKPOINTS = {
    "replay_id": "VARCHAR", "source": "VARCHAR", "epoch": "VARCHAR", "position": "BIGINT",
    "digest": "VARCHAR", "fingerprint": "VARCHAR", "updated_at": "TIMESTAMP",
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ware house's.duckdb"


@pytest.fixture
def sink(path: Path) -> Iterator[DuckDBSink]:
    with DuckDBSink(path, clock=TickingClock()) as opened:
        yield opened


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    connection = connect(path)
    try:
        return list(connection.execute(statement).fetchall())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("table", "columns"), [("EVENTS", EVENTS), ("QUARANTINE", QUARANTINE), ("CHECKPOINTS", CHECKPOINTS)]
)
def test_tables_have_the_layout_agreed_on(
    sink: DuckDBSink, path: Path, table: str, columns: dict[str, str]
) -> None:
    sink.begin("r")
    found = query(path, f"DESCRIBE RAW.{table}")
    assert {row[0]: row[1] for row in found} == columns
    schemas = query(path, "SELECT DISTINCT schema_name FROM duckdb_tables()")
    assert schemas == [("RAW",)]


def test_moments_are_utc_whatever_the_session_zone(path: Path) -> None:
    moment = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)  # an hour that some zones do not have
    clock_zone = timezone(timedelta(hours=5, minutes=45))
    with DuckDBSink(path, clock=lambda: moment.astimezone(clock_zone)) as sink:
        other = connect(path)
        other.execute("SET GLOBAL TimeZone = 'Europe/Berlin'")
        sink.begin("r")
        sink.write(example_rows(range(1), occurred_at=moment))
        sink.quarantine(example_quarantine(range(1, 2), occurred_at=moment))
        sink.commit(checkpoint_at(0), expected=None)
        other.close()
    naive = moment.replace(tzinfo=None)
    assert query(path, "SELECT occurred_at, inserted_at FROM RAW.EVENTS") == [(naive, naive)]
    assert query(path, "SELECT occurred_at, quarantined_at FROM RAW.QUARANTINE") == [(naive, naive)]
    assert query(path, "SELECT updated_at FROM RAW.CHECKPOINTS") == [(naive,)]


def test_the_clock_is_asked_once_per_commit(path: Path) -> None:
    clock = TickingClock()
    with DuckDBSink(path, clock=clock) as sink:
        sink.begin("r")
        for position in range(2):
            sink.write(example_rows(range(position * 10, position * 10 + 2)))
            sink.write(example_rows(range(position * 10 + 2, position * 10 + 4)))
            sink.quarantine(example_quarantine(range(position * 10 + 4, position * 10 + 5)))
            sink.commit(checkpoint_at(position), expected=None if position == 0 else checkpoint_at(0))
    assert clock.calls == 2
    assert query(path, "SELECT count(DISTINCT inserted_at) FROM RAW.EVENTS") == [(2,)]
    joined = "SELECT count(*) FROM RAW.CHECKPOINTS JOIN RAW.QUARANTINE ON updated_at = quarantined_at"
    assert query(path, joined) == [(1,)]


def test_a_clock_without_zone_is_refused(path: Path) -> None:
    with DuckDBSink(path, clock=lambda: datetime(2026, 1, 1)) as sink:  # noqa: DTZ001 - the point of the test
        sink.begin("r")
        with pytest.raises(SinkError, match="time zone"):
            sink.write(example_rows(range(1)))


def test_json_is_queried_without_having_been_parsed(sink: DuckDBSink, path: Path) -> None:
    sink.begin("r")
    text = '{"amount":"12345678901234567890.123400","n":"9007199254740993","a b":[1.10,  2]}'
    sink.write(example_rows(range(1), payload=text, headers='{"k":"v"}'))
    sink.commit(checkpoint_at(0), expected=None)
    assert query(
        path, "SELECT payload::VARCHAR, payload ->> '$.amount', headers ->> 'k' FROM RAW.EVENTS"
    ) == [(text, "12345678901234567890.123400", "v")]


def test_quarantined_headers_become_json_even_when_names_repeat(sink: DuckDBSink, path: Path) -> None:
    headers = pa.array([[("k", '"'), ("k", "🃏\x01")], [], None], QUARANTINE_SCHEMA.field("headers").type)
    rows = example_quarantine(range(3))
    rows = rows.set_column(
        QUARANTINE_SCHEMA.get_field_index("headers"), QUARANTINE_SCHEMA.field("headers"), headers
    )
    sink.begin("r")
    sink.quarantine(rows)
    sink.commit(checkpoint_at(0), expected=None)
    found = query(path, "SELECT headers::VARCHAR FROM RAW.QUARANTINE ORDER BY log_offset")
    assert found == [('{"k":"\\"","k":"🃏\\u0001"}',), ("{}",), ("{}",)]


def test_moments_beyond_every_calendar_stay_what_they_are(sink: DuckDBSink, path: Path) -> None:
    """An event refused for its impossible time is quarantined with that time."""
    index = QUARANTINE_SCHEMA.get_field_index("occurred_at")
    field = QUARANTINE_SCHEMA.field("occurred_at")
    extremes = [2**63 - 2, -(2**63) + 2, 0]
    rows = example_quarantine(range(3)).set_column(
        index, field, pa.array(extremes, pa.int64()).view(field.type)
    )
    sink.begin("r")
    sink.quarantine(rows)
    sink.commit(checkpoint_at(0), expected=None)
    assert query(path, "SELECT epoch_us(occurred_at) FROM RAW.QUARANTINE ORDER BY log_offset") == [
        (value,) for value in extremes
    ]


def test_rows_keep_log_order_in_bounded_memory(path: Path) -> None:
    """One commit of several row groups, larger than DuckDB may hold in memory, with several threads."""
    rows, batches, memory_mb = 50_000, 12, 48
    block = example_rows(range(1), payload='{"text":"' + "x" * 300 + '"}')
    index = RAW_SCHEMA.get_field_index("log_offset")
    big = pa.Table.from_batches([block]).take(pa.array([0] * rows)).combine_chunks().to_batches()[0]
    assert big.nbytes * batches > 3 * memory_mb * 1024 * 1024
    with DuckDBSink(path, clock=TickingClock(), memory_mb_max=memory_mb, threads=2) as sink:
        sink.begin("r")
        for batch in range(batches):
            offsets = pa.array(range(batch * rows, (batch + 1) * rows), pa.int64())
            sink.write(big.set_column(index, RAW_SCHEMA.field("log_offset"), offsets))
        sink.commit(checkpoint_at(0), expected=None)
    found = query(path, "SELECT count(*), count(*) FILTER (log_offset = rowid) FROM RAW.EVENTS")
    assert found == [(rows * batches, rows * batches)]
    connection = connect(path)
    first = connection.sql("SELECT log_offset FROM RAW.EVENTS").to_arrow_table().column(0)
    connection.close()
    assert first.to_pylist() == list(range(rows * batches))


def test_another_process_holding_the_file_is_a_clear_retryable_error(path: Path) -> None:
    DuckDBSink(path, clock=TickingClock()).close()
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(SinkUnavailableError, match="another process") as raised:
            DuckDBSink(path, clock=TickingClock())
        assert raised.value.retryable
        assert "end the other one" in raised.value.hint
        holder.communicate()
    DuckDBSink(path, clock=TickingClock()).close()


CHILD = """
import os, signal, sys
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.testing import TickingClock
from eventreplay.testing.examples import example_quarantine, example_rows
from eventreplay.testing.sink_suite import checkpoint_at
sink = DuckDBSink(sys.argv[1], clock=TickingClock())
sink.begin("r")
sink.write(example_rows(range(0, 5)))
sink.commit(checkpoint_at(0), expected=None)
sink.write(example_rows(range(5, 9)))
sink.quarantine(example_quarantine(range(9, 10)))
if sys.argv[2] == "after":
    sink.commit(checkpoint_at(1), expected=checkpoint_at(0))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("when", "events", "position"), [("before", 5, 0), ("after", 9, 1)])
def test_a_killed_process_leaves_whole_commits(path: Path, when: str, events: int, position: int) -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), when],
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.returncode == -signal.SIGKILL
    with DuckDBSink(path, clock=TickingClock()) as sink:
        assert sink.begin("r") == checkpoint_at(position)
    assert query(path, "SELECT count(*) FROM RAW.EVENTS") == [(events,)]
    assert query(path, "SELECT count(*) FROM RAW.QUARANTINE") == [(position,)]


@pytest.mark.parametrize("content", [b"SQLite format 3\x00" * 100, b"x", b"", b"PAR1" * 100])
def test_a_foreign_file_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(SinkError, match="not a DuckDB database"):
        DuckDBSink(path, clock=TickingClock())
    assert path.read_bytes() == content


def test_a_cut_off_database_is_a_clear_error(path: Path) -> None:
    """Where its tables of contents are gone. Data blocks alone are missed when they are read."""
    with DuckDBSink(path, clock=TickingClock()) as sink:
        sink.begin("r")
        sink.write(example_rows(range(50)))
        sink.commit(checkpoint_at(0), expected=None)
    whole = path.read_bytes()
    for kept in (len(whole) // 4, 4096, 100):
        path.write_bytes(whole[:kept])
        with pytest.raises(EventReplayError):
            DuckDBSink(path, clock=TickingClock())


@pytest.mark.parametrize("name", ["missing/w.duckdb", "."])
def test_a_path_that_cannot_be_a_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SinkError, match="folder"):
        DuckDBSink(tmp_path / name, clock=TickingClock())


OTHER_CHECKPOINTS = (
    "CREATE TABLE RAW.CHECKPOINTS (replay_id VARCHAR, source VARCHAR, epoch VARCHAR, position {},"
    " digest VARCHAR, fingerprint VARCHAR, updated_at TIMESTAMP)"
)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE TABLE RAW.EVENTS (event_id VARCHAR)", "RAW.EVENTS"),
        (OTHER_CHECKPOINTS.format("INTEGER"), "RAW.CHECKPOINTS"),
        (OTHER_CHECKPOINTS.format("BIGINT"), "primary key"),
        ("CREATE VIEW RAW.QUARANTINE AS SELECT 1 AS stage", "RAW"),
    ],
)
def test_tables_of_somebody_else_are_refused(path: Path, statement: str, named: str) -> None:
    connection = duckdb.connect(str(path))
    connection.execute("CREATE SCHEMA RAW")
    connection.execute(statement)
    connection.close()
    with pytest.raises(SinkError, match=named):
        DuckDBSink(path, clock=TickingClock())


def test_a_failed_write_cannot_be_committed(sink: DuckDBSink, path: Path) -> None:
    sink.begin("r")
    sink.write(example_rows(range(3)))
    with pytest.raises(InvalidEventError, match="event_id"):
        sink.write(example_rows(range(3, 4), event_id=None))
    with pytest.raises(SinkError, match="begin"):
        sink.commit(checkpoint_at(0), expected=None)
    assert sink.begin("r") is None
    assert query(path, "SELECT count(*) FROM RAW.EVENTS") == [(0,)]


def test_a_refused_commit_cannot_be_tried_again_with_another_guess(sink: DuckDBSink, path: Path) -> None:
    sink.begin("r")
    sink.write(example_rows(range(3)))
    with pytest.raises(CheckpointConflictError):
        sink.commit(checkpoint_at(1), expected=checkpoint_at(0))
    with pytest.raises(SinkError, match="begin"):
        sink.commit(checkpoint_at(1), expected=None)
    assert query(path, "SELECT count(*) FROM RAW.EVENTS") == [(0,)]


def test_text_that_is_not_utf8_is_refused_without_being_shown(sink: DuckDBSink) -> None:
    buffers = [None, pa.py_buffer(b"\0\0\0\0\x09\0\0\0"), pa.py_buffer(b"SECRET\xff\xfe\xfd")]
    bad = pa.Array.from_buffers(pa.string(), 1, buffers)
    rows = example_rows(range(1))
    rows = rows.set_column(RAW_SCHEMA.get_field_index("payload"), RAW_SCHEMA.field("payload"), bad)
    sink.begin("r")
    with pytest.raises(InvalidEventError) as raised:
        sink.write(rows)
    assert "SECRET" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("bound", ["memory_mb_max", "threads", "wal_mb_max"])
def test_bounds_below_one_are_refused(path: Path, bound: str) -> None:
    bounds: dict[str, Any] = {bound: 0}
    with pytest.raises(ConfigError, match=bound):
        DuckDBSink(path, clock=TickingClock(), **bounds)
    assert not path.exists()


def test_a_closed_sink_says_so(path: Path) -> None:
    sink = DuckDBSink(path, clock=TickingClock())
    sink.close()
    with pytest.raises(SinkError, match="closed"):
        sink.begin("r")
    with pytest.raises(SinkError, match="closed"):
        sink.write(example_rows(range(1)))


def test_what_the_command_line_reads(sink: DuckDBSink, path: Path) -> None:
    sink.begin("r")
    sink.write(example_rows(range(3)))
    sink.quarantine(example_quarantine(range(5, 8)))
    sink.quarantine(example_quarantine(range(2), stage="capture", payload=None))
    sink.commit(checkpoint_at(0), expected=None)
    connection = connect(path)
    counts = raw_counts(connection)
    assert (counts.events, counts.quarantined_decode, counts.quarantined_capture) == (3, 3, 2)
    page = quarantined(connection, limit_rows=2, skip_rows=1)
    assert [(row.stage, row.log_offset, row.payload_bytes) for row in page] == [
        ("capture", 1, None),
        ("decode", 5, 3),
    ]
    assert "payload" not in {name for name in dir(page[0]) if not name.startswith("_")}
    connection.close()


def test_a_second_generation_stands_beside_the_first_and_shares_nothing(path: Path) -> None:
    with DuckDBSink(path, clock=TickingClock()) as live:
        live.begin("r")
        live.write(example_rows(range(3)))
        live.commit(checkpoint_at(2), expected=None)
    with DuckDBSink(path, clock=TickingClock(), raw_schema="raw_next") as beside:
        assert beside.begin("r") is None, "the other generation's checkpoint is not this one's"
        beside.write(example_rows(range(5)))
        beside.commit(checkpoint_at(4), expected=None)
        assert beside.begin("r") == checkpoint_at(4)
    with DuckDBSink(path, clock=TickingClock()) as live:
        assert live.begin("r") == checkpoint_at(2)
    connection = connect(path)
    assert [
        connection.execute(f"SELECT count(*) FROM {name}.EVENTS").fetchone() for name in ("RAW", "RAW_NEXT")
    ] == [(3,), (5,)]
    connection.close()


@pytest.mark.parametrize("name", ["", "1RAW", "RAW; DROP TABLE x", 'R"W', "R" * 64, "RAW\n"])
def test_a_schema_is_a_plain_name(path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="raw_schema"):
        DuckDBSink(path, clock=TickingClock(), raw_schema=name)
    assert not path.exists()


def test_dbt_is_told_where_the_file_is_wherever_it_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = DuckDBSink.dbt_environment("w.duckdb")
    assert found == {"DBT_TARGET": "duckdb", "EVENTREPLAY_DUCKDB_PATH": str(tmp_path / "w.duckdb")}
