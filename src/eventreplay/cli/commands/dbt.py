"""`dbt`."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.code_options import Memory, NoReceipt, Project, Target, Threads, Work
from eventreplay.cli.options import AsJson, ConfigFile, LogUrl, PluginOptions, SinkUrl, examples, optional

_NODES = "Which nodes"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            "eventreplay dbt build --log ./log --sink duckdb:///warehouse.duckdb",
            "eventreplay dbt build --full-refresh --select fct_orders+ --project ./dbt",
            "eventreplay dbt source freshness --config eventreplay.toml --json",
        )
    )(dbt)


def dbt(
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND...", help="dbt's: build, test, source freshness, ...")
    ],
    select: Annotated[
        list[str] | None,
        optional("--select", _NODES, metavar="NODES", help="Only these, in dbt's syntax; repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        optional("--exclude", _NODES, metavar="NODES", help="All but these; repeatable."),
    ] = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Make incremental models anew from all of RAW.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Only what failed or was skipped when this ran last.")
    ] = False,
    log: LogUrl = None,
    sink: SinkUrl = None,
    project: Project = None,
    target: Target = None,
    threads: Threads = None,
    memory: Memory = None,
    work: Work = None,
    no_receipt: NoReceipt = False,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Run a command of dbt over the sink: RAW to STAGING and MART.

    The receipt says by which version of its code each model was made: a later `rebuild plan` finds it there.
    """
    from eventreplay.cli.jobs import dbt as job  # noqa: PLC0415 - see the package
    from eventreplay.cli.jobs.rebuild_ends import Code  # noqa: PLC0415

    code = Code(
        log=log,
        sink=sink,
        options=tuple(option or ()),
        project=project,
        target=target,
        threads=threads,
        work=work,
        memory_mb=memory,
        config=config,
    )
    request = job.DbtRequest(
        code=code,
        command=" ".join(command),
        select=tuple(select or ()),
        exclude=tuple(exclude or ()),
        full_refresh=full_refresh,
        resume=resume,
        keeps_receipt=not no_receipt,
    )
    return job.run(request, as_json=as_json)
