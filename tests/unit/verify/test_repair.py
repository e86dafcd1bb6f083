"""repair: exactly what differs is replaced, from a log that was proven, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from attrs import evolve

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.capabilities.tally import Order
from eventreplay.capture import CaptureOptions, capture
from eventreplay.errors import (
    CheckpointConflictError,
    CodecChangedError,
    ConfigError,
    CorruptLogError,
    SinkError,
)
from eventreplay.event import Checkpoint
from eventreplay.log import Log
from eventreplay.raw_rows import no_rows
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.duckdb_tables import connect
from eventreplay.testing import MemorySink, MemorySource, MemoryWarehouse
from eventreplay.verify import repair as module
from eventreplay.verify import verify
from eventreplay.verify.repair import Repair, repair
from tests.hex_codec import HexCodec
from tests.records import Kind, Record

CODEC = HexCodec()
KINDS: tuple[Kind, ...] = ("event", "event", "nameless", "event", "refused", "event")


def grow(log: Log, count: int, partition: str = "journal") -> None:
    items = [
        Record(KINDS[at % len(KINDS)], at, b"!" * (at % 7 == 3) + b"%d" % at).item() for at in range(count)
    ]
    capture(MemorySource(items), log, partition, options=CaptureOptions(segment_positions=8))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Three commits: 16 events, of which some cannot be decoded, and 8 that capture refused."""
    made = Log.open(tmp_path / "log")
    grow(made, 24)
    return made


@pytest.fixture
def warehouse(log: Log) -> MemoryWarehouse:
    made = MemoryWarehouse()
    replay(log, MemorySink(made), CODEC)
    return made


def contents(warehouse: MemoryWarehouse) -> list[list[Mapping[str, Any]]]:
    return [
        sorted(rows, key=lambda row: (row["log_partition"], str(row.get("stage")), row["log_offset"]))
        for rows in (warehouse.events, warehouse.quarantine)
    ]


def spoil(warehouse: MemoryWarehouse) -> list[int]:
    """Delete 3 rows, double 2, alter 1 byte of a payload; their offsets."""
    rows = warehouse.events
    chosen = sorted(row["log_offset"] for row in rows)[1:7]
    gone, twice, changed = chosen[:3], chosen[3:5], chosen[5]
    rows[:] = [row for row in rows if row["log_offset"] not in gone]
    rows += [row for row in rows if row["log_offset"] in twice]
    at = next(place for place, row in enumerate(rows) if row["log_offset"] == changed)
    text = rows[at]["payload"]
    rows[at] = {**rows[at], "payload": text[:-2] + ("0" if text[-2] != "0" else "1") + text[-1]}
    return chosen


def offsets(found: Repair) -> list[int]:
    before = found.before
    return sorted(one.offset for one in (*before.missing, *before.doubled, *before.altered))


def test_the_six_are_named_and_put_right_and_nothing_else_is_touched(
    log: Log, warehouse: MemoryWarehouse
) -> None:
    due = contents(warehouse)
    checkpoints = dict(warehouse.checkpoints)
    six = spoil(warehouse)
    untouched = [id(row) for row in warehouse.events if row["log_offset"] not in six]
    found = repair(log, MemorySink(warehouse), CODEC, deep=True)
    assert offsets(found) == six
    assert (found.ok, found.stale, found.after.deep) == (True, True, True)
    assert contents(warehouse) == due
    assert warehouse.checkpoints == checkpoints
    assert [id(row) for row in warehouse.events if row["log_offset"] not in six] == untouched
    (one,) = found.replaced
    # Three had no row, two had two, one had one.
    assert (one.partition, one.places, one.removed, one.written, one.transactions) == ("journal", 6, 5, 6, 1)
    again = repair(log, MemorySink(warehouse), CODEC, deep=True)
    assert (again.replaced, again.ok, again.stale) == ((), True, False)


def test_what_was_refused_is_put_right_in_both_stages(log: Log, warehouse: MemoryWarehouse) -> None:
    due = contents(warehouse)
    decode = next(row for row in warehouse.quarantine if row["stage"] == "decode")
    capture_rows = [row for row in warehouse.quarantine if row["stage"] == "capture"]
    warehouse.quarantine.remove(decode)
    # A row that stands in the other table, too.
    warehouse.events.append({**warehouse.events[0], "log_offset": decode["log_offset"]})
    warehouse.quarantine.remove(capture_rows[2])
    warehouse.quarantine.append(capture_rows[3])
    assert repair(log, MemorySink(warehouse), CODEC).ok
    assert contents(warehouse) == due


def test_unknown_rows_stay_unless_told_otherwise(log: Log, warehouse: MemoryWarehouse) -> None:
    due = contents(warehouse)
    row = warehouse.events[0]
    strange = [{**row, "log_offset": 16}, {**row, "log_partition": "stray", "log_offset": 3}]
    warehouse.events += strange
    kept = repair(log, MemorySink(warehouse), CODEC)
    assert (kept.ok, kept.replaced, kept.after.unknown_count) == (False, (), 2)
    gone = repair(log, MemorySink(warehouse), CODEC, remove_unknown=True)
    assert (gone.ok, gone.stale) == (True, True)
    assert [(one.partition, one.removed, one.written) for one in gone.replaced] == [
        ("journal", 1, 0),
        ("stray", 1, 0),
    ]
    assert contents(warehouse) == due


def test_rows_that_another_log_loaded_are_not_removed(
    log: Log, warehouse: MemoryWarehouse, tmp_path: Path
) -> None:
    other = Log.open(tmp_path / "other")
    grow(other, 6, "theirs")
    replay(other, MemorySink(warehouse), CODEC)
    due = contents(warehouse)
    with pytest.raises(ConfigError, match="another log"):
        repair(log, MemorySink(warehouse), CODEC, remove_unknown=True)
    assert contents(warehouse) == due


def test_more_than_a_pass_and_a_transaction_hold_are_put_right(
    log: Log, warehouse: MemoryWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = contents(warehouse)
    warehouse.events.clear()
    monkeypatch.setattr(module, "ROWS_MAX", 5)
    monkeypatch.setattr(module, "TRANSACTION_ROWS", 2)
    found = repair(log, MemorySink(warehouse), CODEC)
    assert (found.ok, contents(warehouse)) == (True, due)
    assert found.replaced[0].transactions > 5


@pytest.mark.parametrize("damage", ["segment", "commit"])
def test_a_damaged_log_repairs_nothing(
    log: Log, warehouse: MemoryWarehouse, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRANSACTION_ROWS", 1)
    spoil(warehouse)
    folder = tmp_path / "log" / ("events" if damage == "segment" else "commits")
    # What is needed first is whole: nothing may be replaced from it before all is proven.
    victim = sorted(path for path in folder.rglob("*") if path.is_file())[-1 if damage == "segment" else 0]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.chmod(0o644)
    victim.write_bytes(bytes(data))
    warehouse.events[:] = [row for row in warehouse.events if row["log_offset"] != 15]
    before = contents(warehouse)
    with pytest.raises(CorruptLogError):
        repair(log, MemorySink(warehouse), CODEC)
    assert contents(warehouse) == before


def test_what_is_damaged_behind_the_comparison_is_seen_before_the_first_row_is_touched(
    log: Log, warehouse: MemoryWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRANSACTION_ROWS", 1)
    warehouse.events.clear()
    sink = MemorySink(warehouse)
    found = verify(log, sink)
    victim = max((tmp_path / "log" / "events").rglob("*.parquet"))
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes()[:-9])
    before = contents(warehouse)
    run = module._Run(log, sink, sink, CODEC, "live")
    with pytest.raises(CorruptLogError):
        run.put_right(module._todo(found, remove_unknown=False), found)
    assert contents(warehouse) == before


def without_three(table: pa.Table) -> pa.Table:
    return table.slice(3)


def with_two_twice(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table.slice(1, 2)])


def with_another_byte(table: pa.Table) -> pa.Table:
    at = table.schema.get_field_index("payload")
    payloads = table.column(at).to_pylist()
    payloads[2] = bytes([payloads[2][0] ^ 1]) + payloads[2][1:]
    return table.set_column(at, table.schema.field(at), pa.array(payloads, pa.binary()))


@pytest.mark.parametrize("change", [without_three, with_two_twice, with_another_byte])
def test_the_same_six_in_the_logs_own_files_are_found_and_refused(
    log: Log, warehouse: MemoryWarehouse, tmp_path: Path, change: Callable[[pa.Table], pa.Table]
) -> None:
    victim = min((tmp_path / "log" / "events").rglob("*.parquet"))
    table = pq.ParquetFile(victim).read()
    victim.chmod(0o644)
    pq.write_table(change(table), victim)
    with pytest.raises(CorruptLogError):
        repair(log, MemorySink(warehouse), CODEC, deep=True)
    # Of the rows that segment has nothing is taken, whatever is missing in the warehouse.
    warehouse.events[:] = [row for row in warehouse.events if row["log_offset"] > 1]
    before = contents(warehouse)
    with pytest.raises(CorruptLogError):
        repair(log, MemorySink(warehouse), CODEC)
    assert contents(warehouse) == before
    assert [finding.key.rpartition("/")[2] for finding in log.check().findings] == [victim.name]


def test_another_codec_is_refused(log: Log, warehouse: MemoryWarehouse) -> None:
    spoil(warehouse)
    before = contents(warehouse)
    for place, known in warehouse.checkpoints.items():
        warehouse.checkpoints[place] = evolve(known, fingerprint="other")
    with pytest.raises(CodecChangedError):
        repair(log, MemorySink(warehouse), CODEC)
    assert contents(warehouse) == before


def test_a_sink_without_the_method_is_refused(log: Log, warehouse: MemoryWarehouse) -> None:
    class Bare:
        def __init__(self) -> None:
            self.inner = MemorySink(warehouse)

        def __getattr__(self, name: str) -> Any:
            if name == "replace":
                raise AttributeError(name)
            return getattr(self.inner, name)

    with pytest.raises(ConfigError, match="cannot be repaired"):
        repair(log, Bare(), CODEC)


class Disturbed(MemorySink):
    """Before each replacement, something else happens."""

    def __init__(self, warehouse: MemoryWarehouse, steps: list[Callable[[], None]]) -> None:
        super().__init__(warehouse)
        self.steps = steps

    def replace(
        self,
        replay_id: str,
        partition: str,
        places: Mapping[Order, Sequence[int]],
        rows: pa.RecordBatch,
        refused: pa.RecordBatch,
        *,
        expected: Checkpoint | None,
    ) -> int:
        if self.steps:
            self.steps.pop(0)()
        return super().replace(replay_id, partition, places, rows, refused, expected=expected)


def test_a_load_that_comes_between_is_waited_out(log: Log, warehouse: MemoryWarehouse) -> None:
    def load(count: int) -> Callable[[], None]:
        def step() -> None:
            grow(log, count)
            replay(log, MemorySink(warehouse), CODEC)

        return step

    spoil(warehouse)
    found = repair(log, Disturbed(warehouse, [load(32), load(40)]), CODEC, deep=True)
    assert (found.ok, found.after.partitions[0].rows) == (True, 40)
    spoil(warehouse)
    endless = [load(48 + 8 * at) for at in range(module.CONFLICTS_MAX + 1)]
    with pytest.raises(CheckpointConflictError):
        repair(log, Disturbed(warehouse, endless), CODEC, deep=True)


def test_who_spoils_it_again_is_not_fought_for_ever(log: Log, warehouse: MemoryWarehouse) -> None:
    class Stubborn(MemorySink):
        def replace(self, *_: Any, **__: Any) -> int:
            return 0

    spoil(warehouse)
    with pytest.raises(SinkError, match="no fewer"):
        repair(log, Stubborn(warehouse), CODEC)


@pytest.fixture
def clock() -> Callable[[], datetime]:
    moments = iter(datetime(2026, 5, 1, 0, minute, tzinfo=UTC) for minute in range(60))
    return lambda: next(moments)


def test_the_embedded_warehouse_is_put_right_in_one_transaction(
    log: Log, tmp_path: Path, clock: Callable[[], datetime]
) -> None:
    path = tmp_path / "w.duckdb"
    with DuckDBSink(path, clock=clock) as sink:
        replay(log, sink, CODEC)
    due = rows_of(path)
    connection = connect(path)
    chosen = [at for (at,) in connection.execute("SELECT log_offset FROM RAW.EVENTS ORDER BY 1").fetchall()]
    gone, twice, changed = chosen[1:4], chosen[5:7], chosen[8]
    connection.execute("DELETE FROM RAW.EVENTS WHERE log_offset IN (SELECT unnest(?))", [gone])
    connection.execute(
        "INSERT INTO RAW.EVENTS SELECT * FROM RAW.EVENTS WHERE log_offset IN (SELECT unnest(?))", [twice]
    )
    connection.execute("""UPDATE RAW.EVENTS SET payload = '{"hex":"00"}' WHERE log_offset = ?""", [changed])
    spoilt = connection.execute("SELECT count(*), max(inserted_at) FROM RAW.EVENTS").fetchall()
    connection.close()
    with DuckDBSink(path, clock=clock) as sink:
        sink.begin("live/journal")
        with pytest.raises(CheckpointConflictError):
            replaced_under_another(sink)
    connection = connect(path)
    assert connection.execute("SELECT count(*), max(inserted_at) FROM RAW.EVENTS").fetchall() == spoilt
    connection.close()
    with DuckDBSink(path, clock=clock) as sink:
        found = repair(log, sink, CODEC, deep=True)
        assert verify(log, sink, codec=CODEC).ok
    assert offsets(found) == sorted([*gone, *twice, changed])
    before, after = (
        [(day.due, day.rows, day.equal) for part in side.partitions for day in part.days]
        for side in (found.before, found.after)
    )
    # Three rows less and two more; what was altered is no sum's to tell, and is named by its column.
    assert sum(due for due, _, _ in before) == len(chosen)
    assert sum(rows for _, rows, _ in before) == len(chosen) - 1
    assert sum(rows for _, rows, _ in after) == len(chosen)
    assert (all(equal for *_, equal in before), all(equal for *_, equal in after)) == (False, True)
    assert [(one.removed, one.written, one.transactions) for one in found.replaced] == [(5, 6, 1)]
    assert rows_of(path) == due
    connection = connect(path)
    # Whoever looks for new rows by their moment finds these six, and no others.
    again = connection.execute(
        "SELECT log_offset FROM RAW.EVENTS WHERE inserted_at = (SELECT max(inserted_at) FROM RAW.EVENTS)"
    ).fetchall()
    connection.close()
    assert sorted(offset for (offset,) in again) == offsets(found)


def replaced_under_another(sink: DuckDBSink) -> None:
    known = sink.begin("live/journal")
    assert known is not None
    sink.replace(
        "live/journal",
        "journal",
        {"log": [0, 1, 2]},
        no_rows(RAW_SCHEMA),
        no_rows(QUARANTINE_SCHEMA),
        expected=evolve(known, position=known.position + 1),
    )


def rows_of(path: Path) -> list[Any]:
    connection = connect(path)
    try:
        return [
            connection.execute(f"SELECT * EXCLUDE ({moment}) FROM RAW.{table} ORDER BY ALL").fetchall()
            for table, moment in (("EVENTS", "inserted_at"), ("QUARANTINE", "quarantined_at"))
        ]
    finally:
        connection.close()
