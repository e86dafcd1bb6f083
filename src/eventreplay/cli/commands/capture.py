"""`capture`."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.options import (
    AsJson,
    ConfigFile,
    LogUrl,
    PluginOptions,
    Workers,
    duration,
    examples,
    optional,
)

_JOURNALS = "Sources that are read by position"
_QUEUES = "Queues"

_Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE", help="A path, NAME:PLACE or the NAME of a source; see `eventreplay plugins`."
    ),
]
_Partition = Annotated[
    str | None,
    typer.Option("--partition", metavar="NAME", help="The log partition of this source.", show_default=False),
]
_First = Annotated[
    int | None,
    optional(
        "--from",
        _JOURNALS,
        min=0,
        metavar="POSITION",
        help="First position to take, where nothing before it was captured; default: the beginning.",
    ),
]
_Upto = Annotated[
    int | None,
    optional(
        "--upto",
        _JOURNALS,
        min=0,
        metavar="POSITION",
        help="Last position to take; default: the source's safe head.",
    ),
]
_Follow = Annotated[
    bool,
    typer.Option(
        "--follow", help="Go on as a service; SIGTERM or Ctrl-C ends it in good order, with the receipt."
    ),
]
_For = Annotated[float | None, duration("--for", "End after so long, at a commit: 500ms, 30s, 10m, 2h.")]
_UntilIdle = Annotated[
    float | None,
    duration(
        "--until-idle",
        "End when nothing came for so long; default: 2s, unless --for or --follow is given.",
        _QUEUES,
    ),
]
_Age = Annotated[
    float | None, duration("--age", "Commit what has been held for so long; default: 5s.", _QUEUES)
]
_Rows = Annotated[
    int | None, optional("--rows", _QUEUES, min=1, help="Commit after so many events; default: 65536.")
]
_Consumers = Annotated[
    int | None,
    optional(
        "--consumers",
        _QUEUES,
        min=1,
        max=64,
        help="So many connections, into the partitions NAME-0, NAME-1, ...; default: one.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            "eventreplay capture exports/orders.jsonl --log ./log --partition journal",
            "eventreplay capture files:exports/ --log s3://bucket/log --partition journal --workers 2",
            "eventreplay capture postgres --log ./log --from 0 --upto 999999 --json",
            "eventreplay capture postgres:public.events --partition journal --follow",
            "eventreplay capture rabbitmq:orders --follow --consumers 2 --age 10s",
            "eventreplay capture rabbitmq:orders --for 10m --json",
        )
    )(capture)


def capture(
    source: _Source,
    log: LogUrl = None,
    partition: _Partition = None,
    option: PluginOptions = None,
    first: _First = None,
    upto: _Upto = None,
    follow: _Follow = False,
    for_s: _For = None,
    until_idle_s: _UntilIdle = None,
    age_s: _Age = None,
    rows: _Rows = None,
    consumers: _Consumers = None,
    workers: Workers = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Bring a source's events into a partition of the log; goes on where the last run stopped.

    Settings of the source stand in its section of the settings file, in variables
    EVENTREPLAY_<SOURCE>_<FIELD>, or in -o NAME=VALUE. A queue without --partition goes to live-0.

    Exit codes: 0 done, or a service was ended by a signal; 1 failed; 2 wrong usage or settings; 3 the log
    is damaged, or an event came late; 4 another writer was first; 130 or 143 Ctrl-C or SIGTERM ended it
    before it was done.
    """
    from eventreplay.cli.jobs import capture as job  # noqa: PLC0415 - see the package

    request = job.CaptureRequest(
        source=source,
        log=log,
        partition=partition,
        options=tuple(option or ()),
        first=first,
        upto=upto,
        follow=follow,
        for_s=for_s,
        until_idle_s=until_idle_s,
        age_s=age_s,
        rows=rows,
        consumers=consumers,
        workers=workers,
        config=config,
    )
    return job.run(request, as_json=as_json)
