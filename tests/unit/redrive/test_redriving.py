"""explain and redrive: what passes now comes in once, at its place; everything else stays as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from attrs import evolve

from eventreplay import redrive as verb
from eventreplay.admission import AdmissionLimits
from eventreplay.capabilities.quarantine import Selection, Settled
from eventreplay.capture import CaptureOptions, capture
from eventreplay.errors import CheckpointConflictError, ConfigError, EpochError
from eventreplay.event import Event
from eventreplay.log import Log
from eventreplay.redrive import dismiss, explain, redrive, redriven, undismiss
from eventreplay.replay import replay
from eventreplay.sources.rows import Rejected
from eventreplay.testing import MemorySink, MemorySource, MemoryWarehouse
from eventreplay.verify import verify
from tests.records import Record
from tests.unit.log.doubles import MemoryLog
from tests.unit.quarantined import NEW, OLD, decode_rows, fresh, grow, items, loaded, rows


@pytest.fixture(scope="module")
def shared() -> tuple[Log, MemoryWarehouse, MemoryWarehouse]:
    """A log that no test changes, and what the codecs made of it."""
    log = fresh()
    return log, loaded(log), loaded(log, NEW)


@pytest.fixture
def log(shared: tuple[Log, MemoryWarehouse, MemoryWarehouse]) -> Log:
    return shared[0]


@pytest.fixture
def warehouse(shared: tuple[Log, MemoryWarehouse, MemoryWarehouse]) -> MemoryWarehouse:
    """What the old codec made of it."""
    return deepcopy(shared[1])


@pytest.fixture
def due(shared: tuple[Log, MemoryWarehouse, MemoryWarehouse]) -> MemoryWarehouse:
    """What a load by the new codec makes: the model."""
    return shared[2]


def test_explain_says_what_would_pass_and_changes_nothing(
    log: Log, warehouse: MemoryWarehouse, due: MemoryWarehouse
) -> None:
    before = [*warehouse.events], [*warehouse.quarantine], {**warehouse.checkpoints}
    told: list[tuple[int, int | None]] = []
    found = explain(log, MemorySink(warehouse), NEW, batch_rows_max=3, progress=lambda *so: told.append(so))
    assert (warehouse.events, warehouse.quarantine, warehouse.checkpoints) == before
    passing = len(decode_rows(warehouse)) - len(decode_rows(due))
    assert passing >= 10
    assert found.count("passes") == passing
    assert (found.count("fails"), found.count("fails_otherwise")) == (0, len(decode_rows(due)))
    assert found.count() == len(warehouse.quarantine)
    assert found.is_sound
    assert found.by("error_code_now")["two_marks"] == {"fails_otherwise": len(decode_rows(due))}
    assert found.by("fingerprint")["hex-1"]["passes"] == passing
    assert {name: counts["passes"] for name, counts in found.by("partition").items()} == {
        name: sum(row["log_partition"] == name for row in decode_rows(warehouse))
        - sum(row["log_partition"] == name for row in decode_rows(due))
        for name in ("journal", "other")
    }
    assert told[-1] == (len(warehouse.quarantine), len(warehouse.quarantine))
    again = explain(log, MemorySink(warehouse), OLD)
    assert (again.count("passes"), again.count("fails")) == (0, len(decode_rows(warehouse)))
    samples = [one for one in found.samples if one.verdict == "fails_otherwise"]
    assert samples[0].message == "It has two marks."
    assert len([one for one in found.samples if one.verdict == "passes"]) == 5


def test_what_passes_comes_in_once_and_is_what_a_load_by_that_codec_gives(
    log: Log, warehouse: MemoryWarehouse, due: MemoryWarehouse
) -> None:
    checkpoints = {**warehouse.checkpoints}
    sink = MemorySink(warehouse)
    told = explain(log, sink, NEW).count("passes")
    receipt = redrive(log, sink, NEW, batch_rows_max=4, transaction_rows_max=3)
    assert receipt.moved == told == receipt.codes["refused"] == receipt.fingerprints["hex-1"]
    assert receipt.transactions > 3
    assert (receipt.failing, receipt.elsewhere, receipt.restated) == (len(decode_rows(due)), 0, 0)
    assert rows(warehouse.events) == rows(due.events)
    assert warehouse.checkpoints == checkpoints
    assert [row["log_offset"] for row in decode_rows(warehouse)] == [
        row["log_offset"] for row in decode_rows(due)
    ]
    assert sum(one.rows for one in receipt.ranges) == told
    moved = {(row["log_partition"], row["log_offset"]): row for row in due.events}
    already = {(row["log_partition"], row["log_offset"]) for row in warehouse.events[: -receipt.moved]}
    assert sum(one.event_hash_sum for one in receipt.ranges) == sum(
        row["event_hash"] for place, row in moved.items() if place not in already
    )
    assert verify(log, sink).ok
    events, quarantine = [*warehouse.events], [*warehouse.quarantine]
    again = redrive(log, sink, NEW)
    assert (again.moved, again.transactions, again.examined) == (0, 0, receipt.failing)
    assert (warehouse.events, warehouse.quarantine) == (events, quarantine)


def test_only_what_is_selected_moves(log: Log, warehouse: MemoryWarehouse) -> None:
    sink = MemorySink(warehouse)
    waiting = [row["log_offset"] for row in decode_rows(warehouse) if row["log_partition"] == "journal"]
    some = Selection(partitions=("journal",), first_offset=waiting[3], last_offset=waiting[6])
    receipt = redrive(log, sink, NEW, selection=some)
    assert {one.partition for one in receipt.ranges} == {"journal"}
    assert (receipt.ranges[0].first_offset, receipt.examined) >= (waiting[3], 4)
    assert receipt.ranges[-1].last_offset <= waiting[6]
    for nothing in (
        Selection(codes=("other",)),
        Selection(types=("other",)),
        Selection(fingerprints=("hex-9",)),
    ):
        assert redrive(log, sink, NEW, selection=nothing).examined == 0


class DiedError(Exception):
    """The end of a process."""


class DyingSink(MemorySink):
    """Dies at the `at`th settling, before or after it."""

    def __init__(self, warehouse: MemoryWarehouse, at: int, when: str) -> None:
        super().__init__(warehouse)
        self.left, self.when = at, when

    def settle(self, *arguments: Any, **more: Any) -> Settled:
        self.left -= 1
        if self.left == 0 and self.when == "before":
            raise DiedError
        made = super().settle(*arguments, **more)
        if self.left == 0:
            raise DiedError
        return made


@pytest.mark.parametrize("when", ["before", "after"])
def test_wherever_it_dies_the_next_one_ends_the_same(
    log: Log, warehouse: MemoryWarehouse, due: MemoryWarehouse, when: str
) -> None:
    whole = warehouse
    for at in range(1, 5):
        warehouse = deepcopy(whole)
        with pytest.raises(DiedError):
            redrive(log, DyingSink(warehouse, at, when), NEW, batch_rows_max=3, transaction_rows_max=2)
        assert verify(log, MemorySink(warehouse)).ok
        redrive(log, MemorySink(warehouse), NEW)
        assert rows(warehouse.events) == rows(due.events)


class Meanwhile(MemorySink):
    """Does something before each settling, as another process may."""

    def __init__(self, warehouse: MemoryWarehouse, does: Callable[[], object]) -> None:
        super().__init__(warehouse)
        self.does = does

    def settle(self, *arguments: Any, **more: Any) -> Settled:
        self.does()
        return super().settle(*arguments, **more)


def test_two_at_once_move_each_record_once(
    log: Log, warehouse: MemoryWarehouse, due: MemoryWarehouse
) -> None:
    receipts = []

    def other() -> None:
        receipts.append(redrive(log, MemorySink(warehouse), NEW))

    receipt = redrive(log, Meanwhile(warehouse, other), NEW, transaction_rows_max=4, batch_rows_max=4)
    moved = sum(one.moved for one in receipts)
    assert (receipt.moved, moved) == (0, len(due.events) - len(warehouse.events) + moved)
    assert receipt.elsewhere > 0
    assert receipt.ranges == []
    assert rows(warehouse.events) == rows(due.events)


def test_a_load_may_go_on_meanwhile() -> None:
    log = fresh()
    warehouse = loaded(log)

    def load() -> None:
        grow(log, 280)
        replay(log, MemorySink(warehouse), OLD)

    redrive(log, Meanwhile(warehouse, load), NEW)
    assert verify(log, MemorySink(warehouse)).ok
    redrive(log, MemorySink(warehouse), NEW)
    model = loaded(log, NEW)
    assert rows(warehouse.events) == rows(model.events)


@pytest.mark.parametrize("change", [{"epoch": "e-2"}, {"fingerprint": "hex-9"}, {"position": 1}])
def test_a_raw_that_is_another_meanwhile_is_left_alone(
    log: Log, warehouse: MemoryWarehouse, change: dict[str, Any]
) -> None:
    def swap() -> None:
        known = warehouse.checkpoints["live/journal"]
        warehouse.checkpoints["live/journal"] = evolve(known, **change)

    before = [*warehouse.events], [*warehouse.quarantine]
    with pytest.raises(CheckpointConflictError):
        redrive(log, Meanwhile(warehouse, swap), NEW)
    assert (warehouse.events, warehouse.quarantine) == before


def test_a_record_that_is_not_what_the_log_holds_is_never_moved(log: Log, warehouse: MemoryWarehouse) -> None:
    place = next(at for at, row in enumerate(warehouse.quarantine) if row["stage"] == "decode")
    row = warehouse.quarantine[place]
    forged = {**row, "payload": b"42", "payload_sha256": hashlib.sha256(b"42").digest()}
    warehouse.quarantine[place] = forged
    warehouse.quarantine.append({**row, "log_offset": 100_000})
    warehouse.quarantine.append({**row, "log_partition": "nowhere"})
    found = explain(log, MemorySink(warehouse), NEW)
    assert (found.count("altered"), found.count("unknown"), found.is_sound) == (1, 2, False)
    receipt = redrive(log, MemorySink(warehouse), NEW)
    assert (receipt.altered, receipt.unknown, receipt.is_sound) == (1, 2, False)
    assert forged in warehouse.quarantine
    assert len([one for one in decode_rows(warehouse) if one["error_code"] == "refused"]) >= 3


def test_one_that_is_in_both_tables_is_not_doubled(
    log: Log, warehouse: MemoryWarehouse, due: MemoryWarehouse
) -> None:
    there = next(row for row in due.events if bytes.fromhex(row["payload"][8:-2]).startswith(b"!"))
    warehouse.events.append(there)
    receipt = redrive(log, MemorySink(warehouse), NEW)
    assert receipt.elsewhere == 1
    assert warehouse.events.count(there) == 1


def test_one_that_stands_there_twice_comes_in_once(log: Log, warehouse: MemoryWarehouse) -> None:
    row = next(row for row in decode_rows(warehouse) if not row["payload"].startswith(b"!?"))
    warehouse.quarantine.append({**row})
    assert verify(log, MemorySink(warehouse)).doubled_count == 1
    receipt = redrive(log, MemorySink(warehouse), NEW)
    assert receipt.moved == receipt.codes["refused"]
    assert verify(log, MemorySink(warehouse)).ok


def test_what_was_dismissed_is_counted_apart_and_stays(log: Log, warehouse: MemoryWarehouse) -> None:
    sink = MemorySink(warehouse)
    plain = explain(log, sink, NEW).count("passes")
    waiting = [row for row in decode_rows(warehouse) if not row["payload"].startswith(b"!?")]
    first = waiting[0]
    place = Selection(
        partitions=(first["log_partition"],),
        stages=("decode",),
        first_offset=first["log_offset"],
        last_offset=first["log_offset"],
    )
    (marked,) = dismiss(sink, place, "A test order; Zoë said so.")
    assert (marked.rows, marked.error_code, marked.first_offset) == (1, "refused", first["log_offset"])
    assert dismiss(sink, place, "another reason") == []
    found = explain(log, sink, NEW)
    assert (found.count("passes"), found.count("dismissed")) == (plain - 1, 1)
    receipt = redrive(log, sink, NEW)
    assert (receipt.moved, receipt.dismissed) == (plain - 1, 1)
    assert first in warehouse.quarantine
    (page,) = sink.refused_page(Selection(dismissed=True), limit_rows=5)
    assert page["dismissed_reason"] == "A test order; Zoë said so."
    undismiss(sink, place)
    assert redrive(log, sink, NEW).moved == 1


@pytest.mark.parametrize(
    ("selection", "reason", "match"),
    [
        (Selection(), "because", "Nothing says"),
        (Selection(codes=("x",)), " \n", "No reason"),
        (Selection(codes=("x",)), "a\x00b", "NUL"),
        (Selection(codes=("x",)), "\ud800", "half a character"),
        (Selection(codes=("x",)), "x" * 1001, "1,001 characters"),
    ],
)
def test_a_dismissal_needs_a_reason_and_something_that_is_meant(
    warehouse: MemoryWarehouse, selection: Selection, reason: str, match: str
) -> None:
    with pytest.raises(ConfigError, match=match):
        dismiss(MemorySink(warehouse), selection, reason)
    assert warehouse.dismissed == {}


def test_records_that_capture_refused_are_run_again_where_a_limit_refused_them() -> None:
    log = MemoryLog().log
    large = [Record("event", at, b"x" * (at * 10)).item() for at in range(10)]
    more: list[Event | Rejected] = [Record("nameless", 90, b"n").item(), Record("refused", 91, b"r").item()]
    source = MemorySource([*large, *more])
    limits = AdmissionLimits(payload_bytes_max=50)
    capture(source, log, "journal", options=CaptureOptions(segment_positions=16, limits=limits))
    warehouse = MemoryWarehouse()
    replay(log, MemorySink(warehouse), OLD)
    wider = AdmissionLimits(payload_bytes_max=70, headers_bytes_max=0)
    found = explain(log, MemorySink(warehouse), NEW, limits=wider)
    assert found.by("verdict")["admitted"] == {"admitted": 1}  # of 60 bytes, without headers
    assert found.count("refused", "refused_otherwise") == 3
    assert found.by("error_code_now")["headers_too_large"] == {"refused_otherwise": 2}
    assert found.by("error_code")["event_id_missing"] == {"not_run": 1}
    assert found.by("error_code")["line_malformed"] == {"not_run": 1}
    before = [*warehouse.quarantine]
    assert redrive(log, MemorySink(warehouse), NEW).examined == 0
    assert warehouse.quarantine == before


def test_a_log_that_is_another_is_refused(warehouse: MemoryWarehouse) -> None:
    other = MemoryLog().log
    capture(MemorySource(items(80)[1:]), other, "journal", options=CaptureOptions(segment_positions=16))
    for run in (explain, redrive):
        with pytest.raises(EpochError):
            run(other, MemorySink(warehouse), NEW)


def test_an_attempt_that_goes_on_adds_up(log: Log, warehouse: MemoryWarehouse, due: MemoryWarehouse) -> None:
    receipt = verb.RedriveReceipt(replay_id="live", fingerprint=NEW.fingerprint)
    with pytest.raises(DiedError):
        redrive(
            log, DyingSink(warehouse, 3, "before"), NEW, batch_rows_max=2, transaction_rows_max=1,
            receipt=receipt,
        )  # fmt: skip
    first = receipt.moved
    redrive(log, MemorySink(warehouse), NEW, receipt=receipt)
    assert 0 < first < receipt.moved == sum(one.rows for one in receipt.ranges)
    assert receipt.failing == len(decode_rows(due))


def test_a_receipt_names_so_many_ranges_at_most(
    log: Log, warehouse: MemoryWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redriven, "RANGES_MAX", 2)
    receipt = redrive(log, MemorySink(warehouse), NEW, batch_rows_max=1, transaction_rows_max=1)
    assert len(receipt.ranges) == 3  # one more, of the other partition
    assert sum(one.rows for one in receipt.ranges) == receipt.moved


def test_bounds_and_stages_are_checked(log: Log, warehouse: MemoryWarehouse) -> None:
    sink = MemorySink(warehouse)
    with pytest.raises(ConfigError, match="batch_rows_max"):
        redrive(log, sink, NEW, batch_rows_max=0)
    with pytest.raises(ConfigError, match="stage"):
        redrive(log, sink, NEW, selection=Selection(stages=("capture",)))
    with pytest.raises(ConfigError, match="no stage"):
        Selection(stages=("decoding",))
    with pytest.raises(ConfigError, match="64 bits"):
        Selection(first_offset=1 << 63)
