"""A redrive over a DuckDB file: killed at any statement, two at once, and beside a load."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eventreplay.log import Log
from eventreplay.redrive import explain, redrive
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.verify import verify
from tests.integration.redrive.killing import Killer
from tests.integration.redrive.material import NEW, OLD, grow, loaded, now, raw, small_log, until_it_ends

LONG = pytest.mark.long
RECORDS = 180
STATEMENTS = 5
"""Of a transaction: BEGIN, the checkpoint, DELETE, INSERT, COMMIT."""


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return small_log(tmp_path / "log", RECORDS)


@pytest.mark.parametrize(
    "calls",
    [
        range(STATEMENTS + 1, 2 * STATEMENTS + 1),
        pytest.param([*range(1, STATEMENTS + 1), *range(2 * STATEMENTS + 1, 3 * STATEMENTS + 1)], marks=LONG),
    ],
    ids=["of the second transaction", "of the others"],
)
def test_kill_9_at_every_statement(root: Path, tmp_path: Path, log: Log, calls: Sequence[int]) -> None:
    """Dead behind one is dead before the next."""
    due = raw(loaded(tmp_path / "due.duckdb", log, NEW))
    whole = loaded(tmp_path / "whole.duckdb", log, OLD)
    path = tmp_path / "w.duckdb"
    killer = Killer(root, tmp_path / "log", {"duckdb": str(path)})
    deaths = 0
    try:
        for k in calls:
            shutil.copy(whole, path)
            path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
            assert killer.kill_at(k, "after") == signal.SIGKILL, f"nobody died after statement {k}"
            deaths += 1
            with DuckDBSink(path, clock=now, threads=1) as sink:
                assert verify(log, sink).ok, f"after a kill after statement {k}"
                left = explain(log, sink, NEW).count("passes")
                whole_ones = 4 * (k // STATEMENTS)
                assert redrive(log, sink, NEW).moved == left
            assert raw(path) == due, f"after a kill after statement {k}"
            assert left == len(due["EVENTS"]) - len(raw(whole)["EVENTS"]) - whole_ones
        assert killer.kill_at(1000, "after") == 0
    finally:
        killer.close()
    assert deaths == len(calls) >= STATEMENTS


def test_two_at_once_and_a_load_meanwhile_move_each_record_once(tmp_path: Path, log: Log) -> None:
    path = loaded(tmp_path / "w.duckdb", log, OLD)
    more = 3 * RECORDS

    def redriven(_: int) -> int:
        with DuckDBSink(path, clock=now, threads=1) as sink:
            return until_it_ends(sink, log, batch_rows_max=2, transaction_rows_max=1).moved

    def load() -> int:
        read = 0
        for count in range(RECORDS + 32, more + 1, 32):
            grow(log, count)
            with DuckDBSink(path, clock=now, threads=1) as sink:
                read += replay(log, sink, OLD).read
        return read

    with DuckDBSink(path, clock=now, threads=1), ThreadPoolExecutor(3) as threads:
        loading = threads.submit(load)
        moved = sum(threads.map(redriven, range(2)))
        assert loading.result() > 0
    with DuckDBSink(path, clock=now, threads=1) as sink:
        assert verify(log, sink).ok
        moved += redrive(log, sink, NEW).moved
        assert redrive(log, sink, NEW).moved == 0
    due = raw(loaded(tmp_path / "due.duckdb", log, NEW))
    assert raw(path) == due
    assert moved == len(due["EVENTS"]) - len(raw(loaded(tmp_path / "old.duckdb", log, OLD))["EVENTS"])
