"""`verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.options import (
    MANY_ROWS,
    AsJson,
    ConfigFile,
    LogUrl,
    PluginOptions,
    ReplayId,
    Schemas,
    SinkUrl,
    examples,
)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            "eventreplay verify --log ./log --sink duckdb:///warehouse.duckdb",
            "eventreplay verify --log ./log --sink duckdb:///warehouse.duckdb --deep --schemas sportscards",
            "eventreplay verify --log s3://bucket/log --sink snowflake://ANALYTICS --partition journal",
            "eventreplay verify --config eventreplay.toml --json || alert",
        )
    )(verify)


def verify(
    log: LogUrl = None,
    sink: SinkUrl = None,
    replay_id: ReplayId = None,
    partition: Annotated[
        list[str] | None,
        typer.Option(
            "--partition",
            metavar="NAME",
            help="Only this partition; may be given several times. Default: all, and nothing beside them.",
            show_default=False,
        ),
    ] = None,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="Read, hash and decode the log again, and compare every column of every row."
        ),
    ] = False,
    schemas: Schemas = None,
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="Rows to name of each kind; the counts are exact.")
    ] = MANY_ROWS,
    option: PluginOptions = None,
    no_receipt: Annotated[
        bool, typer.Option("--no-receipt", help="Keep none: nothing is written beside the log.")
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Compare RAW with the log: by counts and sums in the warehouse, and by row where they differ.

    What is not loaded yet is behind, not missing; a load may go on meanwhile. Without --deep an altered
    payload, or another column that no hash covers, is not seen.

    Exit codes: 0 equal; 1 something differs, or the comparison failed; 2 wrong usage or settings; 3 the log
    is damaged, so nothing can be compared with it.
    """
    from eventreplay.cli.jobs import verify as job  # noqa: PLC0415 - see the package

    request = job.VerifyRequest(
        log=log,
        sink=sink,
        replay_id=replay_id,
        partitions=tuple(partition) if partition else None,
        deep=deep,
        schemas=schemas,
        limit_rows=limit,
        options=tuple(option or ()),
        keeps_receipt=not no_receipt,
        config=config,
    )
    return job.run(request, as_json=as_json)
