"""The work of `snowflake migrate`, `ddl` and `check --deployment`: one environment in an account."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from eventreplay.cli.jobs import doctor
from eventreplay.cli.jobs.examinations import Examination
from eventreplay.cli.screen import print_json, print_line
from eventreplay.config import gather
from eventreplay.errors import ConfigError
from eventreplay.sinks.snowflake.deployment import Deployment, check_deployment, migrations
from eventreplay.sinks.snowflake.deployment import migrate as migrate_deployment
from eventreplay.sinks.snowflake.deployment.files import chosen, script
from eventreplay.sinks.snowflake.names import identifier
from eventreplay.sinks.snowflake.settings import SnowflakeSettings

_CHECK_WITHIN_S = 120.0
"""A check asks some twenty questions, one after another."""


def migrate(
    database: str | None,
    options: list[str],
    values: list[str],
    groups: list[str],
    config: Path | None,
    *,
    account_level: bool,
    plan: bool,
    as_json: bool,
) -> int:
    """Apply what is pending, or with `plan` show it."""
    settings = _settings(database, options, config)
    outcome = migrate_deployment(
        settings,
        Deployment.of(settings, values),
        clock=lambda: datetime.now(UTC),
        account_level=account_level,
        options=tuple(groups),
        plan=plan,
    )
    if as_json:
        print_json(
            {
                "database": settings.schema_names[0],
                "plan": plan,
                "there": outcome.there,
                "applied": outcome.applied,
                "waiting": outcome.waiting,
                "statements": outcome.statements,
                "next_step": outcome.next_step,
            }
        )
        return 0
    if plan:
        sys.stdout.writelines(f"{statement};\n" for statement in outcome.statements)
    verb = "Would be applied" if plan else "Applied"
    print_line(f"{verb}: {', '.join(outcome.applied) or 'nothing'}. There: {len(outcome.there)}.")
    if outcome.waiting:
        print_line(f"Still to come: {', '.join(outcome.waiting)}. Next: {outcome.next_step}")
    return 0


def ddl(database: str, values: list[str], groups: list[str]) -> int:
    """Print all statements of an environment; nothing is connected to."""
    deployment = Deployment(database=identifier(database, setting="database")).with_values(values)
    try:
        wanted = chosen(migrations(), tuple(groups))
    except ValueError as error:
        raise ConfigError(str(error), setting="with") from None
    sys.stdout.write(script(wanted, deployment))
    return 0


def check(
    database: str | None,
    options: list[str],
    values: list[str],
    groups: list[str],
    config: Path | None,
    *,
    account_level: bool,
    as_json: bool,
) -> int:
    """Compare an environment with its migrations; 1 if anything required differs."""
    settings = _settings(database, options, config)
    deployment = Deployment.of(settings, values)
    one = Examination(
        name="deployment",
        kind="sink",
        look=lambda: check_deployment(
            settings, deployment, account_level=account_level, options=tuple(groups)
        ),
        origins={},
    )
    return doctor.report([one], _CHECK_WITHIN_S, as_json=as_json)


def _settings(database: str | None, options: list[str], config: Path | None) -> SnowflakeSettings:
    return cast(
        "SnowflakeSettings", gather("snowflake", SnowflakeSettings, config, None, options, database).make()
    )
