"""`replay`."""

from __future__ import annotations

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
    Workers,
    examples,
)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            "eventreplay replay --log ./log --sink duckdb:///warehouse.duckdb --schemas sportscards",
            "eventreplay replay --replay-id v2 --sink duckdb:///v2.duckdb --workers 2",
            "eventreplay replay --log s3://bucket/log --sink snowflake://ANALYTICS --schemas sportscards",
            "eventreplay replay --config eventreplay.toml --json",
        )
    )(replay)


def replay(
    log: LogUrl = None,
    sink: SinkUrl = None,
    replay_id: ReplayId = None,
    schemas: Schemas = None,
    option: PluginOptions = None,
    workers: Workers = None,
    accept_codec_change: AcceptCodecChange = False,
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
        options=tuple(option or ()),
        workers=workers,
        accept_codec_change=accept_codec_change,
        config=config,
    )
    return job.run(request, as_json=as_json)
