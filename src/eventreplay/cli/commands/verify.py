"""`verify`."""

from __future__ import annotations

from pathlib import Path
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
    optional,
)

Partitions = Annotated[
    list[str] | None,
    typer.Option(
        "--partition",
        metavar="NAME",
        help="Only this partition; may be given several times. Default: all, and nothing beside them.",
        show_default=False,
    ),
]
Deep = Annotated[
    bool,
    typer.Option("--deep", help="Read, hash and decode the log again, and compare every column."),
]
Limit = Annotated[
    int, typer.Option("--limit", min=0, help="Rows to name of each kind; the counts are exact.")
]
NoReceipt = Annotated[
    bool, typer.Option("--no-receipt", help="Keep none: nothing is written beside the log.")
]
Journal = Annotated[
    str | None,
    optional(
        "--journal",
        metavar="SOURCE",
        help="Also compare this journal with the log, such as postgres:public.events.",
    ),
]
JournalOptions = Annotated[
    list[str] | None,
    optional("--journal-option", metavar="NAME=VALUE", help="An option of the journal's; several times."),
]
First = Annotated[int, typer.Option("--from", min=0, help="Lowest position of the journal to compare.")]
Marts = Annotated[
    Path | None,
    optional(
        "--marts", metavar="PATH", help="Also compare dbt's models with RAW; the folder of its manifest."
    ),
]
Ways = Annotated[
    str | None,
    optional(
        "--ways",
        metavar="A,B",
        help="Also compare events of partitions whose names begin so with each other: live,journal.",
    ),
]
WithRaw = Annotated[bool, typer.Option("--raw/--no-raw", help="Whether to compare RAW with the log.")]
Repair = Annotated[
    bool,
    typer.Option(
        "--repair",
        help="Replace the rows of RAW that differ by what the log has, capture what it lacks of the journal, "
        "and compare again.",
    ),
]
OfGeneration = Annotated[
    str | None,
    optional(
        "--generation", metavar="NAME", help="Compare the RAW of this generation, which is not live, instead."
    ),
]
RemoveUnknown = Annotated[
    bool, typer.Option("--remove-unknown", help="With --repair: also remove rows that the log has not.")
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            "eventreplay verify --log ./log --sink duckdb:///warehouse.duckdb",
            "eventreplay verify --log ./log --sink duckdb:///warehouse.duckdb --deep --schemas sportscards",
            "eventreplay verify --log s3://bucket/log --sink snowflake://ANALYTICS --partition journal",
            "eventreplay verify --config eventreplay.toml --json || alert",
            "eventreplay verify --log ./log --sink duckdb:///warehouse.duckdb --repair --deep",
            "eventreplay verify --log ./log --journal postgres:public.events --no-raw",
            "eventreplay verify --config eventreplay.toml --marts target --ways live,journal",
            "eventreplay verify --log ./log --sink duckdb:///warehouse.duckdb --generation g1",
        )
    )(verify)


def verify(
    log: LogUrl = None,
    sink: SinkUrl = None,
    replay_id: ReplayId = None,
    partition: Partitions = None,
    deep: Deep = False,
    schemas: Schemas = None,
    limit: Limit = MANY_ROWS,
    option: PluginOptions = None,
    no_receipt: NoReceipt = False,
    journal: Journal = None,
    journal_option: JournalOptions = None,
    first: First = 0,
    marts: Marts = None,
    ways: Ways = None,
    raw: WithRaw = True,
    generation: OfGeneration = None,
    repair: Repair = False,
    remove_unknown: RemoveUnknown = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Compare RAW with the log: by counts and sums in the warehouse, and by row where they differ.

    What is not loaded yet is behind, not missing; a load may go on meanwhile. Without --deep an altered
    payload, or another column that no hash covers, is not seen. The log is never changed: what differs from
    the journal is reported, and only what it lacks is captured.

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
        raw=raw,
        generation=generation,
        journal=journal,
        journal_options=tuple(journal_option or ()),
        first=first,
        marts=marts,
        ways=ways,
        repair=repair,
        remove_unknown=remove_unknown,
    )
    return job.run(request, as_json=as_json)
