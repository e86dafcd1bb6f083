"""Many writers at once and a reader beside them: none lost, none doubled, the naive one loses."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from eventreplay.capture import capture
from eventreplay.log import Log
from eventreplay.testing.faults.journal import NaiveReader, Storm, StormOptions
from tests.integration.postgres.journals import PARTITION, ledger_of_log, make_table, open_source


def weather(url: str, folder: Path, options: StormOptions, timeout_s: float) -> None:
    make_table(url)
    storm = Storm(url, options)
    log = Log.open(folder)
    naive = NaiveReader(url)
    storm.start()
    try:
        with closing(naive), closing(open_source(url, hold_wait_s=0.2, late_check_s=5.0)) as source:
            while not storm.is_over():
                capture(source, log, PARTITION)
                naive.read()
                source.wait(0.05)
            committed = dict(storm.committed(timeout_s=timeout_s))
            # Twice: the first may end a wait that began before the last commit.
            capture(source, log, PARTITION)
            capture(source, log, PARTITION)
            naive.read()
    finally:
        storm.stop()
    assert len(committed) >= options.events_min
    assert {"commit", "rollback", "savepoint", "prepared", "stall"} <= set(storm.counts)
    assert ledger_of_log(folder) == committed
    assert len(naive.seen) < len(committed), "the storm was too mild to prove anything"


def test_a_storm_loses_nothing(postgres_url: str, tmp_path: Path) -> None:
    weather(postgres_url, tmp_path, StormOptions(writers=8, events_min=8_000, stall_s_max=0.5), 60)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_long_storm_with_stalls_of_a_minute_loses_nothing(postgres_url: str, tmp_path: Path) -> None:
    options = StormOptions(writers=16, events_min=1_000_000, stall_s_max=60, stall_share=0.0005)
    weather(postgres_url, tmp_path, options, 3000)
