"""`promote`: catch up, let the two generations change places, and build what came in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import asdict, define

from eventreplay.capabilities.generations import Generation, SupportsGenerations
from eventreplay.errors import GenerationError, PlanError, TransformError
from eventreplay.interfaces import Codec, Sink
from eventreplay.log import Log
from eventreplay.rebuild.checking import check, check_live
from eventreplay.rebuild.ends import Dbt, OpenSink, Patience, Quiet, Screen, opened
from eventreplay.rebuild.keeping import found
from eventreplay.rebuild.loading import Positions, Settings, ShadowLoad, heads
from eventreplay.rebuild.plan import Plan
from eventreplay.rebuild.schemas import live_variables, raw_schema_of
from eventreplay.replay import replay
from eventreplay.selection import Selection
from eventreplay.transform import Transformation

KEEP = timedelta(days=7)
"""How long what was live is kept, unless something else is said."""


@define(kw_only=True)
class Promotion:
    """What a promotion did.

    Attributes:
        name: what is live now.
        before: what was live before; None: it was this one already.
        schemas: those that changed places.
        plan: hash of the plan that it was made by.
        keep_until: how long what was live is kept at least; None: it was promoted before.
        read: rows of the log that it caught up with.
        codec: fingerprint of what decoded its rows.
        built: whether dbt was run over the live names afterwards.
        behind: whether RAW holds what the models have not seen: a run of dbt is due.
        build_seconds: of that run.
    """

    name: str
    before: str | None
    schemas: list[str]
    plan: str
    keep_until: datetime | None = None
    read: int = 0
    codec: str = ""
    built: bool = False
    behind: bool = False
    build_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data: the facts of a receipt of kind rebuild."""
        return {"action": "promote", **asdict(self)}


def promote(
    plan: Plan | str,
    log: Log,
    open_sink: OpenSink,
    codec: Codec,
    dbt: Dbt,
    *,
    keep: timedelta = KEEP,
    build: bool = True,
    workers: int = 1,
    batch_rows_max: int = 65_536,
    now: datetime | None = None,
    screen: Screen | None = None,
    patience: Patience | None = None,
    told: Callable[[Promotion], None] | None = None,
) -> Promotion:
    """Make a generation live that is ready; begun again after any end, it finishes what was begun.

    Loads by other code than `codec` stop afterwards with `CodecChangedError`: deploy the new code first.

    Args:
        plan: what it was made by; or its name alone, and then nothing is compared with a plan.
        log: for what came in since the generation was built.
        open_sink: the warehouse.
        codec: the generation's.
        dbt: the project, with live names of schemas.
        keep: how long what was live is kept at least.
        build: run dbt over the live names afterwards, if RAW moved since the generation was built.
        workers: processes that decode.
        batch_rows_max: rows decoded at a time.
        now: the moment from which `keep` counts, timezone-aware; None: the clock's.
        screen: shown progress.
        patience: how a busy warehouse is waited for.
        told: given what was done as soon as it is live, so that it is known if dbt fails afterwards.

    Raises:
        GenerationError: it is not ready, or partial; nothing was changed.
        PlanError: it was made by another plan, or something moved under this one.
        CodecChangedError: `codec` is not the one that made it.
        TransformError: it is live, and dbt over it failed.
    """
    if isinstance(plan, Plan):
        check(plan, log, codec, dbt)
    work = _Promotion(plan, log, open_sink, codec, dbt, screen or Quiet(), patience or Patience())
    generation = work.look()
    done = Promotion(
        name=generation.name,
        before=None,
        schemas=list(generation.schemas),
        plan=generation.plan,
        codec=codec.fingerprint,
    )
    if generation.state != "live":
        load = work.loading(generation, workers, batch_rows_max)
        if load is not None and generation.state == "ready":
            # Most of it while loads go on: they wait for what is left, while the places change.
            with work.screen.step(f"catch up {generation.name}", "rows") as progress:
                load.upto(heads(log), progress)
        done.keep_until = (now or datetime.now(UTC)) + keep
        done.before = work.switch(generation, load, done.keep_until)
        done.read = 0 if load is None else load.receipt.read
    done.behind = work.is_behind(generation)
    if told is not None:
        told(done)
    if build and done.behind:
        done.build_seconds = work.build().seconds
        done.built, done.behind = True, False
    return done


@define
class _Promotion:
    """The steps of one promotion."""

    plan: Plan | str
    log: Log
    open_sink: OpenSink
    codec: Codec
    dbt: Dbt
    screen: Screen
    patience: Patience

    @property
    def name(self) -> str:
        """Of the generation."""
        return self.plan.name if isinstance(self.plan, Plan) else self.plan

    def look(self) -> Generation:
        """The generation, if it may be made live."""

        def once() -> Generation:
            with opened(self.open_sink) as (_, kept):
                return self._fit(kept)

        return self.patience.of(once)

    def _fit(self, kept: SupportsGenerations) -> Generation:
        generation = found(kept, self.name)
        if isinstance(self.plan, Plan):
            if generation.plan != self.plan.sha256:
                raise PlanError(
                    f"The generation {self.name} was made by another plan.",
                    hint="Give the plan that it was made by, or its name alone.",
                    moved=["plan"],
                )
            if generation.state == "ready":
                check_live(self.plan, kept.generations())
        if generation.state not in {"ready", "promoting", "live"}:
            hint = (
                "`eventreplay rebuild rollback` brings back what was live before."
                if generation.state == "kept"
                else "`eventreplay rebuild run` goes on where it stands."
            )
            raise GenerationError(
                f"The generation {self.name} is {generation.state}, and only one that is ready is promoted.",
                hint=hint,
                name=self.name,
                state=generation.state,
            )
        if generation.facts.get("partial"):
            raise GenerationError(
                f"The generation {self.name} holds only some of the rows.",
                hint="It is for looking at. Plan one without --type, --stream, --source and --since.",
                name=self.name,
            )
        return generation

    def loading(self, generation: Generation, workers: int, batch_rows_max: int) -> ShadowLoad | None:
        """What loads the shadow; None if it has no RAW of its own."""
        if not self._has_raw(generation):
            return None
        settings = Settings(
            replay_id=self._replay_id(generation),
            selection=Selection(),
            workers=workers,
            batch_rows_max=batch_rows_max,
        )
        return ShadowLoad(self.log, self.open_sink, self.codec, generation.name, settings, self.patience)

    def switch(self, generation: Generation, load: ShadowLoad | None, keep_until: datetime) -> str | None:
        """Let them change places; what was live before, None if that is not known any more."""

        def once() -> str | None:
            with opened(self.open_sink) as (_, kept):
                live = kept.generations()[0].name

                def catch_up() -> None:
                    if load is not None:
                        self._caught_up(kept, load)

                kept.promote(generation.name, keep_until=keep_until, catch_up=catch_up)
                return live if live != generation.name else None

        with self.screen.step(f"promote {generation.name}", "generations") as progress:
            before = self.patience.of(once)
            progress(1, 1)
        return before

    def _caught_up(self, kept: SupportsGenerations, load: ShadowLoad) -> None:
        shadow: Sink = kept.shadow(load.name)
        try:
            replay(
                self.log,
                shadow,
                self.codec,
                replay_id=load.settings.replay_id,
                batch_rows_max=load.settings.batch_rows_max,
                receipt=load.receipt,
            )
        finally:
            shadow.close()

    def is_behind(self, generation: Generation) -> bool:
        """Whether the live RAW is not where it was when dbt last built this generation."""
        built = generation.facts.get("built")
        return built is None or self._live_positions(generation) != {
            str(name): int(at) for name, at in dict(built).items()
        }

    def build(self) -> Transformation:
        """dbt over the live names, incrementally."""
        live: Mapping[str, str] = live_variables(raw_schema_of(self.dbt))

        def once() -> Transformation:
            with self.screen.step("dbt build, live", "nodes") as progress:
                return self.dbt.run("build", environment=live, progress=progress)

        try:
            return self.patience.of(once)
        except TransformError as error:
            raise type(error)(
                f"{self.name} is live; dbt over it failed: {error.message}",
                hint="Run `eventreplay dbt build` again, or `eventreplay rebuild rollback`.",
                **error.fields,
            ) from error

    def _live_positions(self, generation: Generation) -> Positions:
        def once() -> Positions:
            with opened(self.open_sink) as (sink, _):
                names = self.log.partitions()
                known = {name: sink.begin(f"{self._replay_id(generation)}/{name}") for name in names}
            return {name: checkpoint.position for name, checkpoint in known.items() if checkpoint is not None}

        return self.patience.of(once)

    def _has_raw(self, generation: Generation) -> bool:
        raw = raw_schema_of(self.dbt).upper()
        return any(schema.upper() == raw for schema in generation.schemas)

    def _replay_id(self, generation: Generation) -> str:
        return str(generation.facts.get("replay_id") or "live")
