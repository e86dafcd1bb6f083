"""Receipts: kept one behind the other whoever keeps them, sealed, without secrets, and enough to compare."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from eventreplay.batch import Batch
from eventreplay.capture import CaptureOptions, capture
from eventreplay.errors import ConfigError, CorruptLogError, LogUnavailableError
from eventreplay.event import Checkpoint, Event
from eventreplay.log import Log, encode_events
from eventreplay.log.receipts import receipt_key
from eventreplay.receipts import FACTS_BYTES_MAX, Receipt, Receipts, captured, keep
from eventreplay.secret import Secret
from eventreplay.testing import MemorySource
from tests.unit.log.doubles import Faulty, MemoryLog

BEGAN = datetime(2026, 1, 31, 23, 59, 59, 250_000, tzinfo=UTC)
ENDED = BEGAN + timedelta(seconds=61)


def event(position: int) -> Event:
    return Event(
        event_id=f"e-{position}",
        event_type="t",
        payload=b"%d" % position,
        occurred_at=BEGAN,
        source_position=position,
    )


def begun(log: Log) -> Log:
    with log.writer("journal", segment_positions=4) as writer:
        segment = encode_events(Batch.from_events([event(0)]).events, 0)
        writer.commit([segment], [], Checkpoint(source="s", epoch="e", position=0))
    return log


@pytest.fixture
def memory() -> MemoryLog:
    made = MemoryLog()
    begun(made.log)
    return made


def kept(log: Log, **facts: object) -> Receipt:
    return keep(log, "capture", facts, began=BEGAN, ended=ENDED)


def test_a_receipt_reads_back_as_it_was_kept(memory: MemoryLog) -> None:
    receipt = kept(memory.log, rows=3, sums={"a": 1.5}, none=None)
    assert Receipts(memory.log).get(1) == receipt
    assert (receipt.number, receipt.kind, receipt.began, receipt.ended) == (1, "capture", BEGAN, ENDED)
    assert receipt.facts == {"rows": 3, "sums": {"a": 1.5}, "none": None}
    assert set(receipt.code) == {"eventreplay", "pyarrow", "python"}
    assert json.loads(json.dumps(receipt.to_json()))["began"] == "2026-01-31T23:59:59.250000Z"
    assert Receipts(memory.log).get(2) is Receipts(memory.log).get(0) is None


def test_each_names_the_one_before_it_and_the_log_is_whole_with_them(memory: MemoryLog) -> None:
    before = memory.log.sha256()
    first, second = kept(memory.log), kept(memory.log)
    assert (first.number, first.previous, second.number) == (1, "0" * 64, 2)
    assert second.previous == first.sha256
    assert Receipts(memory.log).verify_chain() == 2
    report = memory.log.check()
    assert report.ok
    assert report.notes == ()
    assert memory.log.sha256() == before
    assert memory.log.gc().orphans == ()
    assert Receipts(memory.log).list() == (first, second)


def test_a_listing_takes_a_kind_and_the_last(memory: MemoryLog) -> None:
    for kind in ("capture", "replay", "capture", "verify"):
        keep(memory.log, kind, {}, began=BEGAN, ended=ENDED)
    receipts = Receipts(memory.log)
    assert [each.number for each in receipts.list(last=2)] == [3, 4]
    assert [each.number for each in receipts.list(kind="capture")] == [1, 3]
    assert [each.number for each in receipts.list(kind="capture", last=1)] == [3]


def test_any_changed_byte_is_found_by_the_chain_and_by_the_check(memory: MemoryLog) -> None:
    for number in range(3):
        kept(memory.log, number=number)
    key = receipt_key(2)
    whole = memory.files()[key]
    for at in range(len(whole)):
        memory.put(key, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(CorruptLogError) as caught:
            Receipts(memory.log).verify_chain()
        assert caught.value.fields["key"] == key
    assert {finding.key for finding in memory.log.check().findings} == {key, receipt_key(3)}


def test_a_receipt_exchanged_for_a_sound_one_or_taken_out_is_found(memory: MemoryLog) -> None:
    for number in range(4):
        kept(memory.log, number=number)
    files = memory.files()
    memory.put(receipt_key(2), files[receipt_key(3)])
    with pytest.raises(CorruptLogError, match="another slot"):
        Receipts(memory.log).get(2)
    other = MemoryLog()
    begun(other.log)
    for _ in range(2):
        kept(other.log, number="forged")
    memory.put(receipt_key(2), other.files()[receipt_key(2)])
    with pytest.raises(CorruptLogError, match="another predecessor"):
        Receipts(memory.log).verify_chain()
    memory.drop(receipt_key(2))
    with pytest.raises(CorruptLogError, match="receipts 2 to 2 are missing"):
        Receipts(memory.log).verify_chain()
    assert [finding.kind for finding in memory.log.check().findings] == ["missing"]


def test_a_damaged_receipt_keeps_nobody_from_keeping_theirs(memory: MemoryLog) -> None:
    kept(memory.log)
    memory.put(receipt_key(1), b"rubbish")
    assert kept(memory.log).number == 2


def test_many_who_keep_at_once_make_one_chain(tmp_path: Path) -> None:
    begun(Log.open(tmp_path))
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda each: kept(Log.open(tmp_path), each=each), range(40)))
    assert sorted(receipt.number for receipt in made) == list(range(1, 41))
    receipts = Receipts(Log.open(tmp_path))
    assert receipts.verify_chain() == 40
    assert {receipt.facts["each"] for receipt in receipts.list()} == set(range(40))


def test_a_slot_that_another_takes_first_is_not_written_over(memory: MemoryLog) -> None:
    faulty = Faulty(memory.storage)
    log = Log.open("memory", storage=faulty)

    def another_is_first(name: str, key: str) -> None:
        if name == "put_new" and key == receipt_key(1) and memory.storage.get(key) is None:
            kept(memory.log, who="another")

    faulty.before = another_is_first
    assert kept(log, who="we").number == 2
    assert [each.facts["who"] for each in Receipts(log).list()] == ["another", "we"]
    assert Receipts(log).verify_chain() == 2


def test_a_store_that_fails_is_told_as_one_to_try_again(memory: MemoryLog) -> None:
    faulty = Faulty(memory.storage)

    def fail(name: str, _key: str) -> None:
        if name == "put_new":
            raise LogUnavailableError("No answer.")

    faulty.after = fail
    with pytest.raises(LogUnavailableError):
        kept(Log.open("memory", storage=faulty))
    assert kept(memory.log).number == 2
    assert Receipts(memory.log).verify_chain() == 2


def test_no_secret_and_no_lost_digit(memory: MemoryLog) -> None:
    receipt = kept(
        memory.log,
        settings={"password": "marker-1", "api_key": Secret("marker-2"), "token": "", "rows": 5},
        source="postgres://user:marker-3@host/db",
        error="it said password=marker-4 and went",
        sum=2**63,
        least=-(2**63),
        price=Decimal("1.10"),
        when=datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        pair=(1, True),
    )
    written = memory.files()[receipt_key(1)]
    assert b"marker" not in written
    assert receipt.facts == {
        "settings": {"password": "***", "api_key": "***", "token": "", "rows": 5},
        "source": "postgres://***@host/db",
        "error": "it said password=*** and went",
        "sum": str(2**63),
        "least": str(-(2**63)),
        "price": "1.10",
        "when": "2026-01-01T00:00:00.000000Z",
        "pair": [1, True],
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "party"}, "party"),
        ({"began": BEGAN.replace(tzinfo=None)}, "time zone"),
        ({"facts": {"a": {"b": {1}}}}, r"facts\.a\.b has a set"),
        ({"facts": {"a": float("nan")}}, "float"),
        ({"facts": {"a": "x" * FACTS_BYTES_MAX}}, "more than"),
    ],
    ids=["kind", "zone", "set", "nan", "size"],
)
def test_what_is_no_receipt_is_refused_and_nothing_is_written(
    memory: MemoryLog, change: dict[str, Any], says: str
) -> None:
    right: dict[str, Any] = {"kind": "capture", "facts": {}, "began": BEGAN, "ended": ENDED}
    with pytest.raises(ConfigError, match=says):
        keep(memory.log, **{**right, **change})
    assert Receipts(memory.log).list() == ()


def test_there_is_no_receipt_beside_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no log"):
        kept(Log.open(tmp_path / "log"))
    assert not (tmp_path / "log").exists()


def test_what_died_while_keeping_is_cleaned_up(tmp_path: Path) -> None:
    log = begun(Log.open(tmp_path))
    kept(log)
    left = tmp_path / "receipts" / f".{receipt_key(2).rpartition('/')[2]}.99-1.staging"
    left.write_bytes(b"half")
    assert [note.kind for note in log.check().notes] == ["staging"]
    assert log.gc().staging == (left.relative_to(tmp_path).as_posix(),)
    assert not left.exists()


def test_a_capture_again_ends_in_the_digest_of_its_receipt(memory: MemoryLog) -> None:
    def run(log: Log, count: int) -> dict[str, Any]:
        source = MemorySource(event(position) for position in range(count))
        receipt = capture(source, log, "j", options=CaptureOptions(segment_positions=4))
        return captured(log, [receipt], settings={"segment_positions": 4})

    first, second = run(memory.log, 6), run(memory.log, 15)
    (part,) = second["partitions"]
    assert (part["after_commit"], part["digest_before"]) == (
        first["partitions"][0]["upto_commit"],
        first["partitions"][0]["digest"],
    )
    reader = memory.log.reader("j")
    head = reader.head()
    assert head is not None
    assert (part["upto_commit"], part["digest"], part["position"]) == (head.number, head.sha256, 14)
    assert part["position_before"] == 5
    events = [ref for commit in reader.commits(part["after_commit"]) for ref in commit.segments]
    assert part["event_hash_sum"] == str(sum(ref.event_hash_sum for ref in events))
    assert part["logged"] == sum(ref.rows for ref in events) == 9
    # The same to the same positions, elsewhere: what the receipt says is what comes out.
    fresh = MemoryLog().log
    for receipt in (first, second):
        upto = receipt["partitions"][0]["position"]
        assert run(fresh, upto + 1)["partitions"] == receipt["partitions"]
