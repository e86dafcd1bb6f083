"""The work of `prove`: what was asked for as a range, a codec and options; what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay.assembly import limits_of, schemas_named
from eventreplay.cli.jobs import assembly
from eventreplay.cli.jobs.receipts import kept
from eventreplay.cli.progress import StderrScreen
from eventreplay.cli.screen import print_json, print_line, print_table
from eventreplay.errors import ConfigError
from eventreplay.prove import CodecName, Difference, Proof, ProveOptions, prove, ranges_of
from eventreplay.prove.combinations import WHAT
from eventreplay.transform import project_folder

DIFFERS = 1
"""Exit code when two runs are not equal."""
_PACKAGED = "sportscards"
"""Schemas that the packaged dbt project is made for."""


@frozen(kw_only=True)
class ProveRequest:
    """What was typed; None: the settings decide, or all."""

    log: str | None
    schemas: str | None
    codec: str | None
    partitions: tuple[str, ...] | None
    first: int | None
    upto: int | None
    events: int | None
    runs: int
    seed: int | None
    pythons: tuple[str, ...]
    project: Path | None
    no_dbt: bool
    select: tuple[str, ...]
    ignored: tuple[str, ...]
    limit_rows: int
    finds_causes: bool
    kept: Path | None
    keeps_receipt: bool
    config: Path | None


def run(request: ProveRequest, *, as_json: bool) -> int:
    """Prove, and say what differs."""
    settings = assembly.settings_of(request.config, log_url=request.log)
    name = _codec_name(request)
    codec = CodecName(name=name, limits=limits_of(settings))
    # Before anything is started; a name that is none is told at once.
    codec.make()
    log = assembly.existing_log(settings.log_url, request.config)
    ranges = ranges_of(
        log, partitions=request.partitions, first=request.first, upto=request.upto, events_max=request.events
    )
    options = ProveOptions(
        runs=request.runs,
        seed=request.seed,
        project=_project(request, name),
        select=request.select,
        pythons=request.pythons,
        ignored=request.ignored,
        named_max=request.limit_rows,
        finds_causes=request.finds_causes,
        kept=request.kept,
    )
    found: list[Proof] = []

    def facts() -> dict[str, Any] | None:
        if not found or not request.keeps_receipt:
            return None
        asked = {"select": list(request.select), "ignored": list(request.ignored)}
        return {**found[0].to_json(with_values=False), "settings": asked}

    with kept(log, "prove", facts) as receipt:
        found.append(prove(log, codec, ranges, options=options, step=StderrScreen().step))
    proof = found[0]
    if as_json:
        print_json({**proof.to_json(), "folder": proof.folder, "receipt": receipt.number})
    else:
        _say(proof)
    return 0 if proof.ok else DIFFERS


def _codec_name(request: ProveRequest) -> str:
    if request.codec is None:
        return schemas_named(request.schemas)
    if request.schemas is not None:
        raise ConfigError("--codec and --schemas both name a codec.", hint="Leave one of them away.")
    if ":" not in request.codec:
        raise ConfigError(
            f"{request.codec[:80]!r} is no place of a codec.",
            hint="Write --codec package.module:attribute; installed schemas are named by --schemas.",
        )
    return request.codec


def _project(request: ProveRequest, codec: str) -> Path | None:
    if request.no_dbt:
        if request.project or request.select or request.ignored:
            raise ConfigError(
                "--no-dbt builds no models.", hint="Leave it away, or --project, --select and --ignore."
            )
        return None
    if request.project is not None:
        return request.project
    if codec == _PACKAGED:
        return project_folder()
    if request.select or request.ignored:
        raise ConfigError(
            "There is no dbt project whose models could be meant.", hint="Give one with --project."
        )
    return None


def _say(proof: Proof) -> None:
    columns = ("", *(f"run {run.number}" for run in proof.runs))
    rows = [
        (words, *(str(run.how.to_json()[name]) for run in proof.runs))
        for name, words in WHAT.items()
        if name in proof.varied
    ]
    print_table(f"Varied over {len(proof.runs)} runs, seed {proof.seed}", columns, rows)
    for name, why in proof.constant.items():
        print_line(f"Not varied: {WHAT[name]}: {why}.", style="yellow")
    tables = proof.runs[0].outputs
    skipped = {column for names in proof.skipped.values() for column in names}
    for one in proof.differences:
        _say_difference(one)
    for model, words in proof.asking.items():
        print_line(f"Not proven: {model} is equal in all runs, but asks {', '.join(words)}.", style="yellow")
    where = ", ".join(
        f"{part.partition} {part.after_commit + 1} to {part.upto_commit}" for part in proof.ranges
    )
    if proof.folder is not None:
        print_line(f"Everything lies in {proof.folder}.", style="dim")
    if proof.ok:
        print_line(
            f"Equal: {proof.rows:,} records (commits {where}), {len(tables):,} tables, every row and column"
            f" but {', '.join(sorted(skipped))}.",
            style="green",
        )
        return
    names = ", ".join(one.table for one in proof.differences)
    print_line(f"Not equal: {names} (commits {where}).", style="bold red")


def _say_difference(one: Difference) -> None:
    kind = "" if one.begins is None else ", begins here" if one.begins else ", a parent differs"
    title = f"{one.table}{kind}: {one.found.rows:,} rows differ in {', '.join(one.found.columns)}"
    rows = [
        (
            ", ".join(f"{name}={value}" for name, value in named.key.items()) or None,
            named.column,
            *named.values,
        )
        for named in one.found.named
    ]
    print_table(title, ("row", "column", *(f"run {number}" for number in one.runs)), rows)
    if one.causes:
        print_line(f"It depends on: {', '.join(one.causes)}.")
