"""`rebuild plan|run|promote`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eventreplay.cli.code_options import Memory, Project, Target, Threads, Work
from eventreplay.cli.options import (
    AsJson,
    ConfigFile,
    LogUrl,
    PluginOptions,
    ReplayId,
    Schemas,
    SinkUrl,
    Workers,
    duration,
    examples,
    optional,
)

_ROWS = "Which part of the log"
PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="The plan's file; see `rebuild plan`.")]
Moments = Annotated[
    list[str] | None,
    optional(
        "--until",
        _ROWS,
        metavar="MOMENT|PARTITION=COMMIT",
        help="As of this moment, or up to this commit of a partition; may be given several times.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(
        epilog=examples(
            "eventreplay rebuild plan g1 --log ./log --sink duckdb:///warehouse.duckdb --schemas sportscards",
            "eventreplay rebuild plan g2 --project ./dbt --out g2.plan.json --json",
            "eventreplay rebuild plan look --type sportscards.orders.v2.OrderPlaced --since 2026-01-01T00Z",
            "eventreplay rebuild plan then --until journal=120 --until 2026-01-31T23:59:59Z",
        )
    )(plan)
    app.command(
        epilog=examples(
            "eventreplay rebuild run g1.plan.json",
            "eventreplay rebuild run g1.plan.json --workers 2 --memory 1024 --threads 2 --json",
        )
    )(run)
    app.command(
        epilog=examples(
            "eventreplay rebuild promote g1.plan.json",
            "eventreplay rebuild promote g1 --keep 2d --no-dbt --sink snowflake://ANALYTICS",
        )
    )(promote)


def plan(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Of the generation: lower-case letters and digits, at most 16."),
    ],
    log: LogUrl = None,
    sink: SinkUrl = None,
    replay_id: ReplayId = None,
    schemas: Schemas = None,
    since: Annotated[
        str | None,
        optional("--since", _ROWS, metavar="MOMENT", help="Only what was recorded then or later (partial)."),
    ] = None,
    until: Moments = None,
    event_type: Annotated[
        list[str] | None,
        optional("--type", _ROWS, metavar="TYPE", help="Only this event type (partial); repeatable."),
    ] = None,
    stream: Annotated[
        list[str] | None,
        optional("--stream", _ROWS, metavar="ID", help="Only this stream (partial); repeatable."),
    ] = None,
    source: Annotated[
        list[str] | None,
        optional("--source", _ROWS, metavar="NAME", help="Only this producer (partial); repeatable."),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Load RAW again although the codec is the same.")
    ] = False,
    out: Annotated[
        Path | None,
        optional("--out", metavar="FILE", help="Where the plan is written; default: NAME.plan.json."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a plan that is there.")] = False,
    project: Project = None,
    target: Target = None,
    work: Work = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Say what a rebuild would do, and for how long; a file to be reviewed, that the later steps keep to."""
    from eventreplay.cli.jobs import rebuild_ends, rebuild_steps  # noqa: PLC0415 - see the package

    code = rebuild_ends.Code(
        log=log,
        sink=sink,
        replay_id=replay_id,
        schemas=schemas,
        options=tuple(option or ()),
        project=project,
        target=target,
        work=work,
        config=config,
    )
    request = rebuild_steps.PlanRequest(
        code=code,
        name=name,
        since=since,
        until=tuple(until or ()),
        types=tuple(event_type or ()),
        streams=tuple(stream or ()),
        sources=tuple(source or ()),
        raw=raw,
        out=out,
        replace=replace,
    )
    return rebuild_steps.plan(request, as_json=as_json)


def run(
    plan: PlanFile,
    log: LogUrl = None,
    sink: SinkUrl = None,
    workers: Workers = None,
    memory: Memory = None,
    project: Project = None,
    target: Target = None,
    threads: Threads = None,
    work: Work = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Build the planned generation beside the live one and catch up with the log; live loads go on.

    Begun again after any end, it goes on where it stood.
    """
    from eventreplay.cli.jobs import rebuild_ends, rebuild_steps  # noqa: PLC0415 - see the package

    code = rebuild_ends.Code(
        log=log,
        sink=sink,
        options=tuple(option or ()),
        project=project,
        target=target,
        threads=threads,
        work=work,
        workers=workers,
        memory_mb=memory,
        config=config,
    )
    return rebuild_steps.run(code, plan, as_json=as_json)


def promote(
    plan: Annotated[
        str, typer.Argument(metavar="PLAN|NAME", help="The plan's file, or a generation's name.")
    ],
    keep: Annotated[
        float | None, duration("--keep", "How long what was live is kept at least; default: 7d.")
    ] = None,
    no_dbt: Annotated[
        bool, typer.Option("--no-dbt", help="Leave the next run of dbt to whoever schedules it.")
    ] = False,
    log: LogUrl = None,
    sink: SinkUrl = None,
    schemas: Schemas = None,
    workers: Workers = None,
    project: Project = None,
    target: Target = None,
    threads: Threads = None,
    work: Work = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Make a generation live that is ready: it catches up, and the two change places in one step.

    One that was broken off is finished by the same command, or undone by `rebuild rollback`.
    """
    from eventreplay.cli.jobs import rebuild_ends, rebuild_steps  # noqa: PLC0415 - see the package

    code = rebuild_ends.Code(
        log=log,
        sink=sink,
        schemas=schemas,
        options=tuple(option or ()),
        project=project,
        target=target,
        threads=threads,
        work=work,
        workers=workers,
        config=config,
    )
    return rebuild_steps.promote(code, plan, keep_s=keep, builds=not no_dbt, as_json=as_json)
