"""`quarantine ls|show|explain|redrive|drop`: what could not go on, why, and what becomes of it."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.options import (
    AsJson,
    ConfigFile,
    LogUrl,
    PluginOptions,
    ReplayId,
    Schemas,
    SinkUrl,
    Warehouse,
    examples,
    optional,
)

app = typer.Typer(
    help="Look at what could not go on, bring in what passes today, put aside what never will.",
    no_args_is_help=True,
)

_WHICH = "Which records"
Stages = Annotated[
    list[str] | None,
    optional("--stage", _WHICH, metavar="STAGE", help="capture, decode or staging; several times."),
]
Codes = Annotated[
    list[str] | None, optional("--code", _WHICH, metavar="CODE", help="This error code; several times.")
]
Types = Annotated[
    list[str] | None, optional("--type", _WHICH, metavar="TYPE", help="This event type; several times.")
]
Partitions = Annotated[
    list[str] | None, optional("--partition", _WHICH, metavar="NAME", help="This partition; several times.")
]
Fingerprints = Annotated[
    list[str] | None,
    optional("--codec", _WHICH, metavar="HEX", help="Refused by the codec of this fingerprint."),
]
FirstOffset = Annotated[
    int | None, optional("--from-offset", _WHICH, metavar="N", help="From this offset on.")
]
LastOffset = Annotated[
    int | None, optional("--to-offset", _WHICH, metavar="N", help="Up to this offset, itself included.")
]
All = Annotated[bool, typer.Option("--all", help="Also what was put aside by `drop`.")]


@app.command(
    epilog=examples(
        "eventreplay quarantine ls --warehouse warehouse.duckdb",
        "eventreplay quarantine ls --sink snowflake://ANALYTICS --partition journal --all --json",
    )
)
def ls(
    warehouse: Warehouse = None,
    sink: SinkUrl = None,
    stage: Stages = None,
    code: Codes = None,
    event_type: Types = None,
    partition: Partitions = None,
    codec: Fingerprints = None,
    from_offset: FirstOffset = None,
    to_offset: LastOffset = None,
    everything: All = False,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Count quarantined records by stage, error code and event type."""
    from eventreplay.cli.jobs import quarantine as job  # noqa: PLC0415 - see the package

    place = job.Place(warehouse=warehouse, sink=sink, options=tuple(option or ()), config=config)
    wanted = job.selection(
        stage, code, event_type, partition, codec, from_offset, to_offset, everything=everything
    )
    return job.ls(place, wanted, as_json=as_json)


@app.command(
    epilog=examples(
        "eventreplay quarantine show --warehouse warehouse.duckdb --code decimal_malformed --limit 5",
        "eventreplay quarantine show --sink snowflake://ANALYTICS --stage capture --json",
    )
)
def show(
    warehouse: Warehouse = None,
    sink: SinkUrl = None,
    stage: Stages = None,
    code: Codes = None,
    event_type: Types = None,
    partition: Partitions = None,
    codec: Fingerprints = None,
    from_offset: FirstOffset = None,
    to_offset: LastOffset = None,
    everything: All = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Records to show at most.")] = 20,
    skip: Annotated[int, typer.Option("--skip", min=0, help="Records to pass over first.")] = 0,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Show quarantined records: where they stand, what is wrong, and their original bytes as hex."""
    from eventreplay.cli.jobs import quarantine as job  # noqa: PLC0415 - see the package

    place = job.Place(warehouse=warehouse, sink=sink, options=tuple(option or ()), config=config)
    wanted = job.selection(
        stage, code, event_type, partition, codec, from_offset, to_offset, everything=everything
    )
    return job.show(place, wanted, limit_rows=limit, skip_rows=skip, as_json=as_json)


@app.command(
    epilog=examples(
        "eventreplay quarantine explain --log ./log --sink duckdb:///warehouse.duckdb --schemas sportscards",
        "eventreplay quarantine explain --log s3://bucket/log --sink snowflake://ANALYTICS --json",
    )
)
def explain(
    log: LogUrl = None,
    warehouse: Warehouse = None,
    sink: SinkUrl = None,
    replay_id: ReplayId = None,
    schemas: Schemas = None,
    stage: Stages = None,
    code: Codes = None,
    event_type: Types = None,
    partition: Partitions = None,
    codec: Fingerprints = None,
    from_offset: FirstOffset = None,
    to_offset: LastOffset = None,
    samples: Annotated[int, typer.Option("--samples", min=0, help="Records to name of each kind.")] = 5,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Run quarantined records through today's code, and say how many would pass. Changes nothing.

    Their original bytes come from the log. Exit codes: 0 done; 1 some are not what the log holds (`verify`
    says more), or it failed; 2 wrong usage or settings; 3 the log is damaged.
    """
    from eventreplay.cli.jobs import redrive as job  # noqa: PLC0415 - see the package
    from eventreplay.cli.jobs.quarantine import Place, selection  # noqa: PLC0415

    place = Place(warehouse=warehouse, sink=sink, options=tuple(option or ()), config=config)
    wanted = selection(stage, code, event_type, partition, codec, from_offset, to_offset)
    request = job.RedriveRequest(
        log=log, place=place, replay_id=replay_id, schemas=schemas, selection=wanted, samples_max=samples
    )
    return job.explained(request, as_json=as_json)


@app.command(
    epilog=examples(
        "eventreplay quarantine redrive --log ./log --sink duckdb:///warehouse.duckdb --dry-run",
        "eventreplay quarantine redrive --log ./log --sink duckdb:///warehouse.duckdb --adopt",
        "eventreplay quarantine redrive --sink snowflake://ANALYTICS --code unknown_enum --partition live-0",
    )
)
def redrive(
    log: LogUrl = None,
    warehouse: Warehouse = None,
    sink: SinkUrl = None,
    replay_id: ReplayId = None,
    schemas: Schemas = None,
    code: Codes = None,
    event_type: Types = None,
    partition: Partitions = None,
    codec: Fingerprints = None,
    from_offset: FirstOffset = None,
    to_offset: LastOffset = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing: as `explain`.")] = False,
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt",
            help="See first that every accepted row is what today's code gives; then loads go on by it.",
        ),
    ] = False,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Move the quarantined events that today's code can decode into RAW.EVENTS, at their place, once.

    It may be killed and repeated, and run beside a load. The next run of dbt finds the rows. A receipt is
    kept.

    Exit codes: 0 done; 1 some records are not what the log holds, or it failed; 2 wrong usage or settings;
    3 the log is damaged; 4 another run was first.
    """
    from eventreplay.cli.jobs import redrive as job  # noqa: PLC0415 - see the package
    from eventreplay.cli.jobs.quarantine import Place, selection  # noqa: PLC0415

    place = Place(warehouse=warehouse, sink=sink, options=tuple(option or ()), config=config)
    stages = ["decode"] if dry_run else None
    wanted = selection(stages, code, event_type, partition, codec, from_offset, to_offset)
    request = job.RedriveRequest(
        log=log, place=place, replay_id=replay_id, schemas=schemas, selection=wanted, adopt=adopt
    )
    return (job.explained if dry_run else job.redriven)(request, as_json=as_json)


@app.command(
    epilog=examples(
        'eventreplay quarantine drop --code envelope_not_utf8 --reason "a load test of 2026-07-01"',
        "eventreplay quarantine drop --partition live-0 --from-offset 17 --to-offset 17 --reason typo",
        "eventreplay quarantine drop --code envelope_not_utf8 --undo",
    )
)
def drop(
    log: LogUrl = None,
    warehouse: Warehouse = None,
    sink: SinkUrl = None,
    reason: Annotated[
        str | None, optional("--reason", metavar="TEXT", help="Why; at most 1,000 characters. Required.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
    stage: Stages = None,
    code: Codes = None,
    event_type: Types = None,
    partition: Partitions = None,
    codec: Fingerprints = None,
    from_offset: FirstOffset = None,
    to_offset: LastOffset = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Put records aside for good. Nothing is deleted: they are marked, with the reason, and hidden.

    A rebuild decodes everything again, these too. A receipt is kept.
    """
    from eventreplay.cli.jobs import redrive as job  # noqa: PLC0415 - see the package
    from eventreplay.cli.jobs.quarantine import Place, selection  # noqa: PLC0415

    place = Place(warehouse=warehouse, sink=sink, options=tuple(option or ()), config=config)
    wanted = selection(stage, code, event_type, partition, codec, from_offset, to_offset)
    return job.dropped(log, place, wanted, reason, undo=undo, as_json=as_json)
