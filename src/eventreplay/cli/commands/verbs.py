"""`capture` and `replay`."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.options import AsJson, ConfigFile, LogUrl, ReplayId, Schemas, SinkUrl, Workers, examples

_OPTION_HELP = "An option of the plugin, as NAME=VALUE; may be given several times."


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(
        epilog=examples(
            "eventreplay capture exports/orders.jsonl --log ./log --partition journal",
            "eventreplay capture files:exports/ --log s3://bucket/log --partition journal --workers 2",
            "eventreplay capture exports/ --log ./log --partition journal --upto 999999 --json",
        )
    )(capture)
    app.command(
        epilog=examples(
            "eventreplay replay --log ./log --sink duckdb:///warehouse.duckdb --schemas sportscards",
            "eventreplay replay --replay-id v2 --sink duckdb:///v2.duckdb --workers 2",
            "eventreplay replay --config eventreplay.toml --json",
        )
    )(replay)


def capture(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A path, NAME:PLACE or the NAME of a source; see `eventreplay plugins`."
        ),
    ],
    log: LogUrl = None,
    partition: Annotated[
        str | None,
        typer.Option(
            "--partition", metavar="NAME", help="The log partition of this source.", show_default=False
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="NAME=VALUE", help=_OPTION_HELP, show_default=False),
    ] = None,
    upto: Annotated[
        int | None,
        typer.Option(
            "--upto",
            min=0,
            help="Last position to take; default: the source's safe head.",
            show_default=False,
        ),
    ] = None,
    workers: Workers = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Bring a source's events into a partition of the log; goes on where the last run stopped."""
    from eventreplay.cli.jobs import capture as job  # noqa: PLC0415 - see the package

    request = job.CaptureRequest(
        source=source,
        log=log,
        partition=partition,
        options=tuple(option or ()),
        upto=upto,
        workers=workers,
        config=config,
    )
    return job.run(request, as_json=as_json)


def replay(
    log: LogUrl = None,
    sink: SinkUrl = None,
    replay_id: ReplayId = None,
    schemas: Schemas = None,
    workers: Workers = None,
    accept_codec_change: Annotated[
        bool,
        typer.Option(
            "--accept-codec-change", help="Go on although another codec made the rows that are there."
        ),
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Load everything the log holds and the sink does not: decoded rows, and what could not be decoded."""
    from eventreplay.cli.jobs import replay as job  # noqa: PLC0415 - see the package

    request = job.ReplayRequest(
        log=log,
        sink=sink,
        replay_id=replay_id,
        schemas=schemas,
        workers=workers,
        accept_codec_change=accept_codec_change,
        config=config,
    )
    return job.run(request, as_json=as_json)
