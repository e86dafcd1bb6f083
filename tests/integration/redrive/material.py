"""Logs of which an old codec could not decode a part, what was made of them, and both ways to look."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from attrs import frozen

from eventreplay.capture import CaptureOptions, capture
from eventreplay.errors import EventReplayError
from eventreplay.event import Event
from eventreplay.interfaces import Codec, Decoded, Sink
from eventreplay.log import Log
from eventreplay.redrive import RedriveReceipt, redrive
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sources.rows import Rejected
from eventreplay.testing import MemorySource
from tests.hex_codec import FixedCodec, HexCodec
from tests.records import Kind, Record

OLD, NEW = HexCodec(), FixedCodec()
KINDS: tuple[Kind, ...] = ("event", "event", "nameless", "event", "refused", "event")
TRIES_MAX = 20


def now() -> datetime:
    return datetime.now(UTC)


def items(count: int) -> list[Event | Rejected]:
    """Every fifth cannot be decoded by the old codec, every 15th by neither."""
    marks = [b"!?" if at % 15 == 3 else b"!" if at % 5 == 3 else b"" for at in range(count)]
    return [Record(KINDS[at % 6], at, marks[at] + b"%d" % at).item() for at in range(count)]


def grow(log: Log, count: int) -> None:
    capture(MemorySource(items(count)), log, "journal", options=CaptureOptions(segment_positions=32))


def small_log(folder: Path, count: int) -> Log:
    log = Log.open(folder)
    grow(log, count)
    return log


def loaded(path: Path, log: Log, codec: Codec) -> Path:
    """A DuckDB file with what a codec makes of a log."""
    with DuckDBSink(path, clock=now, threads=1) as sink:
        replay(log, sink, codec)
    return path


def raw(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """RAW by log order, but for moments and for who refused what is refused by both codecs."""
    left_out = {"EVENTS": "inserted_at", "QUARANTINE": "quarantined_at, error_code, error_message"}
    with duckdb.connect(str(path), read_only=True) as connection:
        found = {}
        for table, columns in left_out.items():
            more = ", decoder_fingerprint" if table == "QUARANTINE" else ""
            found[table] = connection.execute(
                f"SELECT * EXCLUDE ({columns}{more}) FROM RAW.{table} ORDER BY ALL"
            ).fetchall()
        return found


def until_it_ends(sink: Sink, log: Log, **how: Any) -> RedriveReceipt:
    """As whoever operates it: start again whenever somebody else was faster."""
    receipt = RedriveReceipt(replay_id="live", fingerprint=NEW.fingerprint)
    for _ in range(TRIES_MAX):
        try:
            return redrive(log, sink, NEW, receipt=receipt, **how)
        except EventReplayError as error:
            if not error.retryable:
                raise
    raise AssertionError(f"lost {TRIES_MAX} times")


@frozen
class BuggyCodec:
    """A codec that cannot decode events of some types up to a position: what its author mended later."""

    codec: Codec
    types: tuple[str, ...]
    upto_position: int
    fingerprint: str = "buggy"

    def decode(self, events: pa.RecordBatch) -> Decoded:
        made = self.codec.decode(events)
        hit = pc.and_(
            pc.is_in(events.column("event_type"), pa.array(self.types)),
            pc.less_equal(events.column("source_position"), self.upto_position),
        )
        refused = hit.take(made.rows)
        rows = pc.filter(made.rows, pc.invert(refused))
        failed = pa.concat_arrays([made.failed, pc.filter(made.rows, refused)])
        new = len(failed) - len(made.failed)
        codes = pa.concat_arrays([made.error_code, pa.array(["quantity_unknown"] * new, pa.string())])
        messages = pa.concat_arrays([made.error_message, pa.array(["A quantity."] * new, pa.string())])
        order = pc.sort_indices(failed)
        return Decoded(
            rows=rows,
            payload_type=pc.filter(made.payload_type, pc.invert(refused)),
            payload=pc.filter(made.payload, pc.invert(refused)),
            failed=failed.take(order),
            error_code=codes.take(order),
            error_message=messages.take(order),
        )
