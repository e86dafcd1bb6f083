"""The nine schedules: commit orders in which a reader by id loses events, and this one does not."""

from __future__ import annotations

import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from eventreplay.capture import capture, capture_late
from eventreplay.errors import EpochError, LateEventError
from eventreplay.log import Log
from eventreplay.sources.postgres.check import check
from eventreplay.testing.faults.journal import SCHEDULES, NaiveReader, Schedule, Writer
from eventreplay.testing.services import PostgresServer
from tests.integration.postgres.journals import (
    PARTITION,
    capture_all,
    execute,
    ledger_of_log,
    make_table,
    open_source,
    settings,
)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda each: each.name)
@pytest.mark.parametrize("processes", ["one", "many"])
def test_nothing_is_lost_or_doubled(
    schedule: Schedule, processes: str, postgres_url: str, tmp_path: Path
) -> None:
    make_table(postgres_url)
    log = Log.open(tmp_path)
    source = open_source(postgres_url, hold_wait_s=0.02)
    naive = NaiveReader(postgres_url)

    def read() -> None:
        nonlocal source
        capture(source, log, PARTITION)
        naive.read()
        if processes == "many":
            source.close()
            source = open_source(postgres_url, hold_wait_s=0.02)

    with closing(naive), Writer(postgres_url, "one") as one, Writer(postgres_url, "two") as two:
        schedule.steps(one, two, read)
        read()
        read()
        source.close()
        committed = {**one.committed, **two.committed}
    assert committed
    assert ledger_of_log(tmp_path) == committed
    assert (naive.seen != committed) is schedule.naive_loses


def test_an_update_of_an_old_row_is_reported_and_the_log_keeps_what_was(
    postgres_url: str, tmp_path: Path
) -> None:
    make_table(postgres_url)
    with Writer(postgres_url) as writer:
        writer.insert()
        writer.commit()
        capture_all(postgres_url, tmp_path)
        writer.execute("UPDATE events SET payload = 'changed'")
        writer.commit()
    # A session hands in its statistics when it ends, at the latest.
    with closing(open_source(postgres_url)) as source:
        deadline_s = time.monotonic() + 30
        while source.changes() == (0, 0) and time.monotonic() < deadline_s:
            source.wait(0.1)
        assert source.changes() == (1, 0)
    findings = {each.name: each for each in check(settings(postgres_url))}
    assert not findings["append-only"].ok
    assert capture_all(postgres_url, tmp_path).received == 0
    assert ledger_of_log(tmp_path) == {1: "writer-1"}


def test_a_hole_is_held_however_long_and_its_holder_is_named(postgres_url: str, tmp_path: Path) -> None:
    make_table(postgres_url)
    log = Log.open(tmp_path)
    with (
        Writer(postgres_url, "slow shop") as slow,
        Writer(postgres_url, "quick") as quick,
        closing(open_source(postgres_url, hold_wait_s=0.05)) as source,
    ):
        quick.insert()
        quick.commit()
        slow.insert()
        for _ in range(5):
            quick.insert()
            quick.commit()
            receipt = capture(source, log, PARTITION)
            assert receipt.position == 1
        (hold,) = source.holds()
        assert hold.application_name == "slow shop"
        assert hold.state == "idle in transaction"
        assert hold.age_s is not None
        assert f"pid {hold.pid}" in str(hold)
        slow.commit()
        assert capture(source, log, PARTITION).position == 7
        assert source.holds() == []
        assert ledger_of_log(tmp_path) == {**slow.committed, **quick.committed}


def test_overlapping_transactions_do_not_hold_the_head_for_ever(postgres_url: str, tmp_path: Path) -> None:
    """There is always one open; the head waits for those it has listed, not for those that came later."""
    make_table(postgres_url)
    log = Log.open(tmp_path)
    with (
        Writer(postgres_url, "a") as first,
        Writer(postgres_url, "b") as second,
        closing(open_source(postgres_url, hold_wait_s=0.05)) as source,
    ):
        first.insert()
        second.insert()
        second.commit()
        assert capture(source, log, PARTITION).position is None
        second.insert()
        first.commit()
        assert capture(source, log, PARTITION).position == 2


def test_a_prepared_transaction_holds_and_is_named(postgres_url: str, tmp_path: Path) -> None:
    make_table(postgres_url)
    log = Log.open(tmp_path)
    with Writer(postgres_url) as one, Writer(postgres_url, "two") as two:
        one.insert()
        two.insert()
        two.commit()
        with closing(open_source(postgres_url)) as source:
            assert capture(source, log, PARTITION).position is None
            assert source.holds()[0].pid is not None
            # The holder that was listed is gone; its locks live on under another name.
            one.prepare("gid of the test")
            assert capture(source, log, PARTITION).position is None
            (hold,) = source.holds()
            assert hold.gid == "gid of the test"
            assert hold.pid is None
            one.finish("gid of the test", commit=False)
            assert capture(source, log, PARTITION).position == 2
    (gaps,) = log.gaps(PARTITION).entries()
    assert (gaps.first.to_pylist(), gaps.last.to_pylist()) == ([1], [1])
    assert set(gaps.evidence) == {
        "first_snapshot", "second_snapshot", "waited_for", "held_by", "held_since", "decided_at",
    }  # fmt: skip
    assert "prepared transaction 'gid of the test'" in gaps.evidence["held_by"]
    assert gaps.evidence["held_since"] < gaps.evidence["decided_at"]
    assert log.check().ok


def test_a_late_arrival_raises_an_alarm_until_it_is_captured(postgres_url: str, tmp_path: Path) -> None:
    make_table(postgres_url)
    log = Log.open(tmp_path)
    with Writer(postgres_url) as writer:
        writer.insert()
        writer.rollback()
        writer.insert()
        writer.commit()
        assert capture_all(postgres_url, tmp_path).position == 2
        # An id that was kept outside of any transaction: no lock could show it.
        writer.execute(
            "INSERT INTO events (id, event_id, event_type, occurred_at, payload)"
            " VALUES (1, 'late', 't', now(), 'x')"
        )
        writer.insert()
        writer.commit()
    for _ in range(2):
        with pytest.raises(LateEventError) as caught:
            capture_all(postgres_url, tmp_path)
        assert caught.value.fields["positions"] == ["1"]
    assert sorted(ledger_of_log(tmp_path)) == [2, 3], "what is not late is captured all the same"
    with closing(open_source(postgres_url, positions=("1",))) as source:
        assert capture_late(source, log, PARTITION, ["1"], into="journal-late").logged == 1
    assert capture_all(postgres_url, tmp_path).position == 3
    assert sorted(ledger_of_log(tmp_path)) == [1, 2, 3]


def test_a_sequence_that_went_back_stops(postgres_url: str, tmp_path: Path) -> None:
    make_table(postgres_url)
    with Writer(postgres_url) as writer:
        for _ in range(3):
            writer.insert()
        writer.commit()
        capture_all(postgres_url, tmp_path)
        writer.execute("TRUNCATE events RESTART IDENTITY")
        writer.insert()
        writer.commit()
    with pytest.raises(EpochError, match="went back"):
        capture_all(postgres_url, tmp_path)


def test_a_table_restored_into_another_cluster_stops(postgres_url: str, tmp_path: Path) -> None:
    make_table(postgres_url)
    with Writer(postgres_url) as writer:
        writer.insert()
        writer.commit()
    capture_all(postgres_url, tmp_path)
    dump = subprocess.run(["pg_dump", "--no-owner", postgres_url], check=True, capture_output=True).stdout
    with PostgresServer.start() as other:
        url = other.database()
        subprocess.run(
            ["psql", "-q", "-v", "ON_ERROR_STOP=1", url], input=dump, check=True, capture_output=True
        )
        execute(url, "INSERT INTO events (event_id) VALUES ('of the other one')")
        with pytest.raises(EpochError):
            capture_all(url, tmp_path)
    assert ledger_of_log(tmp_path) == {1: "writer-1"}
