"""The DuckDB sink against a model: any order of calls, two writers, restarts and crashes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from eventreplay.errors import CheckpointConflictError, SinkError
from eventreplay.event import Checkpoint
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.duckdb_tables import connect
from eventreplay.testing import TickingClock
from eventreplay.testing.examples import example_quarantine, example_rows
from eventreplay.testing.sink_suite import checkpoint_at

REPLAYS = ("a", "b'; --")
writers = st.integers(0, 1)


class Sinks(RuleBasedStateMachine):
    """Two writers over one file. The model: a list of rows, a dict of checkpoints, and what each holds."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="eventreplay-")
        self.path = Path(self.folder.name) / "w.duckdb"
        self.sinks = [self.open(), self.open()]
        self.abandoned: list[DuckDBSink] = []
        self.replay: list[str | None] = [None, None]
        self.known: list[Checkpoint | None] = [None, None]
        self.held: list[list[tuple[str, int]]] = [[], []]
        self.stored: list[tuple[str, int]] = []
        self.checkpoints: dict[str, Checkpoint] = {}
        self.next = 0

    def open(self) -> DuckDBSink:
        return DuckDBSink(self.path, clock=TickingClock(), memory_mb_max=128, threads=1)

    @rule(at=writers, replay_id=st.sampled_from(REPLAYS))
    def begin(self, at: int, replay_id: str) -> None:
        self.known[at] = self.sinks[at].begin(replay_id)
        assert self.known[at] == self.checkpoints.get(replay_id)
        self.replay[at], self.held[at] = replay_id, []

    @rule(at=writers, rows=st.integers(0, 3), table=st.sampled_from(["EVENTS", "QUARANTINE"]))
    def write(self, at: int, rows: int, table: str) -> None:
        offsets = range(self.next, self.next + rows)
        call = self.sinks[at].write if table == "EVENTS" else self.sinks[at].quarantine
        batch = example_rows(offsets) if table == "EVENTS" else example_quarantine(offsets)
        self.next += rows
        if self.replay[at] is None:
            try:
                call(batch)
            except SinkError:
                return
            raise AssertionError("Rows before begin() were taken.")
        call(batch)
        self.held[at] += [(table, offset) for offset in offsets]

    @rule(
        at=writers,
        position=st.integers(0, 5),
        guess=st.sampled_from(["known", "known", "known", "none", "other"]),
    )
    def commit(self, at: int, position: int, guess: str) -> None:
        replay_id = self.replay[at]
        expected = {"known": self.known[at], "none": None, "other": checkpoint_at(99)}[guess]
        try:
            self.sinks[at].commit(checkpoint_at(position), expected=expected)
        except CheckpointConflictError as error:
            assert replay_id is not None
            assert expected != self.checkpoints.get(replay_id)
            found = error.fields["found"]
            assert found == self.checkpoints.get(replay_id)
            self.replay[at], self.held[at] = None, []
        except SinkError:
            assert replay_id is None
        else:
            assert replay_id is not None
            assert expected == self.checkpoints.get(replay_id)
            self.checkpoints[replay_id] = self.known[at] = checkpoint_at(position)
            self.stored += self.held[at]
            self.held[at] = []

    @rule(at=writers, politely=st.sampled_from([True, False]))
    def restart(self, at: int, politely: bool) -> None:  # noqa: FBT001 - hypothesis names its arguments
        if politely:
            self.sinks[at].close()
        else:
            self.abandoned.append(self.sinks[at])
        self.sinks[at] = self.open()
        self.replay[at], self.held[at] = None, []

    @invariant()
    def stored_is_what_was_committed(self) -> None:
        connection = connect(self.path)
        for table in ("EVENTS", "QUARANTINE"):
            found = connection.execute(f"SELECT log_offset FROM RAW.{table} ORDER BY rowid").fetchall()
            assert [row[0] for row in found] == [offset for name, offset in self.stored if name == table]
        connection.close()

    def teardown(self) -> None:
        for sink in [*self.sinks, *self.abandoned]:
            sink.close()
        self.folder.cleanup()


TestSinks = Sinks.TestCase
TestSinks.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
