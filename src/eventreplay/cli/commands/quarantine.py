"""`quarantine ls|show`: what could not go on, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.options import AsJson, ConfigFile, Warehouse, examples

app = typer.Typer(help="Look at what could not go on: counts, reasons, original bytes.", no_args_is_help=True)


@app.command(
    epilog=examples(
        "eventreplay quarantine ls --warehouse warehouse.duckdb",
        "eventreplay quarantine ls --warehouse warehouse.duckdb --json",
    )
)
def ls(warehouse: Warehouse = None, config: ConfigFile = None, as_json: AsJson = False) -> int:
    """Count quarantined records by stage, error code and event type."""
    from eventreplay.cli.jobs import quarantine as job  # noqa: PLC0415 - see the package

    return job.ls(warehouse, config, as_json=as_json)


@app.command(
    epilog=examples(
        "eventreplay quarantine show --warehouse warehouse.duckdb --code decimal_malformed --limit 5",
        "eventreplay quarantine show --warehouse warehouse.duckdb --stage capture --json",
    )
)
def show(
    warehouse: Warehouse = None,
    stage: Annotated[
        str | None,
        typer.Option("--stage", metavar="STAGE", help="capture, decode or staging.", show_default=False),
    ] = None,
    code: Annotated[
        str | None, typer.Option("--code", metavar="CODE", help="Only this error code.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Records to show at most.")] = 20,
    skip: Annotated[int, typer.Option("--skip", min=0, help="Records to pass over first.")] = 0,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Show quarantined records: where they stand, what is wrong, and their original bytes as hex."""
    from eventreplay.cli.jobs import quarantine as job  # noqa: PLC0415 - see the package

    wanted = job.Wanted(stage=stage, code=code, limit_rows=limit, skip_rows=skip)
    return job.show(warehouse, config, wanted, as_json=as_json)
