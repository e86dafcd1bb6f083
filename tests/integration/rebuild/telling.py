"""The story: upcaster and revenue of a company change while events keep coming; each step leaves evidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from attrs import define, field

from eventreplay import receipts
from eventreplay.interfaces import Codec
from eventreplay.rebuild import (
    Dbt,
    Plan,
    codec_types,
    dbt_facts,
    plan,
    promote,
    rollback,
    run,
)
from eventreplay.rebuild.diff import diff
from eventreplay.rebuild.difference import Difference
from eventreplay.replay import ReplayReceipt, replay
from eventreplay.verify import Verification, verify
from tests.integration.rebuild import expected, material
from tests.integration.rebuild.expected import Keys
from tests.integration.rebuild.worlds import World

NAME = "g1"
SUFFIX = "_G1"


@define
class Story:
    """What happens, step by step, over one warehouse.

    Attributes:
        world: the warehouse.
        folder: for the log, the changed project, dbt's work.
        events: in the whole history.
        segment_positions: of the log's segments.
        whole: whether the dbt project is; if not, orders and what is made of them.
        took: seconds by step.
    """

    world: World
    folder: Path
    events: int
    segment_positions: int = 4_096
    whole: bool = True
    took: dict[str, float] = field(factory=dict)
    journal: material.Journal = field(init=False)
    before: Path = field(init=False)
    changed: Path = field(init=False)
    plan: Plan = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.journal = material.Journal(self.folder, self.events, segment_positions=self.segment_positions)
        self.before = material.project_before(self.folder, whole=self.whole)
        self.changed = material.project_changed(self.folder, self.before)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Note how long a step took."""
        began = time.monotonic()
        yield
        self.took[step] = round(time.monotonic() - began, 1)

    def happened(self, share: float) -> None:
        """The history goes on, up to a share of it, and is captured."""
        self.journal.happened(int(self.events * share))

    def dbt(self, *, changed: bool, world: World | None = None, place: str = "dbt") -> Dbt:
        """One of the two projects over a warehouse."""
        return Dbt(
            project=self.changed if changed else self.before,
            environment=(world or self.world).environment,
            work=self.folder / place / ("changed" if changed else "before"),
        )

    def loaded(self, codec: Codec, world: World | None = None) -> ReplayReceipt:
        """What the live service does: what the log holds and RAW does not. It keeps a receipt."""
        began = datetime.now(UTC)
        warehouse = world or self.world
        log = self.journal.log()
        sink = warehouse.open_sink()
        try:
            done = replay(log, sink, codec)
        finally:
            sink.close()
        if world is None:
            types = codec_types(codec)
            facts = receipts.loaded(log, done, sink=warehouse.url, types=types)
            receipts.keep(log, "replay", facts, began=began, ended=datetime.now(UTC))
        return done

    def built(self, dbt: Dbt, *, keep: bool = True) -> None:
        """What the scheduler does: STAGING and MART of what was loaded. It keeps a receipt."""
        began = datetime.now(UTC)
        done = dbt.run("run")
        if keep:
            facts = dbt_facts(
                done, sink=self.world.url, command="run", project=dbt.project, work=dbt.work / "live"
            )
            receipts.keep(self.journal.log(), "dbt", facts, began=began, ended=datetime.now(UTC))

    def planned(self) -> Plan:
        """Plan it."""
        self.plan = plan(
            self.journal.log(),
            self.world.open_sink,
            material.codec_changed(),
            self.dbt(changed=True),
            name=NAME,
            sink_url=self.world.url,
        )
        return self.plan

    def ran(self, *, meanwhile: Callable[[int], None]) -> None:
        """Run it; `meanwhile` is called before the warehouse is opened the n-th time, from 0."""
        opened = 0

        def open_sink() -> object:
            nonlocal opened
            meanwhile(opened)
            opened += 1
            return self.world.open_sink()

        run(self.plan, self.journal.log(), open_sink, material.codec_changed(), self.dbt(changed=True))  # type: ignore[arg-type]

    def compared(self, samples_max: int) -> Difference:
        """The differences, as ours finds them."""
        sink = self.world.open_sink()
        try:
            return diff(self.plan, self.journal.log(), sink, samples_max=samples_max)
        finally:
            sink.close()

    def oracle(self) -> tuple[dict[str, Keys], dict[str, tuple[Keys, Keys]], set[str]]:
        """The differences that must be, that are, and tables that are not equal: by plain SQL."""
        schemas = [f"{schema}{suffix}" for suffix in ("", SUFFIX) for schema in ("RAW", "STAGING", "MART")]
        with self.world.asked(*schemas) as ask:
            return (
                expected.affected(ask),
                expected.differing(ask, "", SUFFIX),
                expected.unequal_tables(ask, "", SUFFIX),
            )

    def promoted(self) -> None:
        """Switch over."""
        promote(
            self.plan,
            self.journal.log(),
            self.world.open_sink,
            material.codec_changed(),
            self.dbt(changed=True),
        )

    def rolled_back(self) -> None:
        """Go back."""
        rollback(self.world.open_sink)

    def verified(self) -> Verification:
        """The live RAW against the log."""
        sink = self.world.open_sink()
        try:
            return verify(self.journal.log(), sink)
        finally:
            sink.close()

    def from_scratch(self, codec: Codec, *, changed: bool) -> dict[str, str]:
        """Hashes of the marts of another warehouse into which the whole log is loaded at once."""
        other = self.world.another()
        self.loaded(codec, other)
        self.built(self.dbt(changed=changed, world=other, place="scratch"), keep=False)
        return other.bytes_of()
