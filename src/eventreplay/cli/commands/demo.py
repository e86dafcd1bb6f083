"""`demo`: the whole way on one machine, from made events to a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eventreplay.cli.options import AsJson, examples


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            "eventreplay demo",
            "eventreplay demo --dir ./demo-run --events 1000000 --seed 42 --workers 2",
            "eventreplay demo --catalog card-lists/ --fresh --json",
        )
    )(demo)


def demo(
    folder: Annotated[
        Path,
        typer.Option("--dir", metavar="FOLDER", help="Where everything goes; a second run continues there."),
    ] = Path("demo-run"),
    events: Annotated[int, typer.Option("--events", min=1, help="Events to make.")] = 200_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Equal seeds make equal events.")] = 7,
    batch_rows: Annotated[
        int, typer.Option("--batch-rows", min=1, help="Rows decoded at a time; no influence on the result.")
    ] = 65_536,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Work done side by side; likewise.")] = 1,
    catalog: Annotated[
        Path | None,
        typer.Option(
            "--catalog",
            metavar="FOLDER",
            help="Card lists (JSON) to use instead of made ones.",
            show_default=False,
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Remove what an earlier demo left in the folder first.")
    ] = False,
    open_report: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the report in a browser when it is done.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Make a sports-card company's events, capture, replay, transform and prove them; write a report."""
    from eventreplay.cli.jobs import demo as job  # noqa: PLC0415 - see the package

    options = job.DemoOptions(
        folder=folder,
        events=events,
        seed=seed,
        catalog=catalog,
        batch_rows=batch_rows,
        workers=workers,
        fresh=fresh,
    )
    return job.run(options, open_report=open_report, as_json=as_json)
