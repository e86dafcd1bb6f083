"""Environments made by the migrations on the stand-in, for tests of them and of their roles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from attrs import frozen

from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSettings
from eventreplay.sinks.snowflake.deployment import Deployment, Outcome, migrate
from tests.integration.snowflake.server import StandIn

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
PASSWORD = "Marker-Secret-31415"  # noqa: S105 - to be looked for in errors


@frozen
class Environment:
    """One database with its roles, and who may ask what of it."""

    standin: StandIn
    deployment: Deployment

    def settings(self, role: str, **changes: object) -> SnowflakeSettings:
        """Of the account's administrator, in another role."""
        return self.standin.settings(self.deployment.database, **{"role": role, "warehouse": None, **changes})

    def user(self, role: str) -> SnowflakeSettings:
        """Of a user who has this one role and no other."""
        name = f"{role}_USER"
        self.standin.run(
            f"CREATE USER IF NOT EXISTS {name} PASSWORD = '{PASSWORD}' DEFAULT_ROLE = {role}",
            f"GRANT ROLE {role} TO USER {name}",
        )
        return self.settings(role, user=name, password=Secret(PASSWORD), warehouse=self.deployment.warehouse)

    def migrate(self, *, account_level: bool = False, **options: object) -> Outcome:
        role = "ACCOUNTADMIN" if account_level else self.deployment.owner
        return migrate(
            self.settings(role),
            self.deployment,
            clock=lambda: MOMENT,
            account_level=account_level,
            **options,  # type: ignore[arg-type]
        )

    def drop(self) -> None:
        """Everything that an account has of it."""
        names = self.deployment
        roles = (names.owner, names.loader, names.transformer, names.reader)
        self.standin.run(
            f"DROP DATABASE IF EXISTS {names.database}",
            f"DROP WAREHOUSE IF EXISTS {names.warehouse}",
            f"DROP RESOURCE MONITOR IF EXISTS {names.monitor}",
            *(f"DROP ROLE IF EXISTS {role}" for role in roles),
            *(f"DROP USER IF EXISTS {role}_USER" for role in roles),
        )


@contextmanager
def environment(standin: StandIn, *, made: bool = True, **values: str) -> Iterator[Environment]:
    """A fresh one, gone afterwards; with `made` the migrations have been applied."""
    database = standin.server.database()
    standin.run(f"DROP DATABASE {database}")  # only its name is wanted, which nobody else has
    found = Environment(standin, Deployment(database=database, **values))  # type: ignore[arg-type] # of texts only
    try:
        if made:
            found.migrate(account_level=True)
            found.migrate()
        yield found
    finally:
        standin.control("DELETE")
        found.drop()
