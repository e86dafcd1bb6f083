"""`doctor`: what is reachable, with which rights, and what is missing."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.durations import seconds
from eventreplay.cli.options import AsJson, ConfigFile, LogUrl, SinkUrl, examples

_Ends = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[END]...",
        help="`log`, or a source or sink: NAME, NAME:PLACE or NAME://PLACE. Default: the log, the sink, and "
        "every end that has a section or variables.",
        show_default=False,
    ),
]
_Within = Annotated[
    float | None,
    typer.Option(
        "--within",
        metavar="DURATION",
        parser=seconds,
        help="How long an end may take to answer; default: 30s.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            "eventreplay doctor",
            "eventreplay doctor --config eventreplay.toml --json",
            "eventreplay doctor postgres:public.events rabbitmq:orders --within 10s",
            "eventreplay doctor log --log s3://bucket/log",
        )
    )(doctor)


def doctor(
    ends: _Ends = None,
    log: LogUrl = None,
    sink: SinkUrl = None,
    within_s: _Within = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Look at every configured end: is it there, may we use it, what is missing, and what grants it.

    Nothing is changed but a small file that is written into the log's place and removed again. No secret is
    printed. Exit codes: 0 everything required is there; 1 something is not; 2 wrong usage or settings.
    """
    from eventreplay.cli.jobs import doctor as job  # noqa: PLC0415 - see the package

    return job.run(ends or [], log, sink, config, within_s=within_s, as_json=as_json)
