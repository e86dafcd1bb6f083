"""kill -9 at every system call that changes the run's folder, one after the other (promises P1 to P6).

The pipeline is the real one: generated history, capture into a log in a folder, replay into a DuckDB file.
Killing before a call leaves what the call before it left, so the points between all calls are covered. What
SIGKILL cannot show is the loss of bytes that were written and not yet synced; see `test_io_errors` for the
calls that sync.

By default it is killed at half of the calls that do what none before them did, and of every sixth of the
others (the commits make the same calls, one commit after the other); the rest is for the long tests.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from eventreplay.log import Log
from tests.integration.crash.conftest import Stage
from tests.integration.crash.harness import Call, Left, Trace, chosen, fresh
from tests.integration.crash.zygote import EVENTS, PARTITION, SEGMENT_POSITIONS
from tests.tiers import tiered

PARTS = 6
EVERY = 6

SAMPLES = 6
SECONDS = 3
"""Calls of each recovery at which it is killed again, about."""

DUCKDB_HEADERS_BYTES = 3 * 4096
"""A shorter file is one that DuckDB was about to create."""


def test_the_run_is_worth_sweeping(stage: Stage) -> None:
    kinds = Counter(call.kind for call in stage.trace.calls)
    assert len(stage.trace.calls) >= 80, kinds
    for kind in ("write", "link", "rename", "unlink", "fsync", "pwrite64", "fdatasync", "mkdir", "openat"):
        assert kinds[kind] >= 3, kinds
    commits = [name for name in stage.left.log if name.startswith("commits/journal/")]
    assert len(commits) == EVENTS // SEGMENT_POSITIONS >= 3
    assert any(name.startswith("quarantine/") and name.endswith(".parquet") for name in stage.left.log)
    assert stage.left.beside == ["log", "warehouse.duckdb"]
    assert len(stage.left.tables["EVENTS"]) + len(stage.left.tables["QUARANTINE"]) == EVENTS


def test_one_thread_makes_every_call_so_that_counting_its_calls_reaches_all(stage: Stage) -> None:
    assert [call for call in stage.trace.calls if call.elsewhere] == []


def test_a_warehouse_with_as_many_threads_as_it_wants_makes_the_same_calls_in_the_same_order(
    stage: Stage,
) -> None:
    """The sweep gives DuckDB one thread, so that calls can be counted; with more, nothing else reaches the
    disk.
    """
    with fresh(stage.scratch) as folder:
        ended, trace = stage.tracer.run(folder, threads=None)
        ended.see_done()
        assert trace.calls == stage.trace.calls
        assert Left.of(folder) == stage.left


@pytest.mark.parametrize("part", tiered(range(PARTS), short=lambda _, part: part % 2 == 0))
def test_killed_at_any_call_and_started_again_it_ends_as_if_undisturbed(stage: Stage, part: int) -> None:
    places = chosen(stage.trace.calls, EVERY)[part::PARTS]
    assert len(places) >= 6
    killed_at_each(stage, places)


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_each_of_the_other_calls_it_ends_as_if_undisturbed(stage: Stage, part: int) -> None:
    others = sorted(set(range(len(stage.trace.calls))) - set(chosen(stage.trace.calls, EVERY)))
    assert len(others) >= 2 * PARTS
    killed_at_each(stage, others[part::PARTS])


def killed_at_each(stage: Stage, places: list[int]) -> None:
    for at in places:
        call = stage.trace.calls[at]
        with fresh(stage.scratch) as folder:
            killed_at(stage, call, stage.trace.calls[: at + 1], stage.trace)
            see_sound(stage)
            stage.zygote.run(folder).see_done()
            assert Left.of(folder) == stage.left, f"after kill -9 at call {at + 1}, {call}"


@pytest.mark.parametrize("part", tiered(range(SAMPLES), short=lambda _, part: part == 0))
def test_killed_again_while_it_recovers_it_ends_as_if_undisturbed(
    stage: Stage, part: int, tmp_path: Path
) -> None:
    """A sample: some first kills, spread over the run; behind each, calls spread over its recovery."""
    firsts = list(enumerate(stage.trace.calls))[5 + 3 * part :: 6 * SAMPLES]
    for at, call in firsts:
        corpse = tmp_path / str(at)
        with fresh(stage.scratch):
            folder = killed_at(stage, call, stage.trace.calls[: at + 1], stage.trace)
            shutil.copytree(folder, corpse)
            ended, recovery = stage.tracer.run(folder)
            ended.see_done()
            assert Left.of(folder) == stage.left
        step = max(len(recovery.calls) // SECONDS, 1)
        for number, second in list(enumerate(recovery.calls))[part % step :: step]:
            with fresh(stage.scratch, corpse):
                killed_at(stage, second, recovery.calls[: number + 1], recovery)
                see_sound(stage)
                stage.zygote.run(folder).see_done()
                assert Left.of(folder) == stage.left, f"after kill -9 at {call}, then at {second}"
        shutil.rmtree(corpse)


def killed_at(stage: Stage, call: Call, until: list[Call], trace: Trace) -> Path:
    """Run in the fresh folder and die at `call`; the run's own trace proves where."""
    folder = stage.scratch / "run"
    ended, found = stage.tracer.run(folder, paths=trace.paths, fault=call.fault("signal=KILL"))
    assert ended.killed, f"{call} was not reached: {ended}"
    assert found.calls == until, f"died elsewhere than at {call}"
    return folder


def see_sound(stage: Stage) -> None:
    """What a killed run leaves is whole, as far as it goes: no commit without its data, no checkpoint
    ahead.
    """
    folder = stage.scratch / "run"
    log = Log.open(folder / "log")
    report = log.check()
    assert report.ok, report.findings
    head = log.reader(PARTITION).head()
    warehouse = folder / "warehouse.duckdb"
    if not warehouse.exists() or warehouse.stat().st_size < DUCKDB_HEADERS_BYTES:
        return
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        tables = {
            name for (name,) in connection.execute("SELECT upper(table_name) FROM duckdb_tables()").fetchall()
        }
        if not tables:
            return
        stored = connection.execute("SELECT position, digest FROM RAW.CHECKPOINTS").fetchall()
        counted = connection.execute(
            "SELECT (SELECT count(*) FROM RAW.EVENTS) + (SELECT count(*) FROM RAW.QUARANTINE)"
        ).fetchall()
    commit = log.reader(PARTITION).commit(stored[0][0]) if stored else None
    assert head is not None
    if commit is None:
        assert counted == [(0,)]
    else:
        assert stored == [(commit.number, commit.sha256)]
        assert counted == [(commit.next_offset + commit.next_quarantine_offset,)]
