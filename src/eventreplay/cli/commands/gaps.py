"""`gaps ls|repair`: positions of a journal that never held an event, and those that did after all."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.options import (
    MANY_ROWS,
    AsJson,
    ConfigFile,
    LogUrl,
    PluginOptions,
    ReplayId,
    Schemas,
    SinkUrl,
    examples,
    optional,
)

app = typer.Typer(help="Look at the ledger of dead positions; bring in what came late.", no_args_is_help=True)


@app.command(
    epilog=examples(
        "eventreplay gaps ls --log ./log",
        "eventreplay gaps ls --log ./log --partition journal --open --json",
    )
)
def ls(
    log: LogUrl = None,
    partition: Annotated[
        str | None, optional("--partition", metavar="NAME", help="Only of this partition.")
    ] = None,
    only_open: Annotated[
        bool, typer.Option("--open", help="Only positions that nothing came late to.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Holes to show of each partition, the highest.")
    ] = MANY_ROWS,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """List the positions taken for dead: since when they were held, for how long, and on what evidence."""
    from eventreplay.cli.jobs import gaps as job  # noqa: PLC0415 - see the package

    return job.ls(log, config, partition=partition, only_open=only_open, limit=limit, as_json=as_json)


@app.command(
    epilog=examples(
        "eventreplay gaps repair --of journal --source postgres:public.events",
        "eventreplay gaps repair 17,19-21 --of journal --replay --sink duckdb:///warehouse.duckdb --json",
    )
)
def repair(
    positions: Annotated[
        str | None,
        typer.Argument(
            metavar="[POSITIONS]",
            help="As the alarm gave them: 17,19-21; default: the source is asked what came late.",
            show_default=False,
        ),
    ] = None,
    of: Annotated[
        str, typer.Option("--of", metavar="NAME", help="The partition whose capture raised the alarm.")
    ] = "journal",
    into: Annotated[
        str | None, optional("--into", metavar="NAME", help="A new partition; default: NAME-late-POSITION.")
    ] = None,
    source: Annotated[
        str, typer.Option("--source", metavar="SOURCE", help="The journal that it was captured from.")
    ] = "postgres",
    log: LogUrl = None,
    replay: Annotated[bool, typer.Option("--replay", help="Also load what was captured.")] = False,
    sink: SinkUrl = None,
    replay_id: ReplayId = None,
    schemas: Schemas = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Capture events that appeared at positions proven dead, exactly those, and end the alarm for them."""
    from eventreplay.cli.jobs import gaps as job  # noqa: PLC0415 - see the package

    request = job.RepairRequest(
        positions=positions,
        of=of,
        into=into,
        source=source,
        options=tuple(option or ()),
        log=log,
        replays=replay,
        sink=sink,
        replay_id=replay_id,
        schemas=schemas,
        config=config,
    )
    return job.repair(request, as_json=as_json)
