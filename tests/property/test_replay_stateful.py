"""replay against a list: RAW mirrors the log row for row, and its checkpoint is never ahead (P2, P3, P5,
P6).
"""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import duckdb
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from eventreplay.capture import CaptureOptions, capture
from eventreplay.errors import CheckpointConflictError, CodecChangedError
from eventreplay.event import Checkpoint
from eventreplay.interfaces import Sink
from eventreplay.log import Log
from eventreplay.replay import ReplayReceipt, replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.testing import (
    CrashAt,
    CrashingSink,
    CrashingStorage,
    MemorySink,
    MemorySource,
    MemoryWarehouse,
    SimulatedCrash,
    TickingClock,
    crash_at,
)
from tests.hex_codec import REFUSED, HexCodec, hex_text
from tests.records import Kind, Record, memory_storage, open_log, records

PARTITIONS = ("catalog", "journal")
NAME = "live"

Row = tuple[str, int, str, bytes]
"""Partition, offset, what it is, payload: a row of RAW.EVENTS, or of RAW.QUARANTINE with its stage."""


class ReplayMachine(RuleBasedStateMachine):
    """Two partitions that grow, a warehouse, and runs that succeed, die or meet another."""

    @abstractmethod
    def sink(self) -> Sink:
        """A sink over the warehouse, as a new process would open it."""

    @abstractmethod
    def stored(self) -> tuple[list[Row], list[Row]]:
        """What the warehouse shows its readers: EVENTS and QUARANTINE, each in order of arrival."""

    @abstractmethod
    def checkpoints(self) -> dict[str, Checkpoint]:
        """The warehouse's checkpoints by replay id."""

    @initialize(more=records(at_most=8))
    def begin(self, more: list[tuple[Kind, bytes]]) -> None:
        self.storage = memory_storage()
        self.held: dict[str, list[Record]] = {name: [] for name in PARTITIONS}
        self.numbers = 0
        self.prepare()
        self.log_grows(more, "journal")

    def prepare(self) -> None:
        """Make the warehouse."""

    @rule(more=records(at_most=8), partition=st.sampled_from(PARTITIONS))
    def log_grows(self, more: list[tuple[Kind, bytes]], partition: str) -> None:
        for kind, payload in more:
            self.numbers += 1
            self.held[partition].append(Record(kind, self.numbers, payload))
        source = MemorySource([record.item() for record in self.held[partition]])
        capture(source, self.log, partition, options=CaptureOptions(segment_positions=3))

    @rule(rows=st.integers(1, 5), transaction=st.integers(1, 9))
    def replay_runs(self, rows: int, transaction: int = 1) -> None:
        before = sum(map(len, self.stored()))
        receipt = self.run(self.sink(), rows=rows, transaction=transaction)
        assert receipt.read == receipt.loaded + receipt.quarantined == sum(map(len, self.stored())) - before
        assert sum(map(len, self.stored())) == sum(map(len, self.held.values()))

    @rule(
        k=st.integers(1, 40),
        when=st.sampled_from(["before", "after"]),
        rows=st.integers(1, 5),
        transaction=st.integers(1, 9),
        of=st.booleans(),
    )
    def replay_dies(
        self,
        k: int,
        when: Literal["before", "after"],
        rows: int,
        transaction: int,
        of: bool,  # noqa: FBT001
    ) -> None:
        crash = crash_at(k, when)
        sink = self.sink()
        with suppress(SimulatedCrash):
            self.run(
                CrashingSink(sink, crash), rows=rows, transaction=transaction, crash=crash if of else None
            )
        sink.close()

    @rule(commits=st.integers(1, 3), rows=st.integers(1, 5))
    def another_replay_gets_in_between(self, commits: int, rows: int) -> None:
        """Two runs of one replay: the second loads everything; the first must not load any of it again."""
        done: list[int] = []

        def get_in(_: int, __: int | None) -> None:
            done.append(1)
            if len(done) == commits:
                self.run(self.sink(), rows=rows)

        sink = self.sink()
        pending = self.pending()
        # No error if nothing of a partition was left to it, or it was done before the other began.
        with suppress(CheckpointConflictError):
            self.run(sink, rows=2, progress=get_in)
        sink.close()
        assert len(done) == min(pending, commits) or self.pending() == 0

    @rule()
    def another_codec_is_refused(self) -> None:
        if self.checkpoints():
            with pytest.raises(CodecChangedError):
                self.run(self.sink(), codec=HexCodec("hex-2"))

    @invariant()
    def the_warehouse_mirrors_the_log_up_to_its_checkpoints(self) -> None:
        stored_events, stored_refused = self.stored()
        for name in PARTITIONS:
            checkpoint = self.checkpoints().get(f"{NAME}/{name}")
            commit = None if checkpoint is None else self.log.reader(name).commit(checkpoint.position)
            assert checkpoint is None or (commit is not None and commit.sha256 == checkpoint.digest)
            upto = -1 if commit is None else commit.checkpoint.position
            events, refused = model(name, self.held[name][: upto + 1])
            assert [row for row in stored_events if row[0] == name] == events
            assert sorted(row for row in stored_refused if row[0] == name) == sorted(refused)

    def teardown(self) -> None:
        """Undisturbed to the end; then the tables are those of one run over the whole log."""
        if hasattr(self, "storage"):
            self.replay_runs(4)
            self.the_warehouse_mirrors_the_log_up_to_its_checkpoints()

    def run(
        self,
        sink: Sink,
        *,
        rows: int = 3,
        transaction: int = 1,
        crash: CrashAt | None = None,
        codec: HexCodec | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> ReplayReceipt:
        log = self.log if crash is None else open_log(CrashingStorage(self.storage, crash))
        codec = HexCodec() if codec is None else codec
        try:
            return replay(
                log,
                sink,
                codec,
                replay_id=NAME,
                batch_rows_max=rows,
                transaction_rows_min=transaction,
                progress=progress,
            )
        finally:
            if crash is None or not crash.fired:
                sink.close()

    def pending(self) -> int:
        """Commits that are not loaded yet."""
        there = sum(len(list(self.log.reader(name).commits())) for name in PARTITIONS)
        return there - sum(checkpoint.position for checkpoint in self.checkpoints().values())

    @property
    def log(self) -> Log:
        return open_log(self.storage)


def model(partition: str, held: list[Record]) -> tuple[list[Row], list[Row]]:
    """What RAW must hold of these records, one at a time."""
    events: list[Row] = []
    refused: list[Row] = []
    offset = rejected = 0
    for record in held:
        if record.kind != "event":
            refused.append((partition, rejected, "capture", record.payload))
            rejected += 1
            continue
        if record.payload.startswith(REFUSED):
            refused.append((partition, offset, "decode", record.payload))
        else:
            events.append((partition, offset, hex_text(record.payload), record.payload))
        offset += 1
    return events, refused


def as_rows(events: list[dict[str, Any]], refused: list[dict[str, Any]]) -> tuple[list[Row], list[Row]]:
    place = ("log_partition", "log_offset")
    return (
        [(*(row[n] for n in place), row["payload"], bytes.fromhex(row["payload"][8:-2])) for row in events],
        [(*(row[n] for n in place), row["stage"], row["payload"]) for row in refused],
    )


class MemoryReplayMachine(ReplayMachine):
    """Into the strict double."""

    def prepare(self) -> None:
        self.warehouse = MemoryWarehouse()

    def sink(self) -> Sink:
        return MemorySink(self.warehouse)

    def stored(self) -> tuple[list[Row], list[Row]]:
        return as_rows(
            [dict(row) for row in self.warehouse.events], [dict(row) for row in self.warehouse.quarantine]
        )

    def checkpoints(self) -> dict[str, Checkpoint]:
        return dict(self.warehouse.checkpoints)


class DuckDBReplayMachine(ReplayMachine):
    """Into a DuckDB file."""

    def prepare(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="eventreplay-test-")
        self.file = Path(self.folder.name) / "warehouse.duckdb"
        DuckDBSink(self.file, clock=TickingClock()).close()
        self.reader = duckdb.connect(str(self.file))

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "folder"):
            self.reader.close()
            self.folder.cleanup()

    def sink(self) -> Sink:
        return DuckDBSink(self.file, clock=TickingClock(), threads=1)

    def stored(self) -> tuple[list[Row], list[Row]]:
        events = self.ask(
            "SELECT log_partition, log_offset, payload::VARCHAR AS payload FROM RAW.EVENTS ORDER BY rowid"
        )
        refused = self.ask(
            "SELECT log_partition, log_offset, stage, payload FROM RAW.QUARANTINE ORDER BY rowid"
        )
        return as_rows(events, refused)

    def checkpoints(self) -> dict[str, Checkpoint]:
        names = "source, epoch, position, digest, fingerprint"
        found = self.ask(f"SELECT replay_id, {names} FROM RAW.CHECKPOINTS")
        return {row.pop("replay_id"): Checkpoint(**row) for row in found}

    def ask(self, query: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.reader.sql(query).to_arrow_table().to_pylist()
        return rows


MemoryReplayMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=12)
DuckDBReplayMachine.TestCase.settings = settings(max_examples=6, stateful_step_count=8)
TestReplayIntoMemory = MemoryReplayMachine.TestCase
TestReplayIntoDuckDB = DuckDBReplayMachine.TestCase
