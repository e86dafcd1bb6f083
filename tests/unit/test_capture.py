"""capture and capture_queue, one promise at a time; what happens to them in any order is a property test."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventreplay.admission import AdmissionLimits
from eventreplay.capture import CaptureOptions, capture
from eventreplay.cutting import cut
from eventreplay.errors import ConfigError, EpochError, FenceError, InvalidEventError
from eventreplay.event import Event, Position
from eventreplay.interfaces import Delivery
from eventreplay.log import Log, Storage
from eventreplay.queue_capture import QueueOptions, capture_queue
from eventreplay.testing import (
    END,
    CrashingStorage,
    ManualSeconds,
    MemoryBroker,
    MemoryQueue,
    MemorySource,
    SimulatedCrash,
    crash_at,
)
from tests.records import Kind, Record, logged_events, logged_rejects, memory_storage, open_log


@pytest.fixture
def storage() -> Storage:
    return memory_storage()


@pytest.fixture
def log(storage: Storage) -> Log:
    return open_log(storage)


def history(*kinds: Kind, first: int = 0) -> list[Record]:
    return [Record(kind, first + at, b"payload %d" % (first + at)) for at, kind in enumerate(kinds)]


def events(count: int) -> list[Record]:
    return [Record("event", number, b"payload %d" % number) for number in range(count)]


def source(records: list[Record], **how: int) -> MemorySource:
    return MemorySource([record.item() for record in records], **how)  # type: ignore[arg-type]


def wide(positions: int, **how: int) -> CaptureOptions:
    return CaptureOptions(segment_positions=positions, **how)  # type: ignore[arg-type]


def spans(log: Log, partition: str = "journal") -> list[list[tuple[int | None, int | None]]]:
    """First and last source position of each segment, by commit."""
    return [
        [(ref.first_position, ref.last_position) for ref in commit.segments]
        for commit in log.reader(partition).commits()
    ]


class TestCapture:
    def test_the_books_balance_and_say_so(self, log: Log) -> None:
        receipt = capture(source(history("event", "nameless", "refused", "event")), log, "journal")
        assert (receipt.received, receipt.logged, receipt.quarantined, receipt.commits) == (4, 2, 2, 1)
        assert receipt.position == 3
        head = log.reader("journal").head()
        assert head is not None
        assert receipt.digest == head.sha256
        assert (receipt.partition, receipt.source) == ("journal", "memory")

    def test_bytes_arrive_as_they_were_and_nothing_is_dropped(self, log: Log) -> None:
        capture(source(history("event", "nameless", "refused")), log, "journal")
        assert logged_events(log) == [(0, 0, "event-0", b"payload 0")]
        assert logged_rejects(log) == [
            (0, 1, "event_id_missing", b"payload 1"),
            (1, 2, "line_malformed", b"payload 2"),
        ]

    def test_payloads_are_never_written_again(self, log: Log) -> None:
        """Neither JSON that a parser would write otherwise, nor protobuf whose fields stand in an odd
        order.
        """
        odd = [
            b'{"b": 1, "a": 1.10, "a": 1e2}\n',
            b"{}",
            b"\x12\x01b\x0a\x01a",
            b"\x80\x80\x00",
            b"\xff\x00",
            b"",
        ]
        capture(source([Record("event", at, payload) for at, payload in enumerate(odd)]), log, "journal")
        assert [row[3] for row in logged_events(log)] == odd

    def test_position_zero_is_a_position(self, log: Log) -> None:
        """One event, at 0: it is captured, and then it is known to be captured."""
        assert capture(source(events(1)), log, "journal").position == 0
        again = capture(source(events(1)), log, "journal")
        assert (again.received, again.position, again.commits) == (0, 0, 0)
        assert capture(source(events(2)), log, "journal").received == 1
        assert [row[1] for row in logged_events(log)] == [0, 1]

    @pytest.mark.parametrize("after", [0, 1])
    def test_position_zero_is_not_taken_a_second_time(self, after: int) -> None:
        """A source that goes back behind the checkpoint is refused before anything of it is encoded."""
        again = [next(source(events(after + 1)).read(None, Position(after)))]
        pieces = cut(
            again, after=after, upto=9, segment_positions=4, segment_bytes_max=100, limits=AdmissionLimits()
        )
        with pytest.raises(InvalidEventError, match="do not ascend"):
            next(pieces)

    def test_up_to_position_zero_means_the_first_event_only(self, log: Log) -> None:
        assert capture(source(events(3)), log, "journal", upto=0).received == 1

    def test_running_again_goes_on_behind_the_checkpoint(self, log: Log) -> None:
        capture(source(events(3)), log, "journal", upto=1)
        receipt = capture(source(events(5)), log, "journal")
        assert receipt.received == 3
        assert [row[1] for row in logged_events(log)] == [0, 1, 2, 3, 4]

    def test_the_sources_safe_head_bounds_what_is_taken(self, log: Log) -> None:
        items = [record.item() for record in events(3)]
        held = MemorySource([*items[:2], END, items[2]])
        assert capture(held, log, "journal", upto=99).position == 1
        assert capture(held, log, "journal").position == 2

    def test_an_empty_source_writes_nothing(self, log: Log) -> None:
        receipt = capture(MemorySource(), log, "journal")
        assert (receipt.received, receipt.position, receipt.digest) == (0, None, "")
        assert not log.exists()

    @pytest.mark.parametrize("batch_rows", [1, 2, 3, 7, 100])
    @pytest.mark.parametrize("workers", [1, 3])
    def test_segments_keep_to_aligned_ranges_whatever_carried_the_events(
        self, log: Log, batch_rows: int, workers: int
    ) -> None:
        carried = source(events(10), batch_rows_max=batch_rows, first_position=2)
        capture(carried, log, "journal", options=wide(4, workers=workers))
        assert spans(log) == [[(2, 3)], [(4, 7)], [(8, 11)]]

    def test_a_range_is_done_at_its_end_and_the_last_where_the_run_ended(self, log: Log) -> None:
        capture(source(events(3), step=3), log, "journal", options=wide(4))
        assert [commit.checkpoint.position for commit in log.reader("journal").commits()] == [3, 6]

    def test_a_segment_closes_early_when_it_has_bytes_enough(self, log: Log) -> None:
        capture(source(events(5)), log, "journal", options=wide(100, segment_bytes_max=18))
        assert spans(log) == [[(0, 1)], [(2, 3)], [(4, 4)]]

    def test_the_width_a_partition_was_begun_with_is_kept(self, log: Log) -> None:
        capture(source(events(2)), log, "journal", options=wide(2))
        capture(source(events(6)), log, "journal", options=wide(100))
        assert spans(log) == [[(0, 1)], [(2, 3)], [(4, 5)]]

    def test_another_source_is_refused(self, log: Log) -> None:
        capture(source(events(1)), log, "journal")
        other = MemorySource([record.item() for record in events(2)], name="other")
        with pytest.raises(EpochError, match="'memory'") as caught:
            capture(other, log, "journal")
        assert caught.value.fields == {"expected": "memory", "found": "other"}

    def test_a_source_that_was_replaced_is_refused_before_anything_is_written(self, log: Log) -> None:
        replaced = source(events(1))
        capture(replaced, log, "journal")
        before = log.sha256()
        replaced.append([record.item() for record in events(2)])
        replaced.replace_epoch("2")
        with pytest.raises(EpochError) as caught:
            capture(replaced, log, "journal")
        assert caught.value.fields == {"expected": "1", "found": "2"}
        assert log.sha256() == before

    def test_who_lost_the_partition_writes_nothing_more(self, log: Log, storage: Storage) -> None:
        def taken(_: int, __: int | None) -> None:
            open_log(storage).writer("journal", segment_positions=2)

        with pytest.raises(FenceError):
            capture(source(events(6)), log, "journal", options=wide(2), progress=taken)
        assert spans(log) == [[(0, 1)]]

    def test_progress_counts_positions_after_each_commit(self, log: Log) -> None:
        told: list[tuple[int, int | None]] = []
        capture(source(events(5)), log, "journal", options=wide(2), progress=lambda *step: told.append(step))
        assert told == [(2, 5), (4, 5), (5, 5)]

    def test_limits_of_one_event_refuse_it_and_no_other(self, log: Log) -> None:
        large = Record("event", 1, b"x" * 50)
        options = CaptureOptions(limits=AdmissionLimits(payload_bytes_max=49))
        receipt = capture(
            source([events(1)[0], large, *history("event", first=2)]), log, "journal", options=options
        )
        assert (receipt.logged, receipt.quarantined) == (2, 1)
        assert logged_rejects(log) == [(0, 1, "payload_too_large", b"x" * 50)]

    @pytest.mark.parametrize("setting", ["segment_positions", "segment_bytes_max", "workers"])
    def test_a_bound_below_one_is_refused_by_name(self, setting: str) -> None:
        with pytest.raises(ConfigError, match=f"{setting} is 0") as caught:
            wide(1, **{setting: 0}) if setting != "segment_positions" else wide(0)
        assert caught.value.fields["setting"] == setting


class Recorded(MemoryQueue):
    """Says in which order things happened to it."""

    def __init__(
        self, broker: MemoryBroker, clock: ManualSeconds, happened: list[str], rows: int = 1
    ) -> None:
        super().__init__(broker, delivery_rows_max=rows, advance=clock.advance)
        self._happened = happened

    def receive(self, timeout_s: float) -> Delivery | None:
        delivery = super().receive(timeout_s)
        self._happened.append("nothing" if delivery is None else "receive")
        return delivery

    def settle(self, delivery: Delivery) -> None:
        self._happened.append("settle")
        super().settle(delivery)


@pytest.fixture
def clock() -> ManualSeconds:
    return ManualSeconds()


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


def publish(broker: MemoryBroker, records: list[Record]) -> None:
    broker.publish([item for record in records if isinstance(item := record.item(), Event)])


def commits(log: Log) -> list[int]:
    """Records of each commit of the live partition."""
    return [sum(ref.rows for ref in (*c.segments, *c.quarantine)) for c in log.reader("live-0").commits()]


class TestCaptureQueue:
    def test_a_delivery_is_settled_after_its_commit_and_never_before(
        self, log: Log, broker: MemoryBroker, clock: ManualSeconds
    ) -> None:
        happened: list[str] = []
        publish(broker, events(3))
        capture_queue(
            Recorded(broker, clock, happened), log, "live-0", clock=clock,
            options=QueueOptions(rows_max=2, idle_end_s=1.0), progress=lambda *_: happened.append("told"),
        )  # fmt: skip
        assert happened[:5] == ["receive", "receive", "settle", "settle", "told"]
        assert happened[-3:] == ["nothing", "settle", "told"]
        assert broker.unsettled == 0
        assert commits(log) == [2, 1]

    def test_wherever_it_dies_what_is_not_in_the_log_is_not_settled(self) -> None:
        broker = MemoryBroker()
        for k in range(1, 100):
            broker, clock, storage = MemoryBroker(), ManualSeconds(), memory_storage()
            publish(broker, events(2))
            crash = crash_at(k)
            queue = MemoryQueue(broker, advance=clock.advance)
            try:
                capture_queue(queue, open_log(CrashingStorage(storage, crash)), "live-0", clock=clock)
            except SimulatedCrash:
                assert broker.unsettled == 2 or len(logged_events(open_log(storage), "live-0")) == 2
            if not crash.fired:
                break
        assert k > 5
        assert broker.unsettled == 0

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (QueueOptions(rows_max=4, idle_end_s=0.1), [4, 4, 2]),
            (QueueOptions(bytes_max=1, idle_end_s=0.1), [2, 2, 2, 2, 2]),
            (QueueOptions(age_max_s=0.0, idle_end_s=0.1), [2, 2, 2, 2, 2]),
            (QueueOptions(idle_end_s=0.1), [10]),
        ],
        ids=["rows", "bytes", "age", "idle"],
    )
    def test_a_segment_closes_by_what_is_reached_first(
        self, log: Log, broker: MemoryBroker, clock: ManualSeconds, options: QueueOptions, expected: list[int]
    ) -> None:
        publish(broker, events(10))
        queue = MemoryQueue(broker, delivery_rows_max=2, advance=clock.advance)
        receipt = capture_queue(queue, log, "live-0", clock=clock, options=options)
        assert commits(log) == expected
        assert (receipt.received, receipt.commits, receipt.position) == (10, len(expected), 9)

    def test_it_does_not_wait_for_a_segment_to_fill_while_events_age(
        self, log: Log, broker: MemoryBroker, clock: ManualSeconds
    ) -> None:
        publish(broker, events(1))
        options = QueueOptions(age_max_s=1.0, receive_timeout_s=0.5, idle_end_s=60.0)
        told: list[float] = []
        capture_queue(
            MemoryQueue(broker, advance=clock.advance), log, "live-0", clock=clock, options=options,
            progress=lambda *_: told.append(clock()),
        )  # fmt: skip
        assert told == [1.0]

    def test_it_ends_when_idle_or_when_its_time_is_up_and_commits_what_it_holds(
        self, log: Log, broker: MemoryBroker, clock: ManualSeconds
    ) -> None:
        publish(broker, events(3))
        queue = MemoryQueue(broker, advance=clock.advance)
        options = QueueOptions(age_max_s=1e9, idle_end_s=None, run_max_s=5.0)
        assert capture_queue(queue, log, "live-0", clock=clock, options=options).received == 3
        assert clock() == pytest.approx(5.0, abs=0.2)
        assert broker.unsettled == 0

    def test_an_idle_limit_of_zero_still_empties_the_queue(
        self, log: Log, broker: MemoryBroker, clock: ManualSeconds
    ) -> None:
        publish(broker, events(5))
        queue = MemoryQueue(broker, delivery_rows_max=1, advance=clock.advance)
        assert (
            capture_queue(queue, log, "live-0", clock=clock, options=QueueOptions(idle_end_s=0.0)).received
            == 5
        )

    def test_poison_goes_to_the_quarantine_is_settled_and_does_not_come_again(
        self, log: Log, broker: MemoryBroker, clock: ManualSeconds
    ) -> None:
        publish(broker, history("event", "nameless", "event"))
        receipt = capture_queue(MemoryQueue(broker, advance=clock.advance), log, "live-0", clock=clock)
        assert (receipt.received, receipt.logged, receipt.quarantined) == (3, 2, 1)
        assert [row[2:] for row in logged_rejects(log, "live-0")] == [("event_id_missing", b"payload 1")]
        assert broker.unsettled == 0

    def test_who_lost_the_partition_settles_nothing_of_what_it_holds(
        self, log: Log, storage: Storage, broker: MemoryBroker, clock: ManualSeconds
    ) -> None:
        publish(broker, events(6))

        def taken(_: int, __: int | None) -> None:
            open_log(storage).writer("live-0", segment_positions=None)

        queue = MemoryQueue(broker, delivery_rows_max=2, advance=clock.advance)
        with pytest.raises(FenceError):
            capture_queue(queue, log, "live-0", clock=clock, options=QueueOptions(rows_max=2), progress=taken)
        assert broker.unsettled == 4
        assert commits(log) == [2]

    def test_a_partition_of_another_queue_is_refused(
        self, log: Log, broker: MemoryBroker, clock: ManualSeconds
    ) -> None:
        publish(broker, events(1))
        capture_queue(MemoryQueue(broker, advance=clock.advance), log, "live-0", clock=clock)
        with pytest.raises(EpochError, match="'memory-queue'"):
            capture_queue(
                MemoryQueue(broker, name="other", advance=clock.advance), log, "live-0", clock=clock
            )


def test_a_run_that_finds_nothing_to_do_leaves_nothing(tmp_path: Path) -> None:
    """Its claim is taken back, so that equal runs leave equal folders."""
    log = Log.open(tmp_path / "log")
    with log.writer("journal", segment_positions=2):
        assert log.partitions() == ["journal"]
    capture(source(events(2)), log, "journal", options=wide(2))
    capture(source(events(2)), log, "journal", options=wide(2))
    assert spans(log) == [[(0, 1)]]
    assert len(list((tmp_path / "log/commits/journal").iterdir())) == 1
