"""`prove`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eventreplay.cli.options import AsJson, ConfigFile, LogUrl, Schemas, examples

_CodecPlace = Annotated[
    str | None,
    typer.Option(
        "--codec",
        metavar="MODULE:NAME",
        help="A codec or schemas by where they are imported from, instead of installed ones.",
        show_default=False,
    ),
]
_Partitions = Annotated[
    list[str] | None,
    typer.Option(
        "--partition",
        metavar="NAME",
        help="Only this partition; may be given several times.",
        show_default=False,
    ),
]
_First = Annotated[
    int | None,
    typer.Option("--from", min=1, help="First commit of each partition.", show_default=False),
]
_Upto = Annotated[
    int | None,
    typer.Option("--upto", min=1, help="Last commit of each partition.", show_default=False),
]
_Events = Annotated[
    int | None,
    typer.Option(
        "--events",
        min=1,
        help="Whole commits that hold at most so many records; the first one in any case.",
        show_default=False,
    ),
]
_Runs = Annotated[int, typer.Option("--runs", min=2, help="How often it is replayed.")]
_Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, help="Of the shuffle; default: drawn.", show_default=False),
]
_Pythons = Annotated[
    list[str] | None,
    typer.Option(
        "--python",
        metavar="PATH",
        help="Another interpreter that takes part; may be given several times.",
        show_default=False,
    ),
]
_Project = Annotated[
    Path | None,
    typer.Option(
        "--project",
        metavar="FOLDER",
        help="A dbt project, built in each run; default: the packaged one where its schemas are used.",
        show_default=False,
    ),
]
_NoDbt = Annotated[bool, typer.Option("--no-dbt", help="Compare RAW alone.")]
_Select = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="NODES", help="Only these models, in dbt's syntax.", show_default=False),
]
_Ignore = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="[MODEL.]COLUMN",
        help="A column of models that is not compared; may be given several times.",
        show_default=False,
    ),
]
_Limit = Annotated[int, typer.Option("--limit", min=1, help="Rows named of each table that differs.")]
_NoCause = Annotated[
    bool,
    typer.Option("--no-cause", help="Where something differs, do not look which dimension it is."),
]
_Keep = Annotated[
    Path | None,
    typer.Option(
        "--keep",
        metavar="FOLDER",
        help="Leave the warehouses of all runs in this new folder.",
        show_default=False,
    ),
]
_NoReceipt = Annotated[bool, typer.Option("--no-receipt", help="Write nothing beside the log.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            "eventreplay prove --log ./log --schemas sportscards",
            "eventreplay prove --log ./log --events 10000 --runs 2 --no-dbt",
            "eventreplay prove --log s3://bucket/log --partition journal --from 100 --upto 120 --json",
            "eventreplay prove --codec ours.codecs:codec --project ./dbt --python python3.13",
        )
        + "\n\nExit codes: 0 all runs are equal, 1 they differ or a run failed, 2 wrong usage, "
        "3 the log is damaged."
    )(prove)


def prove(
    log: LogUrl = None,
    schemas: Schemas = None,
    codec: _CodecPlace = None,
    partition: _Partitions = None,
    first: _First = None,
    upto: _Upto = None,
    events: _Events = None,
    runs: _Runs = 3,
    seed: _Seed = None,
    python: _Pythons = None,
    project: _Project = None,
    no_dbt: _NoDbt = False,
    select: _Select = None,
    ignore: _Ignore = None,
    limit: _Limit = 5,
    no_cause: _NoCause = False,
    keep: _Keep = None,
    no_receipt: _NoReceipt = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Replay again and again, varying all that must have no part in the result, and compare every table."""
    from eventreplay.cli.jobs import prove as job  # noqa: PLC0415 - see the package

    request = job.ProveRequest(
        log=log,
        schemas=schemas,
        codec=codec,
        partitions=None if partition is None else tuple(partition),
        first=first,
        upto=upto,
        events=events,
        runs=runs,
        seed=seed,
        pythons=tuple(python or ()),
        project=project,
        no_dbt=no_dbt,
        select=tuple(select or ()),
        ignored=tuple(ignore or ()),
        limit_rows=limit,
        finds_causes=not no_cause,
        kept=keep,
        keeps_receipt=not no_receipt,
        config=config,
    )
    return job.run(request, as_json=as_json)
