"""The tables that suites of generations move about: what is live, and what is built beside it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from attrs import evolve

from eventreplay.capabilities.generations import SupportsGenerations
from eventreplay.event import Checkpoint
from eventreplay.interfaces import Sink
from eventreplay.testing.checks import check
from eventreplay.testing.examples import example_quarantine, example_rows
from eventreplay.testing.sink_suite import checkpoint_at

REPLAY = "suite/journal"
PLAN = "ab" * 32
KEEP_UNTIL = datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC)


class GenerationSink(Sink, SupportsGenerations, Protocol):
    """A sink that can do both."""


class GenerationTarget(ABC):
    """What a suite of generations has to be given. Names are upper-case words, with no need of quotes.

    Attributes:
        raw: name of the live RAW schema that `open_sink` gives a sink over.
    """

    raw = "RAW"

    @abstractmethod
    def open_sink(self) -> Sink:
        """A new sink on the same target, as after a restart; several may be open at once."""

    @abstractmethod
    def make_table(self, schema: str, name: str, numbers: Sequence[int]) -> None:
        """A table of one column N with these numbers, in this order; the schema is made if it is missing."""

    @abstractmethod
    def make_view(self, schema: str, name: str, reads: tuple[str, str]) -> None:
        """A view of column N of another table or view, as dbt would write it; likewise."""

    @abstractmethod
    def values(self, schema: str, name: str, column: str) -> list[Any] | None:
        """A column's values, in the target's order if it keeps one, else sorted; None: no such table."""

    @abstractmethod
    def names(self, schema: str) -> set[str] | None:
        """Tables and views of a schema; None: there is no such schema."""

    def open_generations(self) -> GenerationSink:
        """`open_sink`, which must be able to hold generations."""
        sink = self.open_sink()
        check(isinstance(sink, SupportsGenerations), "The sink has to offer SupportsGenerations.")
        return sink  # type: ignore[return-value]


class World:
    """RAW, STAGING and MART: live ones, generation g1 beside them, and REPORTS, which is the user's.

    Attributes:
        schemas: those of a whole generation, as called when live.
        live_offsets: of the rows in the live RAW.
        shadow_offsets: of those in the other; its codec refuses nothing.
    """

    live_offsets = (0, 1, 2, 3)
    shadow_offsets = (0, 1, 2, 3, 4, 5)

    def __init__(self, target: GenerationTarget) -> None:
        self._target = target
        self.schemas = (target.raw, "STAGING", "MART")

    def make_live(self) -> None:
        """Two commits, and what was built from them."""
        sink = self._target.open_sink()
        sink.begin(REPLAY)
        sink.write(example_rows(range(3)))
        sink.commit(checkpoint_at(0), expected=None)
        sink.write(example_rows(range(3, 4)))
        sink.quarantine(example_quarantine(range(4, 6)))
        sink.commit(checkpoint_at(1), expected=checkpoint_at(0))
        sink.close()
        make_table, make_view = self._target.make_table, self._target.make_view
        make_table("STAGING", "LINES", [3, 1, 2])
        make_table("STAGING", "ONLY_LIVE", [7])
        make_table("STAGING", "BECAME_VIEW", [8])
        make_view("STAGING", "LINES_VIEW", ("STAGING", "LINES"))
        make_view("STAGING", "BECAME_TABLE", ("STAGING", "LINES_VIEW"))
        make_table("MART", "TOTALS", [10])
        make_view("MART", "REPORT", ("STAGING", "LINES_VIEW"))
        make_table("REPORTS", "MINE", [99])
        make_view("REPORTS", "MY_TOTALS", ("MART", "TOTALS"))

    def make_shadow(self, *, ready: bool = False) -> GenerationSink:
        """Generation g1, loaded and built, by a sink that is given back open."""
        sink = self._target.open_generations()
        sink.begin_generation("g1", schemas=self.schemas, plan=PLAN, facts={"codec": "f-2"})
        shadow = sink.shadow("g1")
        shadow.begin(REPLAY)
        shadow.write(example_rows(range(6), payload_type="example.v2.Happened"))
        shadow.commit(new_checkpoint(1), expected=None)
        shadow.close()
        self.build_shadow()
        if ready:
            sink.note("g1", state="ready", facts={"codec": "f-2"})
        return sink

    def build_shadow(self, suffix: str = "_G1") -> None:
        """What dbt would build of it."""
        make_table, make_view = self._target.make_table, self._target.make_view
        staging, mart = "STAGING" + suffix, "MART" + suffix
        make_table(staging, "LINES", [4, 3, 2, 1])
        make_view(staging, "LINES_VIEW", (staging, "LINES"))
        make_view(staging, "BECAME_VIEW", (staging, "LINES_VIEW"))
        make_table(staging, "BECAME_TABLE", [11])
        make_table(staging, "FRESH", [5])
        make_view(staging, "FRESH_VIEW", (staging, "FRESH"))
        make_table(mart, "TOTALS", [20, 21])
        make_view(mart, "REPORT", (staging, "LINES_VIEW"))

    def load_live(self, position: int) -> None:
        """One more commit into the live RAW, behind the one at `position` - 1."""
        sink = self._target.open_sink()
        known = sink.begin(REPLAY)
        sink.write(example_rows(range(position * 10, position * 10 + 2)))
        sink.commit(checkpoint_at(position), expected=known)
        sink.close()

    def raw(self, suffix: str = "") -> tuple[list[Any], list[Any], list[Any]]:
        """Offsets of EVENTS, of QUARANTINE, and the positions of CHECKPOINTS."""
        schema = self._target.raw + suffix
        columns = (("EVENTS", "LOG_OFFSET"), ("QUARANTINE", "LOG_OFFSET"), ("CHECKPOINTS", "POSITION"))
        events, refused, positions = (self._target.values(schema, *each) for each in columns)
        assert events is not None
        assert refused is not None
        assert positions is not None
        return events, refused, positions

    def look(self, suffix: str = "") -> dict[str, Any]:
        """Everything that stands under a suffix, by `schema.table` without it."""
        target = self._target
        made: dict[str, Any] = {"RAW": self.raw(suffix)}
        made["types"] = set(target.values(target.raw + suffix, "EVENTS", "PAYLOAD_TYPE") or ())
        made["codec"] = target.values(target.raw + suffix, "CHECKPOINTS", "FINGERPRINT")
        for schema in ("STAGING", "MART"):
            for name in sorted(target.names(schema + suffix) or ()):
                made[f"{schema}.{name}"] = target.values(schema + suffix, name, "N")
        return made


def new_checkpoint(position: int) -> Checkpoint:
    """As `checkpoint_at`, by another codec."""
    return evolve(checkpoint_at(position), fingerprint="f-2")
