"""`diff`: what a generation would change, table by table, and why. It changes nothing.

RAW is compared up to where both sides have read each partition of the log, by event type; then each model, in
the order in which they are made. What is above a model explains it: see `explaining`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial

from attrs import define, evolve, field, frozen

from eventreplay.capabilities.comparison import (
    AtLeast,
    Below,
    Condition,
    Counts,
    In,
    Place,
    Question,
    SupportsTableComparison,
    TableDifference,
)
from eventreplay.capabilities.generations import Generation, SupportsGenerations
from eventreplay.errors import ConfigError, GenerationError
from eventreplay.interfaces import Sink
from eventreplay.log import Log
from eventreplay.rebuild.difference import Compared, Difference, Standing
from eventreplay.rebuild.explaining import (
    EQUAL,
    NO_TYPE,
    Explaining,
    TypeChange,
    Verdict,
    explained_type,
    raw_verdict,
)
from eventreplay.rebuild.lagging import lagging
from eventreplay.rebuild.parts import Model
from eventreplay.rebuild.plan import Plan
from eventreplay.rebuild.standing import PARTIAL, refused_below, standings_of, unlike

Progress = Callable[[int, int | None], None]

LOADED_BY = ("inserted_at", "quarantined_at", "decoder_fingerprint")
"""Columns that say when and by what a row was loaded; they always differ, and are never compared."""
_PLACE = ("log_partition", "log_offset")
_EPHEMERAL = "ephemeral"


def diff(
    plan: Plan,
    log: Log,
    sink: Sink,
    *,
    models: Iterable[str] | None = None,
    samples_max: int = 5,
    progress: Progress | None = None,
) -> Difference:
    """Compare the generation of a plan with what is live.

    Args:
        plan: by which it was built.
        log: that both sides were loaded from; only commits are read.
        sink: open; not closed.
        models: these and what they are made of; None: all.
        samples_max: rows shown of each kind and table; 0: none leaves the warehouse.
        progress: told of tables compared, and of all.

    Raises:
        ConfigError: the sink cannot compare its tables, or there is no such model.
        GenerationError: the plan was not run, or its generation is not beside the live one any more.
    """
    if not isinstance(sink, SupportsTableComparison) or not isinstance(sink, SupportsGenerations):
        raise ConfigError(
            "This sink cannot compare two generations.",
            hint="It works on duckdb and snowflake; a sink's class needs the methods of"
            " SupportsTableComparison and SupportsGenerations.",
        )
    generation = _built(sink, plan)
    wanted = _with_parents(plan, models)
    sides = Sides(plan)
    standings = tuple(standings_of(plan, log, sink, generation))
    run = _Run(plan, sink, sides, samples_max, progress, len(wanted) + 3 * plan.makes_raw)
    raw, types = run.raw(log, standings) if plan.makes_raw else ((), ())
    compared = {name: run.model(plan.models[name]) for name in wanted}
    explaining = Explaining(
        models=plan.models,
        before=plan.models_before,
        compared=compared,
        raw={one.name.upper(): one.verdict for one in raw},
        reads_otherwise=unlike(plan, standings),
    )
    if any(explaining.verdict(name).state == "unexplained" for name in compared):
        behind = lagging(plan, log, compared, partial(rows_since, plan, sink))
        explaining = evolve(explaining, lagging=behind)
    return Difference(
        generation=plan.name,
        plan=plan.sha256,
        log=plan.log_url,
        sink=plan.sink_url,
        is_partial=plan.is_partial,
        tables=(*raw, *(_judged(plan, explaining, name, found) for name, found in compared.items())),
        types=types,
        standings=standings,
        others=tuple(_others(plan, sink, sides)),
        notes=tuple(_notes(plan, generation, standings, models)),
    )


@frozen
class Sides:
    """Where the tables of both generations stand."""

    plan: Plan

    def of(self, schema: str, table: str) -> tuple[Place, Place]:
        """Before and after."""
        live = Place(schema, table)
        if schema.upper() not in {name.upper() for name in self.plan.schemas}:
            return live, live
        return live, Place(f"{schema}{self.plan.suffix}", table)


@define
class _Run:
    plan: Plan
    sink: SupportsTableComparison
    sides: Sides
    samples_max: int
    progress: Progress | None
    total: int
    done: int = field(default=0, init=False)

    def compare(self, question: Question) -> TableDifference:
        found = self.sink.compare(evolve(question, samples_max=self.samples_max))
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)
        return found

    def model(self, model: Model) -> TableDifference:
        """How a model differs, by what its YAML says."""
        before, after = self.sides.of(model.schema, model.identifier)
        told = model.compare
        metrics = told.get("metrics")
        return self.compare(
            Question(
                before=before,
                after=after,
                key=model.key,
                ignored=(*LOADED_BY, *_names(model, "ignored")),
                day=_name(model, "day"),
                by=_name(model, "by"),
                metrics=None if metrics is None else _names(model, "metrics"),
            )
        )

    def raw(
        self, log: Log, standings: Sequence[Standing]
    ) -> tuple[tuple[Compared, ...], tuple[TypeChange, ...]]:
        """EVENTS, then QUARANTINE's records of the log and those that capture refused."""
        below = Below(*_PLACE, {one.partition: one.compared_below for one in standings})
        refused = Below(*_PLACE, {one.partition: refused_below(log, one) for one in standings})
        events = self._raw_table("EVENTS", (below,), group="event_type")
        decode = self._raw_table("QUARANTINE", (below, In("stage", ("decode",))), group="event_type")
        capture = self._raw_table("QUARANTINE", (refused, In("stage", ("capture",))), group="stage")
        types = [
            TypeChange(
                type=NO_TYPE if name is None else name,
                events=events.groups.get(name, Counts()),
                refused=decode.groups.get(name, Counts()),
                verdict=explained_type(name, self.plan.codec_before, self.plan.codec),
            )
            for name in sorted(
                {*events.groups, *decode.groups}, key=lambda name: (name is not None, name or "")
            )
        ]
        if not capture.counts.equal:
            types.append(
                TypeChange(
                    type="(refused by capture)",
                    events=Counts(),
                    refused=capture.counts,
                    verdict=explained_type(None, None, self.plan.codec),
                )
            )
        schema = self.plan.raw_schema
        return (
            self._judged(f"{schema}.EVENTS", events, raw_verdict(types, "events")),
            self._judged(
                f"{schema}.QUARANTINE", decode, raw_verdict(types, "refused"), "refused by the codec"
            ),
            self._judged(
                f"{schema}.QUARANTINE",
                capture,
                EQUAL if capture.counts.equal else explained_type(None, None, self.plan.codec),
                "refused by capture",
            ),
        ), tuple(types)

    @staticmethod
    def _judged(name: str, found: TableDifference, verdict: Verdict, note: str = "") -> Compared:
        return Compared(name=name, is_raw=True, difference=found, verdict=verdict, note=note)

    def _raw_table(self, table: str, where: tuple[Condition, ...], *, group: str) -> TableDifference:
        before, after = self.sides.of(self.plan.raw_schema, table)
        return self.compare(
            Question(
                before=before,
                after=after,
                key=_PLACE,
                ignored=LOADED_BY,
                where=(*where, *_selected(self.plan)),
                group=group,
                day="occurred_at",
                guesses=False,
                metrics=(),
            )
        )


def _selected(plan: Plan) -> Iterator[Condition]:
    """The rows of the live RAW that a partial generation would have taken."""
    chosen = plan.selection
    for column, values in (
        ("event_type", chosen.types),
        ("stream_id", chosen.streams),
        ("source", chosen.sources),
    ):
        if values:
            yield In(column, values)
    if chosen.since is not None:
        yield AtLeast(("recorded_at", "occurred_at"), chosen.since)


def _built(sink: SupportsGenerations, plan: Plan) -> Generation:
    known = {generation.name: generation for generation in sink.generations()}
    found = known.get(plan.name)
    if found is None or found.plan != plan.sha256:
        raise GenerationError(
            f"There is no generation {plan.name} that was built by this plan.",
            hint="Run it first: `eventreplay rebuild run PLAN`; `eventreplay rebuild ls` lists.",
            name=plan.name,
        )
    if found.state not in ("building", "ready"):
        raise GenerationError(
            f"Generation {plan.name} is {found.state}: it is compared before it is promoted.",
            hint="`eventreplay rebuild ls` lists all; what was found before is in the page or the JSON.",
            name=plan.name,
        )
    live = next((one.name for one in known.values() if one.state == "live"), plan.live)
    if live != plan.live:
        raise GenerationError(
            f"{live} is live now; {plan.name} was planned when {plan.live} was.",
            hint="Plan again: what made the live tables is written in the plan.",
            name=plan.name,
        )
    return found


def _with_parents(plan: Plan, models: Iterable[str] | None) -> list[str]:
    """Models to compare, each behind what it is made of."""
    ahead = sorted(plan.models) if models is None else list(models)
    ordered: list[str] = []
    seen: set[str] = set()

    def add(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        for parent in plan.models[name].parents:
            if parent in plan.models:
                add(parent)
        if plan.models[name].materialized != _EPHEMERAL:
            ordered.append(name)

    for name in ahead:
        if name not in plan.models:
            raise ConfigError(
                f"The plan has no model {name[:80]!r}.",
                hint="Name one of the dbt project; without --model all are compared.",
                model=name[:80],
            )
        add(name)
    return ordered


def rows_since(plan: Plan, sink: SupportsTableComparison, moment: datetime) -> int:
    """How many rows of the live RAW.EVENTS were inserted at a moment or later."""
    live = Place(plan.raw_schema, "EVENTS")
    since = AtLeast(("inserted_at",), moment)
    question = Question(before=live, after=live, key=_PLACE, where=(since,), guesses=False, metrics=())
    return sink.compare(question).counts.before


def _judged(plan: Plan, explaining: Explaining, name: str, found: TableDifference) -> Compared:
    verdict = explaining.verdict(name)
    if plan.is_partial and verdict.state != "equal":
        verdict = Verdict(state="undecided", why=(PARTIAL,))
    return Compared(name=name, is_raw=False, difference=found, verdict=verdict)


def _others(plan: Plan, sink: SupportsTableComparison, sides: Sides) -> Iterator[str]:
    """Tables in the schemas of the models that no model makes, and that stand on one side only."""
    made = {(model.schema.upper(), model.identifier.upper()) for model in plan.models.values()}
    for schema in plan.schemas:
        if schema.upper() == plan.raw_schema.upper():
            continue
        before, after = (
            {name.upper(): name for name in sink.tables(place.schema)} for place in sides.of(schema, "")
        )
        places = sides.of(schema, "")
        for name in sorted(before.keys() ^ after.keys()):
            if (schema.upper(), name) not in made:
                at, known = (places[0], before) if name in before else (places[1], after)
                yield f"{at.schema}.{known[name]}"


def _notes(
    plan: Plan, generation: Generation, standings: Sequence[Standing], models: Iterable[str] | None
) -> Iterator[str]:
    if generation.state == "building":
        yield "Its run has not ended: tables may be missing, or not be complete."
    if not plan.makes_raw:
        yield "RAW was not loaded again: both sides read the same rows of it."
    beyond = sum(one.beyond for one in standings)
    if beyond:
        yield (
            f"{beyond:,} events have been read by one side only and are compared with nothing: they are a"
            " matter of position. `eventreplay rebuild run PLAN` catches up."
        )
    if plan.is_partial:
        yield (
            "The generation holds a part of the rows. RAW was compared with the same part of the live one; a"
            " model's rows are counted against the whole live one, and nothing is said of why they differ."
        )
    if models is not None:
        yield "Only the models that were asked for were compared, and what they are made of."


def _nulls_first(name: str | None) -> tuple[bool, str]:
    return name is not None, name or ""


def _name(model: Model, what: str) -> str | None:
    """One column that `meta.eventreplay` names; None: it names none."""
    value = model.compare.get(what)
    if value is not None and not isinstance(value, str):
        raise _misread(model, what)
    return value


def _names(model: Model, what: str) -> tuple[str, ...]:
    """Columns that it names, one or a list of them."""
    value = model.compare.get(what)
    if value is None or isinstance(value, str):
        return () if value is None else (value,)
    if not isinstance(value, Sequence) or not all(isinstance(name, str) for name in value):
        raise _misread(model, what)
    return tuple(value)


def _misread(model: Model, what: str) -> ConfigError:
    return ConfigError(
        f"meta.eventreplay.{what} of {model.identifier} is not understood.",
        hint="`day` and `by` are a column each, `metrics` and `ignored` lists of columns.",
        model=model.identifier,
    )
