"""Whether everything is still as a plan has it: the log's chain, the codec, the dbt project, what is live."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eventreplay.capabilities.generations import Generation
from eventreplay.errors import EventReplayError, PlanError
from eventreplay.interfaces import Codec, Sink
from eventreplay.log import Log
from eventreplay.rebuild.ends import Dbt
from eventreplay.rebuild.fingerprints import changed_types, codec_types, model_fingerprints, raw_fingerprint
from eventreplay.rebuild.lineage import read_manifest
from eventreplay.rebuild.plan import Plan
from eventreplay.rebuild.schemas import raw_schema_of, shadow_place, shadow_variables
from eventreplay.transform.project import fingerprint

_SHOWN_MAX = 10
_AGAIN = "Make another plan with `eventreplay rebuild plan`, and look at what it says."


def check(plan: Plan, log: Log, codec: Codec | None = None, dbt: Dbt | None = None) -> None:
    """See that nothing moved under a plan. A log that only grew is as planned.

    Args:
        plan: what was planned.
        log: the log.
        codec: what decodes now; None: it takes no part.
        dbt: the project as it is now; None: it takes no part. Parsed only if a file of it changed.

    Raises:
        PlanError: something did; its field `moved` has what: `log`, `codec`, `raw`, `project`.
    """
    moved = [("log", said) for said in _log_moved(plan, log)]
    if codec is not None:
        moved += [("codec", said) for said in _codec_moved(plan, codec)]
        if plan.raw_fingerprint != raw_fingerprint():
            moved.append(("raw", "this release makes RAW of other columns"))
    if dbt is not None:
        moved += [("project", said) for said in _project_moved(plan, dbt)]
    if moved:
        raise _moved(plan, moved)


def check_live(plan: Plan, known: Sequence[Generation]) -> None:
    """See that the plan's own generation, or the one that it was planned beside, is live.

    Raises:
        PlanError: another one is; field `moved` has `live`.
    """
    live = known[0]
    if live.name != plan.live and not (live.name == plan.name and live.plan == plan.sha256):
        said = f"{plan.live} was live, and now {live.name} is"
        raise _moved(plan, [("live", said)])


def made_by(sink: Sink, replay_id: str, partitions: Sequence[str]) -> str | None:
    """The codec of the rows in a sink, as its checkpoints have it; of several codecs, all; None: no rows."""
    known = (sink.begin(f"{replay_id}/{name}") for name in partitions)
    return "+".join(sorted({each.fingerprint for each in known if each is not None})) or None


def check_made_by(plan: Plan, found: str | None) -> None:
    """See that the live RAW is what the plan was made beside, by its codec.

    Raises:
        PlanError: it is not, or it is another warehouse; field `moved` has `live`.
    """
    planned = None if plan.codec_before is None else plan.codec_before.fingerprint
    if planned is not None and found != planned:
        raise _moved(plan, [("live", "the live RAW was made by another codec")])


def _moved(plan: Plan, moved: Sequence[tuple[str, str]]) -> PlanError:
    return PlanError(
        f"The plan {plan.name} does not hold any more: {'; '.join(said for _, said in moved)}.",
        hint=_AGAIN,
        moved=sorted({what for what, _ in moved}),
    )


def _log_moved(plan: Plan, log: Log) -> Iterator[str]:
    for part in plan.partitions:
        reader = log.reader(part.partition)
        for number, digest in ((1, part.epoch), (part.upto, part.upto_digest), (part.commit, part.digest)):
            commit = reader.commit(number) if number else None
            if number and (commit is None or commit.sha256 != digest):
                what = "is not there" if commit is None else "is another one"
                yield f"the log moved: commit {number} of {part.partition} {what}"
                break


def _codec_moved(plan: Plan, codec: Codec) -> Iterator[str]:
    if codec.fingerprint == plan.codec.fingerprint:
        return
    types = changed_types(plan.codec.types or {}, codec_types(codec))
    yield f"the codec moved ({_some(types) or 'no type that is known'})"


def _project_moved(plan: Plan, dbt: Dbt) -> Iterator[str]:
    if fingerprint(dbt.project) == plan.project:
        return
    yield f"the dbt project moved ({_changed_models(plan, dbt)})"


def _changed_models(plan: Plan, dbt: Dbt) -> str:
    """Which models a changed file is about; dbt is asked, as it is only for the message."""
    try:
        shadow = shadow_variables(raw_schema_of(dbt), plan.suffix, makes_raw=True)
        dbt.run("parse", environment=shadow, place=shadow_place(plan.name))
        manifest = read_manifest(dbt.work / shadow_place(plan.name))
        now = model_fingerprints(manifest, project=dbt.project, variables=dbt.variables)
    except EventReplayError:
        return "it cannot be parsed any more"
    names = sorted(
        name
        for name in {*now, *plan.models}
        if name not in now or name not in plan.models or plan.models[name].fingerprint != now[name]
    )
    return _some(names) or "files that no model is made of"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_MAX} more" if len(names) > _SHOWN_MAX else ""
    return ", ".join(names[:_SHOWN_MAX]) + more
