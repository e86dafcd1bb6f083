"""`postgres check` and `postgres repair`: whether a journal can be captured, and what came late to it."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.options import AsJson, ConfigFile, LogUrl, PluginOptions, examples

app = typer.Typer(
    help="Look at the journal of a PostgreSQL server; repair late arrivals.", no_args_is_help=True
)


@app.command(
    epilog=examples(
        "eventreplay postgres check public.events",
        "eventreplay postgres check -o host=db.example -o database=shop --json || alert",
    )
)
def check(
    table: Annotated[
        str | None,
        typer.Argument(metavar="[TABLE]", help="Default: the one of the settings.", show_default=False),
    ] = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Say whether the server, the rights, the table and its ids are as a capture needs them."""
    from eventreplay.cli.jobs import ends as job  # noqa: PLC0415 - see the package

    return job.check("source", "postgres", table, option or [], config, as_json=as_json)


@app.command(
    epilog=examples(
        "eventreplay postgres repair 17,19-21 --into journal-late-17",
        "eventreplay postgres repair 17 --of journal --into journal-late-17 -o table=public.events --json",
    )
)
def repair(
    positions: Annotated[
        str, typer.Argument(metavar="POSITIONS", help="As the alarm gave them: 17,19-21.", show_default=False)
    ],
    into: Annotated[
        str, typer.Option("--into", metavar="NAME", help="A new partition for these.", show_default=False)
    ],
    of: Annotated[
        str, typer.Option("--of", metavar="NAME", help="The partition whose capture raised the alarm.")
    ] = "journal",
    log: LogUrl = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Capture events that appeared at positions proven dead, and end the alarm for them."""
    from eventreplay.cli.jobs import repair as job  # noqa: PLC0415 - see the package

    return job.run(positions, into, of, log, option or [], config, as_json=as_json)
