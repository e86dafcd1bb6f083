"""`plan`: look at the log, the live tables, the codec and the dbt project, and write down what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from eventreplay.errors import ConfigError, GenerationError
from eventreplay.generations import Generation, SupportsGenerations, checked_name, suffix_of
from eventreplay.interfaces import Codec, Sink
from eventreplay.log import Log
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
    """What stands in the warehouse now; `made_by`: the codec of each partition's rows."""

    generation: Generation
    made_by: Mapping[str, str]


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
    suffix = suffix_of(checked_name(name))
    if not log.exists():
        raise ConfigError(f"There is no log at {log.url}.", hint="A rebuild reads a log.", log=log.url)
    selection = selection or Selection()
    partitions = planned_partitions(log, until)
    live = (patience or Patience()).of(lambda: _look(open_sink, name, replay_id, log.partitions()))
    raw_schema = raw_schema_of(dbt)
    shadow = shadow_variables(raw_schema, suffix, makes_raw=True)
    parsed = dbt.run("parse", environment=shadow, place=shadow_place(name))
    lineage = lineage_of(
        read_manifest(dbt.work / shadow_place(name)),
        suffix=suffix,
        raw_schema=raw_schema,
        project=dbt.project,
        variables=dbt.variables,
    )
    history = History.of(log, sink_url, live.generation.name)
    built = Built(fingerprint=codec.fingerprint, types=codec_types(codec))
    before = history.codec("+".join(sorted(set(live.made_by.values()))) or None, live.generation, codec)
    types = _types(before, built)
    raw_before = live.generation.facts.get("raw_fingerprint")
    reasons = _raw_reasons(before, built, types, raw_before, force_raw=force_raw)
    if not selection.is_all:
        reasons.append("only some of the rows are taken")
    if until:
        reasons.append("not all of the log is read")
    models_before = history.models(live.generation, lineage.models)
    changed = _changed(lineage, models_before)
    moves_rows = bool(reasons) and (types != () or not selection.is_all or bool(until))
    tables = [f"{raw_schema}.EVENTS", f"{raw_schema}.QUARANTINE"] if moves_rows else []
    affected = lineage.affected_by(changed, _as_named(lineage, tables))
    schemas = (*((raw_schema,) if reasons else ()), *lineage.schemas())
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
        schemas=schemas,
        raw_schema=raw_schema,
        raw_reasons=tuple(reasons),
        raw_fingerprint=raw_fingerprint(),
        raw_fingerprint_before=None if raw_before is None else str(raw_before),
        codec=built,
        codec_before=before,
        types_changed=types,
        project=parsed.project_fingerprint,
        adapter=lineage.adapter,
        models=lineage.models,
        models_before=models_before,
        models_changed=changed,
        models_affected=affected,
        exposures=lineage.exposed(affected),
        estimate=estimate(log, history, codec, partitions, makes_raw=bool(reasons)),
        notes=_notes(lineage, models_before, types, before, selection, until=bool(until)),
        settings=dict(settings or {}),
    )


def _look(open_sink: OpenSink, name: str, replay_id: str, partitions: Sequence[str]) -> _Live:
    with opened(open_sink) as (sink, kept):
        live = _free(kept, name)
        return _Live(live, _made_by(sink, replay_id, partitions))


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


def _made_by(sink: Sink, replay_id: str, partitions: Sequence[str]) -> dict[str, str]:
    checkpoints = {name: sink.begin(f"{replay_id}/{name}") for name in partitions}
    return {name: known.fingerprint for name, known in checkpoints.items() if known is not None}


def _types(before: Built | None, built: Built) -> tuple[str, ...] | None:
    if before is None or before.types is None or built.types is None:
        return None
    return changed_types(before.types, built.types)


def _raw_reasons(
    before: Built | None,
    built: Built,
    types: tuple[str, ...] | None,
    raw_before: Any,
    *,
    force_raw: bool,
) -> list[str]:
    reasons = []
    if before is None:
        reasons.append("nothing is loaded yet")
    elif before.fingerprint != built.fingerprint:
        which = "of which types is not known" if types is None else f"types: {_some(types) or 'none'}"
        reasons.append(f"the codec is another ({which})")
    if raw_before not in {None, raw_fingerprint()}:
        reasons.append("RAW has other columns")
    if force_raw:
        reasons.append("it was asked for")
    return reasons


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_MAX} more" if len(names) > _SHOWN_MAX else ""
    return ", ".join(names[:_SHOWN_MAX]) + more


def _changed(lineage: Lineage, before: Mapping[str, str] | None) -> tuple[str, ...]:
    known = before or {}
    return tuple(name for name, model in lineage.models.items() if known.get(name) != model.fingerprint)


def _as_named(lineage: Lineage, tables: Sequence[str]) -> list[str]:
    """Tables as the project writes them: names of sources may be in any case."""
    wanted = {table.upper() for table in tables}
    return [table for model in lineage.models.values() for table in model.reads if table.upper() in wanted]


def _notes(
    lineage: Lineage,
    models_before: Mapping[str, str] | None,
    types: tuple[str, ...] | None,
    before: Built | None,
    selection: Selection,
    *,
    until: bool,
) -> tuple[str, ...]:
    notes = []
    if before is not None and types is None:
        notes.append("What the live RAW was decoded by is known as a whole only, not by event type.")
    if models_before is None:
        notes.append(
            "How the live models were made is not on record: all count as changed. `eventreplay dbt build` "
            "keeps a receipt of it."
        )
    else:
        unknown = sorted(set(lineage.models) - set(models_before))
        if unknown:
            notes.append(f"New, or made by more than one version: {_some(unknown)}.")
        gone = sorted(set(models_before) - set(lineage.models))
        if gone:
            notes.append(f"Made before, and by this project no more: {_some(gone)}.")
    if lineage.snapshots:
        notes.append(f"Snapshots begin anew, their history is in no log: {_some(lineage.snapshots)}.")
    if not selection.is_all:
        notes.append("Partial: for looking at and comparing, never to be promoted.")
    if until:
        notes.append("As of a place in the log: it catches up before it is promoted.")
    return tuple(notes)
