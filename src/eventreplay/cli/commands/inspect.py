"""`status` and `plugins`."""

from __future__ import annotations

import typer

from eventreplay.cli.options import AsJson, ConfigFile, LogUrl, ReplayId, SinkUrl, examples


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(
        epilog=examples(
            "eventreplay status --log ./log --sink duckdb:///warehouse.duckdb",
            "eventreplay status --config eventreplay.toml --json",
        )
    )(status)
    app.command(epilog=examples("eventreplay plugins", "eventreplay plugins --json"))(plugins)


def status(
    log: LogUrl = None,
    sink: SinkUrl = None,
    replay_id: ReplayId = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Compare the log's heads with the sink's checkpoints: how many commits and rows it is behind."""
    from eventreplay.cli.jobs import status as job  # noqa: PLC0415 - see the package

    return job.run(log, sink, replay_id, config, as_json=as_json)


def plugins(as_json: AsJson = False) -> int:
    """List the sources, sinks, codecs and schemas that are installed, and where they come from."""
    from eventreplay.cli.jobs import plugins as job  # noqa: PLC0415 - see the package

    return job.run(as_json=as_json)
