"""`rebuild plan|run|diff|promote|rollback|ls|show|drop`."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.commands import rebuild_diff, rebuild_steps
from eventreplay.cli.options import AsJson, ConfigFile, LogUrl, PluginOptions, SinkUrl, examples

app = typer.Typer(
    help="The logic changed: plan a second generation of the tables, build it beside the live one from the "
    "log, see what would change, switch over in one step, and go back in one step.",
    no_args_is_help=True,
)

rebuild_steps.register(app)
rebuild_diff.register(app)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the generation; see `rebuild ls`.")]


@app.command(
    epilog=examples(
        "eventreplay rebuild ls --sink duckdb:///warehouse.duckdb",
        "eventreplay rebuild ls --config eventreplay.toml --json",
    )
)
def ls(
    sink: SinkUrl = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """List the generations: which is live, which is being built, which is kept and until when."""
    from eventreplay.cli.jobs import rebuild as job  # noqa: PLC0415 - see the package

    return job.ls(job.Place(sink=sink, options=tuple(option or ()), config=config), as_json=as_json)


@app.command(
    epilog=examples(
        "eventreplay rebuild show g1 --sink duckdb:///warehouse.duckdb",
        "eventreplay rebuild show first --sink duckdb:///warehouse.duckdb --json",
    )
)
def show(
    name: Name,
    sink: SinkUrl = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Show one generation: its schemas, and the fingerprints of the codec and the models that made it."""
    from eventreplay.cli.jobs import rebuild as job  # noqa: PLC0415 - see the package

    place = job.Place(sink=sink, options=tuple(option or ()), config=config)
    return job.show(place, name, as_json=as_json)


@app.command(
    epilog=examples(
        "eventreplay rebuild rollback --sink duckdb:///warehouse.duckdb",
        "eventreplay rebuild rollback --log ./log --sink snowflake://ANALYTICS --json",
    )
)
def rollback(
    log: LogUrl = None,
    sink: SinkUrl = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Undo the last promotion, finished or broken off: what was live before it is live again."""
    from eventreplay.cli.jobs import rebuild as job  # noqa: PLC0415 - see the package

    place = job.Place(log=log, sink=sink, options=tuple(option or ()), config=config)
    return job.rollback(place, as_json=as_json)


@app.command(
    epilog=examples(
        "eventreplay rebuild drop g1 --sink duckdb:///warehouse.duckdb",
        "eventreplay rebuild drop --expired --sink snowflake://ANALYTICS",
    )
)
def drop(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Of the generation; see `rebuild ls`.")
    ] = None,
    expired: Annotated[
        bool, typer.Option("--expired", help="All that are kept and whose time is over, instead of one.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Also one that was to be kept longer.")] = False,
    log: LogUrl = None,
    sink: SinkUrl = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Remove a generation that is neither live nor being promoted, with its tables."""
    from eventreplay.cli.jobs import rebuild as job  # noqa: PLC0415 - see the package

    if (name is None) != expired:
        raise typer.BadParameter("give the name of a generation, or --expired.")
    place = job.Place(log=log, sink=sink, options=tuple(option or ()), config=config)
    return job.drop(place, name, force=force, as_json=as_json)
