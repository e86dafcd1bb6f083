"""The work of `dbt`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from attrs import frozen

from eventreplay.cli.jobs import assembly
from eventreplay.cli.jobs.rebuild_ends import PATIENCE, Code, bounded, dbt_of
from eventreplay.cli.jobs.receipts import Kept, kept
from eventreplay.cli.progress import progress
from eventreplay.cli.screen import print_json, print_line, print_table
from eventreplay.config import Settings
from eventreplay.errors import TransformError
from eventreplay.rebuild import Dbt, dbt_facts
from eventreplay.rebuild.schemas import live_variables, raw_schema_of
from eventreplay.transform import Node, Transformation, transform

_NOTEWORTHY = frozenset({"error", "fail", "runtime error", "warn", "skipped"})


@frozen(kw_only=True)
class DbtRequest:
    """What was typed."""

    code: Code
    command: str
    select: tuple[str, ...]
    exclude: tuple[str, ...]
    full_refresh: bool
    resume: bool
    keeps_receipt: bool


def run(request: DbtRequest, *, as_json: bool) -> int:
    """Run dbt, and say how its nodes ended."""
    code = request.code
    settings = assembly.settings_of(code.config, log_url=code.log, sink_url=code.sink)
    bounded(code, settings)  # a bound that bounds nothing is refused, as everywhere
    dbt = dbt_of(code, settings)
    done: list[Transformation] = []

    def facts() -> dict[str, Any] | None:
        if not done:
            return None
        return dbt_facts(
            done[-1],
            sink=settings.sink_url,
            command=request.command,
            project=dbt.project,
            work=dbt.work / "live",
            full_refresh=request.full_refresh,
        )

    with _receipt(request, settings, facts) as proof:
        try:
            done.append(PATIENCE.of(lambda: _once(request, dbt)))
        except TransformError as error:
            ended = error.fields.get("transformation")
            if isinstance(ended, Transformation):
                done.append(ended)
            raise
    last = done[-1]
    if as_json:
        print_json({**(facts() or {}), "receipt": proof.number})
        return 0
    _say(request, last)
    return 0


def _once(request: DbtRequest, dbt: Dbt) -> Transformation:
    with progress(f"dbt {request.command}", "nodes") as report:
        return transform(
            dbt.project,
            request.command,
            environment={**dbt.environment, **live_variables(raw_schema_of(dbt))},
            work=dbt.work / "live",
            target=dbt.target,
            select=request.select,
            exclude=request.exclude,
            full_refresh=request.full_refresh,
            threads=dbt.threads,
            resume=request.resume,
            progress=report,
        )


@contextmanager
def _receipt(
    request: DbtRequest, settings: Settings, facts: Callable[[], Mapping[str, object] | None]
) -> Iterator[Kept]:
    """A receipt beside the log, if one is there and it is wanted: dbt itself needs no log."""
    log = assembly.log_of(settings.log_url, request.code.config)
    if not request.keeps_receipt or not log.exists():
        yield Kept()
        return
    with kept(log, "dbt", facts) as proof:
        yield proof


def _say(request: DbtRequest, done: Transformation) -> None:
    shown = [node for node in done.nodes if node.status in _NOTEWORTHY]
    if shown:
        rows = [(node.status, node.kind, node.name, node.relation, _short(node)) for node in shown]
        print_table(
            f"dbt {request.command}: what did not just pass",
            ("status", "kind", "name", "relation", "message"),
            rows,
        )
    counts = Counter(node.status for node in done.nodes)
    told = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items())) or "nothing was run"
    print_line(f"dbt {request.command}: {told}, in {done.seconds:,.1f} s.")


def _short(node: Node) -> str:
    return node.message if len(node.message) <= 200 else f"{node.message[:199]}…"  # noqa: PLR2004 - a line
