"""verify on DuckDB against a model: whatever is done to RAW's rows, exactly those are named."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from attrs import field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from eventreplay.capture import CaptureOptions, capture
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sinks import duckdb as duckdb_sink
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.testing import MemorySource, TickingClock
from eventreplay.verify import Named, Verification, differences, verify
from eventreplay.verify import comparing as verify_module
from tests.hex_codec import HexCodec
from tests.records import (
    PARTITION,
    Kind,
    Record,
    logged_events,
    logged_rejects,
    memory_storage,
    open_log,
    records,
)

CODEC = HexCodec()
STRAY = "stray"
Place = tuple[str, str, int]

ACTIONS = (
    "delete",
    "double",
    "triple",
    "event_hash",
    "event_id",
    "payload_sha256",
    "payload",
    "headers",
    "beyond",
    "onto another",
    "partition",
)
EVERY_COLUMN_ONLY = {"payload", "headers"}


@frozen
class Small:
    """Ranges of few rows, so that a dozen of them are searched as millions would be."""

    ranges: int = field()
    leaf: int = field()
    parts: int = field()
    spans: int = field()


@pytest.fixture(scope="module")
def sink() -> Iterator[DuckDBSink]:
    """A warehouse in memory: a file would be synced hundreds of times."""
    with (
        patch.object(duckdb_sink, "connect", lambda _path: duckdb.connect()),
        DuckDBSink("memory", clock=TickingClock(), threads=1) as made,
    ):
        yield made


def loaded(sink: DuckDBSink, items: list[tuple[Kind, bytes]], width: int) -> Log:
    run = sink._open().execute
    for table in ("EVENTS", "QUARANTINE", "CHECKPOINTS"):
        run(f"DELETE FROM RAW.{table}")
    log = open_log(memory_storage())
    source = MemorySource([Record(kind, at, payload).item() for at, (kind, payload) in enumerate(items)])
    capture(source, log, PARTITION, options=CaptureOptions(segment_positions=width))
    replay(log, sink, CODEC)
    return log


def fresh(*parts: object) -> bytes:
    """32 bytes that nothing else has: two changes never make up for each other."""
    return hashlib.sha256(repr(parts).encode()).digest()


def change(sink: DuckDBSink, table: str, rowid: int, action: str, step: int) -> None:
    """Do something to one row of RAW."""
    run = sink._open().execute
    where = f"WHERE rowid = {rowid}"
    if action == "delete":
        run(f"DELETE FROM RAW.{table} {where}")
    elif action in {"double", "triple"}:
        copies = 1 if action == "double" else 2
        run(f"INSERT INTO RAW.{table} SELECT e.* FROM RAW.{table} e, range({copies}) WHERE e.rowid = {rowid}")
    elif action == "event_hash":
        value = int.from_bytes(fresh(rowid, step)[:8], "big", signed=True)
        run(f"UPDATE RAW.EVENTS SET event_hash = {value} {where}")
    elif action == "payload_sha256":
        run(f"UPDATE RAW.{table} SET payload_sha256 = ? {where}", [fresh(rowid, step)])
    elif action == "payload" and table == "EVENTS":
        run(f"UPDATE RAW.EVENTS SET payload = ? {where}", [f'{{"hex":"{fresh(step).hex()}"}}'])
    elif action == "payload":
        run(f"UPDATE RAW.QUARANTINE SET payload = ? {where}", [fresh(rowid, step)])
    else:
        set_to = {
            "headers": f"""headers = '{{"step":"{step}"}}'""",
            "beyond": "log_offset = log_offset + 1000",
            "onto another": "log_offset = greatest(log_offset - 1, 0)",
            "partition": f"log_partition = '{STRAY}'",
        }.get(action, f"event_id = '{fresh(rowid, step).hex()}'")
        run(f"UPDATE RAW.{table} SET {set_to} {where}")


def signed_hash(event_id: str, digest: bytes) -> int:
    return int.from_bytes(hashlib.sha256(event_id.encode() + digest).digest()[:8], "big", signed=True)


def model(log: Log, sink: DuckDBSink) -> dict[str, set[Place]]:
    """What a plain comparison of all rows says, from the columns that hashes cover."""
    due: dict[Place, int] = {}
    for offset, _, event_id, payload in logged_events(log):
        due[PARTITION, "log", offset] = signed_hash(event_id, hashlib.sha256(payload).digest())
    for offset, _, _, payload in logged_rejects(log):
        due[PARTITION, "capture", offset] = signed_hash("", hashlib.sha256(payload).digest())
    held: dict[Place, list[tuple[int, int]]] = defaultdict(list)
    run = sink._open().execute
    rows: Any = run(
        "SELECT log_partition, log_offset, event_id, event_hash, payload_sha256 FROM RAW.EVENTS"
    ).fetchall()
    for partition, offset, event_id, event_hash, digest in rows:
        held[partition, "log", offset].append((event_hash, signed_hash(event_id, digest)))
    rows = run(
        "SELECT log_partition, log_offset, event_id, stage, payload, payload_sha256 FROM RAW.QUARANTINE"
    ).fetchall()
    for partition, offset, event_id, stage, payload, digest in rows:
        order, name = ("log", event_id or "") if stage == "decode" else ("capture", "")
        computed = signed_hash(name, hashlib.sha256(payload or b"").digest())
        held[partition, order, offset].append((signed_hash(name, digest), computed))
    return {
        "missing": due.keys() - held.keys(),
        "doubled": {place for place, rows in held.items() if len(rows) > 1 and place in due},
        "altered": {
            place
            for place, rows in held.items()
            if place in due and any(set(row) != {due[place]} for row in rows)
        },
        "unknown": held.keys() - due.keys(),
    }


def named(found: tuple[Named, ...]) -> set[Place]:
    return {(one.partition, one.order, one.offset) for one in found}


def checked(log: Log, sink: DuckDBSink, small: Small, **how: Any) -> Verification:
    with (
        patch.multiple(differences, LEAF_ROWS=small.leaf, PARTS=small.parts, QUERY_SPANS_MAX=small.spans),
        patch.object(verify_module, "RANGES_MAX", small.ranges),
    ):
        return verify(log, sink, samples_max=10_000, **how)


smalls = st.builds(
    Small,
    ranges=st.integers(1, 4),
    leaf=st.integers(1, 4),
    parts=st.integers(2, 4),
    spans=st.integers(1, 3),
)


@given(
    items=records(sizes_max=4, at_most=24),
    width=st.integers(1, 30),
    changes=st.lists(st.tuples(st.integers(0, 200), st.sampled_from(ACTIONS)), max_size=6),
    small=smalls,
)
@settings(deadline=None, max_examples=10)
def test_what_was_done_to_rows_is_what_is_named(
    sink: DuckDBSink,
    items: list[tuple[Kind, bytes]],
    width: int,
    changes: list[tuple[int, str]],
    small: Small,
) -> None:
    log = loaded(sink, items, width)
    assert checked(log, sink, small).ok
    assert checked(log, sink, small, codec=CODEC).ok
    in_columns: set[Place] = set()
    for step, (choice, action) in enumerate(changes):
        rows = (
            sink._open()
            .execute(
                "SELECT 'EVENTS', rowid, 'log', log_offset FROM RAW.EVENTS WHERE log_partition = $1 UNION ALL"
                " SELECT 'QUARANTINE', rowid, CASE stage WHEN 'decode' THEN 'log' ELSE stage END, log_offset"
                " FROM RAW.QUARANTINE WHERE log_partition = $1 ORDER BY ALL",
                [PARTITION],
            )
            .fetchall()
        )
        if rows:
            table, rowid, order, offset = rows[choice % len(rows)]
            if action == "event_hash" and table == "QUARANTINE":  # which has none
                action = "event_id"  # noqa: PLW2901
            change(sink, table, rowid, action, step)
            if action in {*EVERY_COLUMN_ONLY, "event_id"}:
                in_columns.add((PARTITION, order, offset))
    due = model(log, sink)
    shallow = checked(log, sink, small)
    # Of what capture refused the commits vouch for no hash: rows that agree with themselves pass.
    unseen = {place for place in due["altered"] - named(shallow.altered) if place[1] == "capture"}
    for kind, places in due.items():
        seen = places - unseen if kind == "altered" else places
        assert named(getattr(shallow, kind)) == seen, kind
        count = unknown_rows(sink, seen) if kind == "unknown" else len(seen)
        assert getattr(shallow, f"{kind}_count") == count, kind
    assert shallow.ok == (not any(named(getattr(shallow, kind)) for kind in due))
    deep = checked(log, sink, small, codec=CODEC)
    for kind in ("missing", "doubled", "unknown"):
        assert getattr(deep, kind) == getattr(shallow, kind)
    gone = due["missing"] | due["unknown"]
    assert due["altered"] <= named(deep.altered) <= due["altered"] | in_columns | due["doubled"]
    stays = {place for place in in_columns if place not in gone and place not in due["doubled"]}
    assert len(changes) > 1 or stays <= named(deep.altered)


def unknown_rows(sink: DuckDBSink, places: set[Place]) -> int:
    """Unknown rows are counted row by row: two of one offset are two."""
    run = sink._open().execute
    count = 0
    found: Any
    for partition, order, offset in places:
        stage = "decode" if order == "log" else "capture"
        found = run(
            "SELECT count(*) FROM RAW.QUARANTINE WHERE log_partition = ? AND log_offset = ? AND stage = ?",
            [partition, offset, stage],
        ).fetchone()
        count += found[0]
        if order == "log":
            found = run(
                "SELECT count(*) FROM RAW.EVENTS WHERE log_partition = ? AND log_offset = ?",
                [partition, offset],
            ).fetchone()
            count += found[0]
    return count
