"""A disk that fails or is full, at calls spread over the whole run: a clean stop that says so, then a clean
resume.

After a failed fsync the same call can falsely succeed, because the kernel has dropped the pages: so nobody
may try it again. The run stops, and the next one goes on from what is surely there.

By default the error is given to each call that does what none before it did, and to every eighth of the
others (the commits make the same calls, one commit after the other); the rest is for the long tests.
"""

from __future__ import annotations

import pytest

from tests.integration.crash.conftest import Stage
from tests.integration.crash.harness import Call, Left, chosen, fresh
from tests.integration.crash.test_kill_sweep import see_sound
from tests.integration.crash.zygote import EVENTS, SEGMENT_POSITIONS
from tests.tiers import tiered

PARTS = 4
EVERY = 12
BOTH = [pytest.param("chosen", id="chosen"), pytest.param("others", id="others", marks=pytest.mark.long)]

FULL = ("write", "pwrite64", "openat", "link", "mkdir", "rename")
"""Kinds that need space, and so fail when there is none; from the first failure on, as a full disk does."""


def test_errors_are_given_to_calls_that_sync_and_to_calls_that_need_space(stage: Stage) -> None:
    assert {"fsync", "fdatasync", "write", "pwrite64", "openat"} <= {
        call.kind for call in calls(stage, "chosen")
    }


@pytest.mark.parametrize("part", tiered(range(PARTS), short=lambda _, part: part == 0))
@pytest.mark.parametrize("which", BOTH)
def test_an_io_error_stops_cleanly_and_the_next_run_ends_as_if_undisturbed(
    stage: Stage, part: int, which: str
) -> None:
    for call in calls(stage, which)[part::PARTS]:
        fails(stage, call, call.fault("error=EIO"))


@pytest.mark.parametrize("part", range(PARTS // 2))
@pytest.mark.parametrize("which", BOTH)
def test_a_full_disk_stops_cleanly_and_the_next_run_ends_as_if_undisturbed(
    stage: Stage, part: int, which: str
) -> None:
    for call in [call for call in calls(stage, which) if call.kind in FULL][part :: PARTS // 2]:
        fails(stage, call, call.fault("error=ENOSPC") + "+")


def calls(stage: Stage, which: str) -> list[Call]:
    places = chosen(stage.trace.calls, EVERY)
    return [call for place, call in enumerate(stage.trace.calls) if (place in places) == (which == "chosen")]


def fails(stage: Stage, call: Call, fault: str) -> None:
    with fresh(stage.scratch) as folder:
        ended, found = stage.tracer.run(folder, paths=stage.trace.paths, fault=fault)
        assert call in found.calls, f"{fault}: the call was not reached"
        assert ended.outcome is not None, f"{fault}: {ended}"
        if ended.outcome != {"done": True}:
            assert "error" in ended.outcome, f"{fault}: {ended.outcome.get('crashed')}"
            assert ended.outcome["hint"], f"{fault}: {ended.outcome}"
        else:
            assert call in after_the_last_commit(stage), f"{fault}: nobody noticed"
        see_sound(stage)
        stage.zygote.run(folder).see_done()
        assert Left.of(folder) == stage.left, f"after {fault}"


def after_the_last_commit(stage: Stage) -> list[Call]:
    """Calls of closing the warehouse: everything is durable in its write-ahead log, which a next open
    reads.
    """
    synced = [
        at
        for at, call in enumerate(stage.trace.calls)
        if call.kind == "fdatasync" and call.paths == ("warehouse.duckdb.wal",)
    ]
    # One transaction makes the tables, then there is one for each commit of the log; what is synced behind
    # them
    # says that the write-ahead log was taken over into the file.
    return stage.trace.calls[synced[EVENTS // SEGMENT_POSITIONS] + 1 :]
