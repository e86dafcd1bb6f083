"""`plan`: look at the log, the live tables, the codec and the dbt project, and write down what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import asdict, frozen

from eventreplay.capabilities.generations import Generation, SupportsGenerations, checked_name, suffix_of
from eventreplay.errors import ConfigError, GenerationError
from eventreplay.interfaces import Codec
from eventreplay.log import Log
from eventreplay.rebuild.checking import made_by
from eventreplay.rebuild.ends import Dbt, OpenSink, Patience, opened
from eventreplay.rebuild.estimating import estimate
from eventreplay.rebuild.fingerprints import changed_types, codec_types, raw_fingerprint
from eventreplay.rebuild.history import History
from eventreplay.rebuild.keeping import refuse_unfinished
from eventreplay.rebuild.lineage import Lineage, lineage_of, read_manifest
from eventreplay.rebuild.parts import Built
from eventreplay.rebuild.plan import Plan
from eventreplay.rebuild.ranges import Until, planned_partitions
from eventreplay.rebuild.schemas import raw_schema_of, shadow_place, shadow_variables
from eventreplay.selection import Selection

_SHOWN_MAX = 5


@frozen
class _Live:
    """What stands in the warehouse now; `made_by`: the codec of the rows in RAW."""

    generation: Generation
    made_by: str | None


def plan(
    log: Log,
    open_sink: OpenSink,
    codec: Codec,
    dbt: Dbt,
    *,
    name: str,
    sink_url: str,
    replay_id: str = "live",
    selection: Selection | None = None,
    until: Sequence[Until] = (),
    force_raw: bool = False,
    settings: Mapping[str, str] | None = None,
    now: datetime | None = None,
    patience: Patience | None = None,
) -> Plan:
    """Plan a rebuild. Nothing is changed; the project is parsed, and at most a few segments are read.

    Args:
        log: what is to be read.
        open_sink: the warehouse.
        codec: decodes from now on.
        dbt: the project as it is now, with live names of schemas.
        name: of the generation to make.
        sink_url: the warehouse, without secrets.
        replay_id: whose checkpoints the loads have.
        selection: rows to take; what it gives is for looking at, and never promoted.
        until: how far to read: a moment, or commits by partition; nothing: all there is, and what comes.
        force_raw: load RAW again although its codec is the same.
        settings: what the command line was told, to be found again.
        now: the moment of planning, timezone-aware; None: the clock's.
        patience: how a busy warehouse is waited for.

    Raises:
        ConfigError: there is no log, or a name or a partition is none.
        GenerationError: the name is taken, or a promotion was broken off.
        PlanError: the project cannot be built beside the live tables.
    """
    checked_name(name)
    if not log.exists():
        raise ConfigError(f"There is no log at {log.url}.", hint="A rebuild reads a log.", log=log.url)
    selection, partitions = selection or Selection(), planned_partitions(log, until)
    live = (patience or Patience()).of(lambda: _look(open_sink, name, replay_id, log.partitions()))
    project, lineage = _parsed(dbt, name)
    history = History.of(log, sink_url, live.generation.name)
    found = _judged(live, history, lineage, codec, raw_schema_of(dbt))
    reasons = _reasons(found, selection, until=bool(until), forced=force_raw)
    affected = found.affected(lineage, moves_rows=found.moves_rows or not selection.is_all or bool(until))
    return Plan(
        name=name,
        made=now or datetime.now(UTC),
        log_url=log.url,
        partitions=partitions,
        sink_url=sink_url,
        replay_id=replay_id,
        live=live.generation.name,
        selection=selection,
        is_as_of=bool(until),
        schemas=(*((found.raw_schema,) if reasons else ()), *lineage.schemas()),
        raw_reasons=reasons,
        project=project,
        adapter=lineage.adapter,
        models=lineage.models,
        models_affected=affected,
        exposures=lineage.exposed(affected),
        estimate=estimate(log, history, codec, partitions, makes_raw=bool(reasons)),
        notes=_notes(lineage, found, selection, until=bool(until)),
        settings=dict(settings or {}),
        **found.of_plan(),
    )


@frozen(kw_only=True)
class _Found:
    """What differs between what is live and what would be made; fields as those of `Plan`."""

    raw_schema: str
    raw_fingerprint: str
    raw_fingerprint_before: str | None
    codec: Built
    codec_before: Built | None
    types_changed: tuple[str, ...] | None
    models_before: Mapping[str, str] | None
    models_changed: tuple[str, ...]
    raw_reasons: tuple[str, ...]

    @property
    def moves_rows(self) -> bool:
        """Whether rows of RAW may become others."""
        return bool(self.raw_reasons) and self.types_changed != ()

    def affected(self, lineage: Lineage, *, moves_rows: bool) -> tuple[str, ...]:
        """Models that may come out otherwise. Names of sources may be written in any case."""
        wanted = {f"{self.raw_schema}.{table}".upper() for table in ("EVENTS", "QUARANTINE")}
        reads = {table for model in lineage.models.values() for table in model.reads}
        moved = [table for table in reads if table.upper() in wanted] if moves_rows else []
        return lineage.affected_by(self.models_changed, moved)

    def of_plan(self) -> dict[str, Any]:
        """Everything that stands in a plan as it is here."""
        facts = asdict(self, recurse=False)
        del facts["raw_reasons"]
        return facts


def _parsed(dbt: Dbt, name: str) -> tuple[str, Lineage]:
    """The project's fingerprint, and what it makes when it is built as the shadow `name`."""
    suffix, raw_schema = suffix_of(name), raw_schema_of(dbt)
    shadow = shadow_variables(raw_schema, suffix, makes_raw=True)
    parsed = dbt.run("parse", environment=shadow, place=shadow_place(name))
    lineage = lineage_of(
        read_manifest(dbt.work / shadow_place(name)),
        suffix=suffix,
        raw_schema=raw_schema,
        project=dbt.project,
        variables=dbt.variables,
    )
    return parsed.project_fingerprint, lineage


def _judged(live: _Live, history: History, lineage: Lineage, codec: Codec, raw_schema: str) -> _Found:
    built = Built(fingerprint=codec.fingerprint, types=codec_types(codec))
    before = history.codec(live.made_by, live.generation, codec)
    types = None
    if before is not None and before.types is not None and built.types is not None:
        types = changed_types(before.types, built.types)
    raw_before = live.generation.facts.get("raw_fingerprint")
    models_before = history.models(live.generation, lineage.models)
    known = models_before or {}
    return _Found(
        raw_schema=raw_schema,
        raw_fingerprint=raw_fingerprint(),
        raw_fingerprint_before=None if raw_before is None else str(raw_before),
        codec=built,
        codec_before=before,
        types_changed=types,
        models_before=models_before,
        models_changed=tuple(
            name for name, model in lineage.models.items() if known.get(name) != model.fingerprint
        ),
        raw_reasons=tuple(_raw_reasons(before, built, types, raw_before)),
    )


def _look(open_sink: OpenSink, name: str, replay_id: str, partitions: Sequence[str]) -> _Live:
    with opened(open_sink) as (sink, kept):
        live = _free(kept, name)
        return _Live(live, made_by(sink, replay_id, partitions))


def _free(kept: SupportsGenerations, name: str) -> Generation:
    known = kept.generations()
    refuse_unfinished(known)
    taken = next((each for each in known if each.name == name), None)
    if taken is not None:
        raise GenerationError(
            f"There is a generation {name!r} already; it is {taken.state}.",
            hint=f"Take another name, or `eventreplay rebuild drop {name}`.",
            name=name,
            state=taken.state,
        )
    return known[0]


def _reasons(found: _Found, selection: Selection, *, until: bool, forced: bool) -> tuple[str, ...]:
    """Why RAW is made again; none: it stays."""
    more = (
        ("it was asked for", forced),
        ("only some of the rows are taken", not selection.is_all),
        ("not all of the log is read", until),
    )
    return (*found.raw_reasons, *(said for said, holds in more if holds))


def _raw_reasons(
    before: Built | None, built: Built, types: tuple[str, ...] | None, raw_before: Any
) -> Iterator[str]:
    if before is None:
        yield "nothing is loaded yet"
    elif before.fingerprint != built.fingerprint:
        which = "of which types is not known" if types is None else f"types: {_some(types) or 'none'}"
        yield f"the codec is another ({which})"
    if raw_before not in {None, raw_fingerprint()}:
        yield "RAW has other columns"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_MAX} more" if len(names) > _SHOWN_MAX else ""
    return ", ".join(names[:_SHOWN_MAX]) + more


def _notes(lineage: Lineage, found: _Found, selection: Selection, *, until: bool) -> tuple[str, ...]:
    notes = []
    if found.codec_before is not None and found.types_changed is None:
        notes.append("What the live RAW was decoded by is known as a whole only, not by event type.")
    if found.models_before is None:
        notes.append(
            "How the live models were made is not on record: all count as changed. `eventreplay dbt build` "
            "keeps a receipt of it."
        )
    else:
        unknown = sorted(set(lineage.models) - set(found.models_before))
        if unknown:
            notes.append(f"New, or made by more than one version: {_some(unknown)}.")
        gone = sorted(set(found.models_before) - set(lineage.models))
        if gone:
            notes.append(f"Made before, and by this project no more: {_some(gone)}.")
    if lineage.snapshots:
        notes.append(f"Snapshots begin anew, their history is in no log: {_some(lineage.snapshots)}.")
    if not selection.is_all:
        notes.append("Partial: for looking at and comparing, never to be promoted.")
    if until:
        notes.append("As of a place in the log: it catches up before it is promoted.")
    return tuple(notes)
