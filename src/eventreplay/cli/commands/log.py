"""`log ls|check|gc|cat`: look at a log, prove it, clean it."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.options import MANY_ROWS, AsJson, ConfigFile, LogUrl, Schemas, examples

app = typer.Typer(
    help="Look at a log, prove that it is whole, remove what a crash left behind.", no_args_is_help=True
)


@app.command(
    epilog=examples("eventreplay log ls --log ./log", "eventreplay log ls --log s3://bucket/log --json")
)
def ls(log: LogUrl = None, config: ConfigFile = None, as_json: AsJson = False) -> int:
    """List partitions: commits, rows, bytes, positions, and the hash of each chain."""
    from eventreplay.cli.jobs import log as job  # noqa: PLC0415 - see the package

    return job.ls(log, config, as_json=as_json)


@app.command(
    epilog=examples("eventreplay log check --log ./log", "eventreplay log check --log ./log --json || alert")
)
def check(log: LogUrl = None, config: ConfigFile = None, as_json: AsJson = False) -> int:
    """Recompute every hash; name all that is damaged, missing or foreign; exit code 3 if any."""
    from eventreplay.cli.jobs import log as job  # noqa: PLC0415 - see the package

    return job.check(log, config, as_json=as_json)


@app.command(epilog=examples("eventreplay log gc --log ./log --dry-run", "eventreplay log gc --log ./log"))
def gc(
    log: LogUrl = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed; remove nothing.")
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Remove what no commit will ever name. A writer that is at work is not disturbed."""
    from eventreplay.cli.jobs import log as job  # noqa: PLC0415 - see the package

    return job.gc(log, config, dry_run=dry_run, as_json=as_json)


@app.command(
    epilog=examples(
        "eventreplay log cat journal --log ./log --limit 3",
        "eventreplay log cat journal --log ./log --offset 120000 --limit 1 --schemas sportscards --json",
    )
)
def cat(
    partition: Annotated[
        str, typer.Argument(metavar="PARTITION", help="Which partition; see `eventreplay log ls`.")
    ],
    offset: Annotated[int, typer.Option("--offset", min=0, help="First log_offset to show.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Events to show at most.")] = MANY_ROWS,
    schemas: Schemas = None,
    log: LogUrl = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Show events as they are stored: the envelope, and the payload as hex and, where it decodes, as JSON."""
    from eventreplay.cli.jobs import cat as job  # noqa: PLC0415 - see the package

    return job.run(log, config, partition, offset=offset, limit=limit, schemas=schemas, as_json=as_json)
