"""`snowflake init|check`: what a replay needs in the account."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.options import AsJson, ConfigFile, PluginOptions, examples

app = typer.Typer(
    help="Create what a replay needs in a Snowflake account, or look whether it is there.",
    no_args_is_help=True,
)
_Database = Annotated[
    str | None,
    typer.Argument(metavar="[DATABASE]", help="Default: the one of the settings.", show_default=False),
]


@app.command(
    epilog=examples(
        "eventreplay snowflake init ANALYTICS",
        "eventreplay snowflake init ANALYTICS -o role=EVENTREPLAY_OWNER --json",
    )
)
def init(
    database: _Database = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Create schema, tables and stage, if they are not there; running it again changes nothing."""
    from eventreplay.cli.jobs import ends as job  # noqa: PLC0415 - see the package

    return job.init("sink", "snowflake", database, option or [], config, as_json=as_json)


@app.command(
    epilog=examples("eventreplay snowflake check ANALYTICS", "eventreplay snowflake check --json || alert")
)
def check(
    database: _Database = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Say whether the login, the rights, the tables and the stage are as a replay needs them."""
    from eventreplay.cli.jobs import ends as job  # noqa: PLC0415 - see the package

    return job.check("sink", "snowflake", database, option or [], config, as_json=as_json)
