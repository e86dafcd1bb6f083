"""`run`: build the generation that was planned, beside the live one, and catch up with the log.

Whatever ends a run, the next one goes on: the shadow's checkpoints say what is loaded, and the generation's
facts say up to where dbt has built it. Live loads go on meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from attrs import asdict, define, field

from eventreplay.capabilities.generations import Generation
from eventreplay.interfaces import Codec
from eventreplay.log import Log
from eventreplay.rebuild.checking import check, check_live, check_made_by, made_by
from eventreplay.rebuild.ends import Dbt, OpenSink, Patience, Quiet, Screen, opened
from eventreplay.rebuild.keeping import refuse_unfinished
from eventreplay.rebuild.loading import SLICE_ROWS, Positions, Settings, ShadowLoad, heads, waiting_rows
from eventreplay.rebuild.plan import Plan
from eventreplay.rebuild.schemas import shadow_place, shadow_variables
from eventreplay.transform import Transformation

ROUNDS_MAX = 5
"""Rounds of catching up: each takes less than the one before, unless events come faster than they load."""
LAG_ROWS_MAX = 50_000
"""A round that loaded no more than these is the last: the promotion catches up with what is left."""


@define(kw_only=True)
class RunReceipt:
    """What one run did; a run that goes on behind another one counts its own part.

    Attributes:
        plan: hash of the plan.
        name: of the generation.
        sink: the warehouse.
        replay_id: whose checkpoints.
        codec: fingerprint of what decoded.
        state: of the generation at the end.
        read: rows of the log; read = loaded + quarantined + left_out.
        rounds: of catching up.
        builds: runs of dbt.
        positions: the commit of each partition that the generation is at, with its hash.
        load_seconds: spent on loading.
        first_build_seconds: of the build that made all tables; None: an earlier run did that.
        build_seconds: of all builds.
    """

    plan: str
    name: str
    sink: str
    replay_id: str
    codec: str
    state: str = "building"
    read: int = 0
    loaded: int = 0
    quarantined: int = 0
    left_out: int = 0
    commits: int = 0
    rounds: int = 0
    builds: int = 0
    positions: dict[str, dict[str, Any]] = field(factory=dict)
    load_seconds: float = 0.0
    first_build_seconds: float | None = None
    build_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data: the facts of a receipt of kind rebuild."""
        return {"action": "run", **asdict(self)}


def run(
    plan: Plan,
    log: Log,
    open_sink: OpenSink,
    codec: Codec,
    dbt: Dbt,
    *,
    workers: int = 1,
    batch_rows_max: int = 65_536,
    slice_rows: int = SLICE_ROWS,
    rounds_max: int = ROUNDS_MAX,
    lag_rows_max: int = LAG_ROWS_MAX,
    screen: Screen | None = None,
    patience: Patience | None = None,
    receipt: RunReceipt | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> RunReceipt:
    """Build what was planned; begun again after any end, it goes on. What is live is not touched.

    Args:
        plan: what was planned.
        log: read from the beginning, as far as planned, and then to its head.
        open_sink: the warehouse.
        codec: the one that was planned.
        dbt: the project that was planned, with live names of schemas.
        workers: processes that decode; 1: a thread.
        batch_rows_max: rows decoded at a time; bounds memory.
        slice_rows: rows after which a warehouse that locks others out is let go for a moment.
        rounds_max: rounds of catching up with the log, at most.
        lag_rows_max: a round that loaded no more than these is the last.
        screen: shown progress.
        patience: how a busy warehouse is waited for.
        receipt: filled as the work goes on, so that it tells of a run that an error ended too.
        clock: monotonic seconds, for rates.

    Raises:
        PlanError: the log, the codec, the project or what is live is not as planned.
        GenerationError: the name is taken by another plan, or a promotion was broken off.
        TransformError: a model or a test failed; everything before stays.
    """
    check(plan, log, codec, dbt)
    receipt = new_receipt(plan) if receipt is None else receipt
    settings = Settings(
        replay_id=plan.replay_id,
        selection=plan.selection,
        workers=workers,
        batch_rows_max=batch_rows_max,
        slice_rows=slice_rows,
    )
    patience = patience or Patience()
    load = ShadowLoad(log, open_sink, codec, plan.name, settings, patience)
    work = _Run(plan, log, dbt, load, screen or Quiet(), receipt, clock)
    work.begin()
    work.reach(work.planned())
    for _ in range(0 if plan.is_as_of else rounds_max):
        target = work.target()
        waiting = waiting_rows(log, work.built or {}, target)
        if not waiting:
            break
        receipt.rounds += 1
        work.reach(target)
        if waiting <= lag_rows_max:
            break
    work.end()
    return receipt


def new_receipt(plan: Plan) -> RunReceipt:
    """The receipt of a run that has done nothing yet."""
    return RunReceipt(
        plan=plan.sha256,
        name=plan.name,
        sink=plan.sink_url,
        replay_id=plan.replay_id,
        codec=plan.codec.fingerprint,
    )


@define
class _Run:
    """The steps of one run; `built` is where the generation stood when dbt last built it."""

    plan: Plan
    log: Log
    dbt: Dbt
    load: ShadowLoad
    screen: Screen
    receipt: RunReceipt
    clock: Callable[[], float]
    built: Positions | None = None
    state: str = "building"

    def begin(self) -> None:
        """Make the schemas, or find them."""
        plan = self.plan

        def once() -> Generation:
            with opened(self.load.open_sink) as (sink, kept):
                known = kept.generations()
                refuse_unfinished(known)
                check_live(plan, known)
                if known[0].name == plan.live:
                    check_made_by(plan, made_by(sink, plan.replay_id, self.log.partitions()))
                return kept.begin_generation(
                    plan.name, schemas=plan.schemas, plan=plan.sha256, facts=self._facts({})
                )

        found = self.load.patience.of(once)
        self.state = found.state
        built = found.facts.get("built")
        self.built = None if built is None else {str(name): int(at) for name, at in built.items()}

    def planned(self) -> Positions:
        """The commits that the plan names; for models alone, where the live RAW is."""
        if not self.plan.makes_raw:
            return self._live_positions()
        return {part.partition: part.upto for part in self.plan.partitions if part.upto}

    def target(self) -> Positions:
        """Where to catch up with now: the log's head; for models alone, the live RAW."""
        return heads(self.log) if self.plan.makes_raw else self._live_positions()

    def reach(self, target: Positions) -> None:
        """Load up to `target` and build; nothing, if that was done."""
        if self.built is not None and all(self.built.get(name, 0) >= at for name, at in target.items()):
            return
        if self.state == "ready":
            self._note("building")
        if self.plan.makes_raw:
            self._load(target)
            target = {name: at for name, at in self.load.positions().items() if at}
        self._build()
        self.built = target
        self._note("building")

    def end(self) -> None:
        """It may be promoted."""
        if self.state != "ready":
            self._note("ready")
        self.receipt.state = self.state
        self.receipt.positions = self._positions()

    def _load(self, target: Positions) -> None:
        begun_s = self.clock()
        try:
            with self.screen.step(f"load {self.plan.name}", "rows") as progress:
                self.load.upto(target, progress)
        finally:
            done = self.load.receipt
            self.receipt.read, self.receipt.loaded = done.read, done.loaded
            self.receipt.quarantined, self.receipt.left_out = done.quarantined, done.left_out
            self.receipt.commits = done.commits
            self.receipt.load_seconds = round(self.receipt.load_seconds + self.clock() - begun_s, 3)

    def _build(self) -> None:
        plan, is_first = self.plan, self.built is None
        shadow = shadow_variables(plan.raw_schema, plan.suffix, makes_raw=plan.makes_raw)

        def once() -> Transformation:
            with self.screen.step(f"dbt build {plan.name}", "nodes") as progress:
                return self.dbt.run(
                    "build",
                    environment=shadow,
                    place=shadow_place(plan.name),
                    full_refresh=is_first,
                    progress=progress,
                )

        done = self.load.patience.of(once)
        self.receipt.builds += 1
        self.receipt.build_seconds = round(self.receipt.build_seconds + done.seconds, 3)
        if is_first:
            self.receipt.first_build_seconds = done.seconds

    def _note(self, state: str) -> None:
        def once() -> None:
            with opened(self.load.open_sink) as (_, kept):
                if state == "ready":
                    kept.note(self.plan.name, state="ready", facts=self._facts(self._positions()))
                else:
                    kept.note(self.plan.name, state="building", facts=self._facts(self._positions()))

        self.load.patience.of(once)
        self.state = state

    def _facts(self, positions: Mapping[str, Any]) -> dict[str, Any]:
        """What the next plan finds of this generation, once it is live."""
        plan = self.plan
        types = plan.codec.types
        return {
            "codec": plan.codec.fingerprint,
            "types": None if types is None else dict(types),
            "models": {name: model.fingerprint for name, model in plan.models.items()},
            "raw_fingerprint": plan.raw_fingerprint,
            "replay_id": plan.replay_id,
            "plan": plan.sha256,
            "partial": plan.is_partial,
            "as_of": plan.is_as_of,
            "positions": dict(positions),
            "built": self.built,
        }

    def _positions(self) -> dict[str, dict[str, Any]]:
        found = {}
        for name, number in sorted((self.built or {}).items()):
            commit = self.log.reader(name).commit(number)
            found[name] = {"commit": number, "digest": "" if commit is None else commit.sha256}
        return found

    def _live_positions(self) -> Positions:
        def once() -> Positions:
            with opened(self.load.open_sink) as (sink, _):
                known = {name: sink.begin(f"{self.plan.replay_id}/{name}") for name in self.log.partitions()}
            return {name: checkpoint.position for name, checkpoint in known.items() if checkpoint is not None}

        return self.load.patience.of(once)
