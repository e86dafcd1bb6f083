"""`receipts ls|show|again`: what runs did, as they wrote it down beside the log."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.options import (
    MANY_ROWS,
    AsJson,
    ConfigFile,
    LogUrl,
    PluginOptions,
    Schemas,
    SinkUrl,
    Workers,
    examples,
)

app = typer.Typer(
    help="Look at what runs read, by which code, and what came out; chained, beside the log.",
    no_args_is_help=True,
)


@app.command(
    epilog=examples(
        "eventreplay receipts ls --log ./log",
        "eventreplay receipts ls --log s3://bucket/log --kind replay --limit 5 --json",
    )
)
def ls(
    log: LogUrl = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind", metavar="KIND", help="capture, replay, verify, dbt, prove, ...", show_default=False
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The latest so many.")] = MANY_ROWS,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """List the latest receipts: number, kind, when, counts, and the hash of each."""
    from eventreplay.cli.jobs import receipts as job  # noqa: PLC0415 - see the package

    return job.ls(log, config, kind=kind, limit=limit, as_json=as_json)


@app.command(
    epilog=examples(
        "eventreplay receipts show 7 --log ./log", "eventreplay receipts show 7 --log ./log --json"
    )
)
def show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Which; see `receipts ls`.")],
    log: LogUrl = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Show one receipt, and see that the chain of all of them holds; exit code 3 if it does not."""
    from eventreplay.cli.jobs import receipts as job  # noqa: PLC0415 - see the package

    return job.show(log, config, number, as_json=as_json)


@app.command(
    epilog=examples(
        "eventreplay receipts again 1 --log ./log",
        "eventreplay receipts again 7 --log ./log --source moved/exports --json",
    )
    + "\n\nExit codes: 0 the same came out, 1 something else did or the run failed, 3 the log is damaged."
)
def again(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Which; see `receipts ls`.")],
    log: LogUrl = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="SOURCE",
            help="Where a capture's source is now; default: as the receipt says.",
            show_default=False,
        ),
    ] = None,
    sink: SinkUrl = None,
    schemas: Schemas = None,
    option: PluginOptions = None,
    workers: Workers = None,
    no_receipt: Annotated[bool, typer.Option("--no-receipt", help="Write nothing beside the log.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Do the same once more and compare: capture and replay into a temporary place, verify as it was."""
    from eventreplay.cli.jobs import again as job  # noqa: PLC0415 - see the package

    request = job.AgainRequest(
        number=number,
        log=log,
        source=source,
        sink=sink,
        schemas=schemas,
        options=tuple(option or ()),
        workers=workers,
        keeps_receipt=not no_receipt,
        config=config,
    )
    return job.run(request, as_json=as_json)
