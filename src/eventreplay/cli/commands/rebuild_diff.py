"""`rebuild diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eventreplay.cli.options import AsJson, ConfigFile, LogUrl, PluginOptions, SinkUrl, examples


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        name="diff",
        epilog=examples(
            "eventreplay rebuild diff g1.plan.json",
            "eventreplay rebuild diff g1.plan.json --model fct_orders --samples 20",
            "eventreplay rebuild diff g1.plan.json --page diff.html --samples 0",
            "eventreplay rebuild diff g1.plan.json --json || ask-somebody",
        ),
    )(diff)


def diff(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The file that `rebuild plan` wrote.")],
    log: LogUrl = None,
    sink: SinkUrl = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Only this model and what it is made of; may be given several times. Default: all.",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option("--samples", min=0, help="Rows to show of each kind and table; 0: no value is shown."),
    ] = 5,
    page: Annotated[
        Path | None,
        typer.Option(
            "--page", metavar="FILE", help="Write a page with plots, too: one HTML file.", show_default=False
        ),
    ] = None,
    no_receipt: Annotated[
        bool, typer.Option("--no-receipt", help="Keep none: nothing is written beside the log.")
    ] = False,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Show what a generation would change, row by row and figure by figure, and why. No table is changed.

    Rows are compared inside the warehouse, exactly. A change is explained if the codec of its event type, the
    model or something above it is made otherwise than what is live; else it is unexplained.

    Exit codes: 0 nothing is unexplained; 1 something is, or the comparison failed; 2 wrong usage or settings.
    """
    from eventreplay.cli.jobs import rebuild_diff as job  # noqa: PLC0415 - see the package

    request = job.DiffRequest(
        plan=plan,
        log=log,
        sink=sink,
        models=tuple(model) if model else None,
        samples=samples,
        page=page,
        keeps_receipt=not no_receipt,
        options=tuple(option or ()),
        config=config,
    )
    return job.run(request, as_json=as_json)
