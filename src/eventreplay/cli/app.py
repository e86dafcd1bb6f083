"""The application: which commands there are. Their work is imported when one of them runs."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from eventreplay.cli.commands import (
    capture,
    dbt,
    demo,
    doctor,
    gaps,
    inspect,
    live,
    log,
    postgres,
    prove,
    quarantine,
    rabbitmq,
    rebuild,
    receipts,
    replay,
    snowflake,
    verify,
)
from eventreplay.cli.options import examples

app = typer.Typer(
    name="eventreplay",
    help="Capture events into an immutable log of original bytes; replay it into a warehouse, exactly.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "eventreplay demo",
        "eventreplay doctor --config eventreplay.toml",
        "eventreplay capture exports/ --log ./log --partition journal",
        "eventreplay replay --log ./log --sink duckdb:///warehouse.duckdb --schemas sportscards",
        "eventreplay status --log ./log --sink duckdb:///warehouse.duckdb",
    )
    + "\n\nExit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 the log is damaged or an event came "
    "late, 4 another writer was first, 130 or 143 stopped by a signal. EVENTREPLAY_DEBUG=1 shows tracebacks.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"eventreplay {version('eventreplay')}")
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


demo.register(app)
capture.register(app)
replay.register(app)
verify.register(app)
prove.register(app)
live.register(app)
dbt.register(app)
app.add_typer(rebuild.app, name="rebuild")
app.add_typer(log.app, name="log")
app.add_typer(gaps.app, name="gaps")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(receipts.app, name="receipts")
app.add_typer(postgres.app, name="postgres")
rabbitmq.register(app)
app.add_typer(snowflake.app, name="snowflake")
inspect.register(app)
doctor.register(app)
