"""The same events come live and from the journal: whatever the interleaving, the distinct events count.

Ranges of the journal and consumers of a queue, which repeats and dies, fill one log in any order; loads and
transformations happen in between. After each transformation STAGING holds every event that was loaded, once;
at the end it holds what the journal alone would have given.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import jinja2
from attrs import define, field, frozen
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eventreplay.capture import CaptureOptions, capture
from eventreplay.log import Log
from eventreplay.queue_capture import QueueOptions, capture_queue
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.testing import ManualSeconds, MemoryBroker, MemoryQueue, MemorySource, TickingClock
from tests.hex_codec import HexCodec
from tests.records import Record, memory_storage, open_log

MODELS = Path(__file__).resolve().parents[2] / "dbt/models/staging/events"
RANGE = 4
"""Positions in a partition of the journal."""
EVENTS = 11
"""In the journal: two full ranges and a partial one."""


@frozen
class Range:
    """Capture range `number` of the journal, up to a position within it."""

    number: int
    upto: int


@frozen
class Publish:
    """The queue gets these events of the journal, as they come."""

    events: tuple[int, ...]


@frozen
class Consume:
    """A consumer takes what there is into `live-<number>`; or dies with it in its hands."""

    number: int
    rows_max: int
    dies: bool


@frozen
class Load:
    """Replay everything new into RAW."""


@frozen
class Transform:
    """What dbt does with the staging models."""


Step = Range | Publish | Consume | Load | Transform

steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Range, st.integers(0, 2), st.integers(0, RANGE - 1)),
    st.builds(Publish, st.lists(st.integers(0, EVENTS - 1), min_size=1, max_size=6).map(tuple)),
    st.builds(Consume, st.integers(0, 1), st.integers(1, 4), st.booleans()),
    st.just(Load()),
    st.just(Transform()),
)


def payload(number: int) -> bytes:
    return f"event {number}".encode()


JOURNAL = [Record("event", number, payload(number)).item() for number in range(EVENTS)]


@define
class Company:
    """A log, a broker and a warehouse, and what was done to them."""

    log: Log
    warehouse: Path
    broker: MemoryBroker
    clock: TickingClock = field(factory=TickingClock)
    seconds: ManualSeconds = field(factory=ManualSeconds)
    is_built: bool = False

    def do(self, step: Step) -> None:
        if isinstance(step, Range):
            first = step.number * RANGE
            with self.journal() as source:
                options = CaptureOptions(segment_positions=3)
                upto = first + step.upto
                partition = f"journal-{step.number:06}"
                if self.reaches(partition) < upto:
                    capture(source, self.log, partition, first=first, upto=upto, options=options)
        elif isinstance(step, Publish):
            self.broker.publish(JOURNAL[number] for number in step.events)  # type: ignore[misc]
        elif isinstance(step, Consume):
            self.consume(step)
        elif isinstance(step, Load):
            with DuckDBSink(self.warehouse, clock=self.clock, threads=1) as sink:
                replay(self.log, sink, HexCodec())
        else:
            self.transform()

    def reaches(self, partition: str) -> int:
        head = self.log.reader(partition).head()
        return -1 if head is None else head.checkpoint.position

    @contextmanager
    def journal(self) -> Iterator[MemorySource]:
        source = MemorySource(JOURNAL, name="journal")
        yield source
        source.close()

    def consume(self, step: Consume) -> None:
        queue = MemoryQueue(self.broker, delivery_rows_max=step.rows_max, advance=self.seconds.advance)
        try:
            if step.dies:
                queue.receive(0.0)
                return
            capture_queue(
                queue,
                self.log,
                f"live-{step.number}",
                clock=self.seconds,
                options=QueueOptions(rows_max=step.rows_max, idle_end_s=0.0),
            )
        finally:
            queue.close()

    def transform(self) -> None:
        """As dbt does: the table whole at first, then by its key; the views over it."""
        with duckdb.connect(str(self.warehouse)) as connection:
            tables = "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'RAW'"
            if connection.execute(tables).fetchall() == [(0,)]:
                return
            if not self.is_built:
                connection.execute("CREATE SCHEMA IF NOT EXISTS STAGING")
                connection.execute(f"CREATE TABLE STAGING.DELIVERIES AS {rendered('deliveries')}")
                connection.execute(f"CREATE VIEW STAGING.DISTINCT_EVENTS AS {rendered('distinct')}")
                self.is_built = True
                return
            connection.execute(f"CREATE TEMP TABLE changed AS {rendered('deliveries', incremental=True)}")
            key = "(log_partition, log_offset)"
            connection.execute(f"DELETE FROM STAGING.DELIVERIES WHERE {key} IN (SELECT {key} FROM changed)")
            connection.execute("INSERT INTO STAGING.DELIVERIES SELECT * FROM changed")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.warehouse)) as connection:
            return connection.execute(query).fetchall()


def rendered(model: str, *, incremental: bool = False) -> str:
    """A staging model's SQL, with dbt's names resolved."""
    text = (MODELS / f"stg_events__{model}.sql").read_text("utf-8")
    template = jinja2.Environment(autoescape=False).from_string(text)  # noqa: S701 - SQL, not a page
    return template.render(
        config=lambda **_: "",
        clustered=lambda _: "",
        settled_before=lambda: None,
        source=lambda schema, table: f"{schema}.{table}",
        ref=lambda _: "STAGING.DELIVERIES",
        is_incremental=lambda: incremental,
        this="STAGING.DELIVERIES",
    )


COUNTED = "SELECT event_id, payload::VARCHAR, occurred_at FROM STAGING.DISTINCT_EVENTS ORDER BY ALL"
LOADED = "SELECT DISTINCT event_id, payload::VARCHAR, occurred_at FROM RAW.EVENTS ORDER BY ALL"
MART = (
    "SELECT stream_id, count(*), sum(length(payload::VARCHAR)), min(occurred_at), max(occurred_at)"
    " FROM STAGING.DISTINCT_EVENTS GROUP BY stream_id ORDER BY ALL"
)


@contextmanager
def company() -> Iterator[Company]:
    with tempfile.TemporaryDirectory(prefix="eventreplay-interleaving-") as folder:
        yield Company(open_log(memory_storage()), Path(folder) / "w.duckdb", MemoryBroker(seed=7))


def expected() -> list[tuple[Any, ...]]:
    """From the events alone: no log, no SQL."""
    begun = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC).replace(tzinfo=None)
    return sorted(
        (f"event-{n}", f'{{"hex":"{payload(n).hex()}"}}', begun + timedelta(microseconds=n))
        for n in range(EVENTS)
    )


REST: tuple[Step, ...] = (
    *(Range(number, RANGE - 1) for number in range(3)),
    *(Consume(number, 3, dies=False) for number in range(2)),
    Load(),
    Transform(),
)
"""What a day's end brings: everything captured, loaded, transformed."""


@settings(max_examples=8)
@given(st.lists(steps, max_size=14))
@example(
    [Publish((5, 5, 1)), Consume(0, 2, dies=False), Load(), Transform(), Range(1, 3), Load(), Transform()]
)
@example([Publish((9,)), Consume(1, 1, dies=True), Range(2, 1), Load(), Consume(1, 1, dies=False)])
def test_staging_and_marts_are_those_of_the_distinct_events(story: list[Step]) -> None:
    with company() as disturbed, company() as undisturbed:
        for step in story:
            disturbed.do(step)
            if isinstance(step, Transform) and disturbed.is_built:
                assert disturbed.rows(COUNTED) == disturbed.rows(LOADED)
        for step in REST:
            disturbed.do(step)
            undisturbed.do(step)
        assert disturbed.rows(COUNTED) == disturbed.rows(LOADED) == expected()
        assert disturbed.rows(MART) == undisturbed.rows(MART)
