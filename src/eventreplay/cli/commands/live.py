"""`live`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eventreplay.cli.options import (
    AcceptCodecChange,
    AsJson,
    ConfigFile,
    LogUrl,
    PluginOptions,
    ReplayId,
    Schemas,
    SinkUrl,
    duration,
    examples,
    optional,
)

_CAPTURE = "Capture"
_LOAD = "Load"

_Source = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A queue, as NAME:PLACE or NAME; or a source that is read.")
]
_Partition = Annotated[
    str | None,
    optional(
        "--partition",
        _CAPTURE,
        metavar="NAME",
        help="The log partition; default: live-0, live-1, ... for a queue.",
    ),
]
_Consumers = Annotated[
    int | None,
    optional(
        "--consumers",
        _CAPTURE,
        min=1,
        max=64,
        help="So many connections, into the partitions NAME-0, NAME-1, ...; default: one.",
    ),
]
_Journal = Annotated[
    str | None,
    optional(
        "--journal",
        _CAPTURE,
        metavar="SOURCE",
        help="A journal to follow beside it, e.g. postgres:public.events.",
    ),
]
_JournalPartition = Annotated[
    str | None,
    optional("--journal-partition", _CAPTURE, metavar="NAME", help="Its log partition; default: journal."),
]
_Age = Annotated[
    float | None,
    duration("--age", "Commit what has been held for so long; default: 1s.", _CAPTURE),
]
_Rows = Annotated[
    int | None,
    optional("--rows", _CAPTURE, min=1, help="Commit after so many events; default: 65536."),
]
_LoadEvery = Annotated[
    float | None,
    duration(
        "--load-every",
        "Load at most so often; default: 1s, or 60s where transactions are dear (Snowflake).",
        _LOAD,
    ),
]
_LoadRows = Annotated[
    int | None,
    optional(
        "--load-rows",
        _LOAD,
        min=1,
        help="Load earlier if so many rows wait; default: as the sink prefers, else 65536.",
    ),
]
_Poll = Annotated[
    float | None,
    duration("--poll", "How often to look for commits of other processes; default: 5s.", _LOAD),
]
_Release = Annotated[
    bool | None,
    optional(
        "--release/--hold",
        _LOAD,
        help="Close the sink between loads; default: if nobody else can read it meanwhile (DuckDB).",
    ),
]
_For = Annotated[
    float | None,
    duration("--for", "End by itself after so long."),
]
_Finish = Annotated[
    float | None,
    duration("--finish", "How long the end may take: commit, settle, load; default: 60s."),
]
_StatusFile = Annotated[
    Path | None,
    optional(
        "--status-file", metavar="PATH", help="Write the state of all parts there, as JSON, every second."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            "eventreplay live rabbitmq:orders --log ./log --sink duckdb:///warehouse.duckdb",
            "eventreplay live rabbitmq:orders --consumers 2 --sink snowflake://ANALYTICS --load-every 30s",
            "eventreplay live rabbitmq:orders --journal postgres:public.events --status-file live.json",
        )
    )(live)


def live(
    source: _Source,
    log: LogUrl = None,
    sink: SinkUrl = None,
    partition: _Partition = None,
    consumers: _Consumers = None,
    option: PluginOptions = None,
    journal: _Journal = None,
    journal_partition: _JournalPartition = None,
    schemas: Schemas = None,
    replay_id: ReplayId = None,
    age_s: _Age = None,
    rows: _Rows = None,
    load_every_s: _LoadEvery = None,
    load_rows: _LoadRows = None,
    poll_s: _Poll = None,
    release: _Release = None,
    accept_codec_change: AcceptCodecChange = False,
    for_s: _For = None,
    finish_s: _Finish = None,
    status_file: _StatusFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Capture a queue and load it into the warehouse as it comes, in one process, until it is told to end.

    A broker or a warehouse that is away is waited for, and the other side goes on meanwhile. SIGTERM and
    Ctrl-C end it in good order: what is held is committed and settled, what is committed is loaded.

    Exit codes: 0 ended by a signal or --for; 1 failed; 2 wrong usage or settings; 3 the log is damaged, or
    an event came late; 4 another writer took a partition over.
    """
    from eventreplay.cli.jobs import live as job  # noqa: PLC0415 - see the package

    request = job.LiveRequest(
        source=source,
        log=log,
        sink=sink,
        partition=partition,
        consumers=consumers,
        options=tuple(option or ()),
        journal=journal,
        journal_partition=journal_partition,
        schemas=schemas,
        replay_id=replay_id,
        age_s=age_s,
        rows=rows,
        load_every_s=load_every_s,
        load_rows=load_rows,
        poll_s=poll_s,
        finish_s=finish_s,
        for_s=for_s,
        release=release,
        accept_codec_change=accept_codec_change,
        status_file=status_file,
        config=config,
    )
    return job.run(request, as_json=as_json)
