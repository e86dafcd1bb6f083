"""`postgres check`: whether a journal can be captured as it is."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.options import AsJson, ConfigFile, PluginOptions, examples

app = typer.Typer(help="Look at the journal of a PostgreSQL server.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """One command today; without this it would not need its name."""


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
