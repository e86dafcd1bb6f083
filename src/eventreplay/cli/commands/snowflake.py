"""`snowflake init|check|migrate|ddl`: what a replay needs in the account, and an environment as a whole."""

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
_Values = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A name or size of the environment, e.g. credit_quota=50; may be given several times.",
        show_default=False,
    ),
]
_Groups = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="GROUP",
        help="Optional migrations as well: external-stage, snowpipe.",
        show_default=False,
    ),
]
_AccountLevel = Annotated[
    bool, typer.Option("--account-level", help="The part that needs an administrator's role.")
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
    """Create RAW (schema, tables, stage), if it is not there; `migrate` makes whole environments."""
    from eventreplay.cli.jobs import ends as job  # noqa: PLC0415 - see the package

    return job.init("sink", "snowflake", database, option or [], config, as_json=as_json)


@app.command(
    epilog=examples(
        "eventreplay snowflake check ANALYTICS",
        "eventreplay snowflake check --json || alert",
        "eventreplay snowflake check EVENTREPLAY_PROD --deployment -o role=EVENTREPLAY_PROD_OWNER",
    )
)
def check(
    database: _Database = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    deployment: Annotated[
        bool,
        typer.Option("--deployment", help="Compare the whole environment with its migrations, as its owner."),
    ] = False,
    account_level: _AccountLevel = False,
    value: _Values = None,
    group: _Groups = None,
    as_json: AsJson = False,
) -> int:
    """Say whether the login, the rights, the tables and the stage are as a replay needs them."""
    if deployment or account_level:
        from eventreplay.cli.jobs import deployment as whole  # noqa: PLC0415 - see the package

        return whole.check(
            database,
            option or [],
            value or [],
            group or [],
            config,
            account_level=account_level,
            as_json=as_json,
        )
    from eventreplay.cli.jobs import ends as job  # noqa: PLC0415 - see the package

    return job.check("sink", "snowflake", database, option or [], config, as_json=as_json)


@app.command(
    epilog=examples(
        "eventreplay snowflake migrate EVENTREPLAY_PROD --account-level -o role=ACCOUNTADMIN --plan",
        "eventreplay snowflake migrate EVENTREPLAY_PROD --account-level -o role=ACCOUNTADMIN",
        "eventreplay snowflake migrate EVENTREPLAY_PROD -o role=EVENTREPLAY_PROD_OWNER --json",
    )
)
def migrate(
    database: _Database = None,
    account_level: _AccountLevel = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only print the statements.")] = False,
    value: _Values = None,
    group: _Groups = None,
    option: PluginOptions = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Bring an environment up to date: warehouse, database, roles, schemas, RAW, grants; asks nothing."""
    from eventreplay.cli.jobs import deployment as job  # noqa: PLC0415 - see the package

    return job.migrate(
        database,
        option or [],
        value or [],
        group or [],
        config,
        account_level=account_level,
        plan=plan,
        as_json=as_json,
    )


@app.command(
    epilog=examples(
        "eventreplay snowflake ddl EVENTREPLAY_PROD > plan.sql",
        "eventreplay snowflake ddl EVENTREPLAY_DEV --set credit_quota=2 --with external-stage"
        " --set storage_url=s3://bucket/dev/ --set storage_role_arn=arn:aws:iam::123456789012:role/snowflake",
    )
)
def ddl(
    database: Annotated[str, typer.Argument(metavar="DATABASE", help="Name of the environment's database.")],
    value: _Values = None,
    group: _Groups = None,
) -> int:
    """Print every statement of an environment, to review or to run by hand; connects to nothing."""
    from eventreplay.cli.jobs import deployment as job  # noqa: PLC0415 - see the package

    return job.ddl(database, value or [], group or [])
