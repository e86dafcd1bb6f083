"""Applying migrations: in order, each statement by itself, each migration recorded when its last one is done.

A run that dies anywhere is run again: what was recorded is not repeated, and the statements of the one that
was under way bear it. Two runs at once do the same twice, which is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from attrs import evolve, frozen

from eventreplay.errors import ConfigError, SinkError
from eventreplay.sinks.snowflake.deployment import ledger
from eventreplay.sinks.snowflake.deployment.files import Migration, Scope, chosen, migrations
from eventreplay.sinks.snowflake.deployment.names import Deployment
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import quoted
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.settings import SnowflakeSettings


@frozen(kw_only=True)
class Outcome:
    """What a run did, or would do.

    Attributes:
        there: titles of the migrations that were applied before.
        applied: of those that were applied now; with `plan` of those that would be.
        waiting: of those that somebody else has to run: an administrator, or the owner.
        statements: all statements of `applied`, in order.
        next_step: what to run for `waiting`; empty if nothing waits.
    """

    there: tuple[str, ...]
    applied: tuple[str, ...]
    waiting: tuple[str, ...]
    statements: tuple[str, ...]
    next_step: str


def migrate(
    settings: SnowflakeSettings,
    deployment: Deployment,
    *,
    clock: Callable[[], datetime],
    account_level: bool = False,
    options: tuple[str, ...] = (),
    plan: bool = False,
    known: tuple[Migration, ...] | None = None,
) -> Outcome:
    """Bring an environment up to date, as far as the role may.

    Args:
        settings: account and login. With `account_level` the role has to be ACCOUNTADMIN; else the
            owner's is used, which the user has to have.
        deployment: names and sizes.
        clock: the moment a migration is recorded with, timezone-aware.
        account_level: run what only an administrator may, and only that; else run the rest.
        options: groups of optional migrations to run too.
        plan: run nothing, only say what would be run.
        known: the migrations there are; None: those of this package.

    Raises:
        SinkError: an applied migration was changed, the administrator's part is missing, or a right is.
        SinkUnavailableError: Snowflake gives no answer; run it again.
        ConfigError: an unknown option, or a value that a migration needs is not given.
    """
    everything = migrations() if known is None else known
    try:
        wanted = chosen(everything, options)
    except ValueError as error:
        raise ConfigError(str(error), setting="with") from None
    # With a role that is not there yet no login would succeed: the owner's is taken on once it is logged in.
    later = not account_level and settings.role is not None and settings.login_method != "oauth"
    session = Session(evolve(settings, role=None) if later else settings, without_schema=True)
    try:
        return _Run(session, deployment, clock, everything, wanted).go(
            scope="account" if account_level else "database", plan=plan
        )
    finally:
        session.close()


@frozen
class _Run:
    session: Session
    deployment: Deployment
    clock: Callable[[], datetime]
    known: tuple[Migration, ...]
    wanted: tuple[Migration, ...]

    def go(self, *, scope: Scope, plan: bool) -> Outcome:
        if scope == "database":
            self._become_owner(plan=plan)
        self._use_warehouse()
        found = ledger.applied(self.session, self.deployment)
        ledger.check_unchanged(self.known, found or {})
        pending = [one for one in self.wanted if one.number not in (found or {})]
        mine = [one for one in pending if one.scope == scope]
        waiting = [one for one in pending if one.scope != scope]
        statements = [text for one in mine for text in one.statements(self.deployment)]
        if scope == "database":
            self._need_administrator(mine, waiting)
        if not plan:
            for one in mine:
                # Without a row its making may have ended half-way, before its grants.
                self._apply(one, ledger_there=bool(found))
        return Outcome(
            there=tuple(one.title for one in self.known if one.number in (found or {})),
            applied=tuple(one.title for one in mine),
            waiting=tuple(one.title for one in waiting),
            statements=tuple(statements),
            next_step=self._next_step(waiting),
        )

    def _apply(self, one: Migration, *, ledger_there: bool) -> None:
        statements = one.statements(self.deployment)
        for index, statement in enumerate(statements, start=1):
            what = f"Migration {one.title}, statement {index} of {len(statements)}"
            self.session.run(statement, doing=Doing(what, self._grants(one)))
        self._use_warehouse()  # it may have been made just now
        if not ledger_there:
            ledger.create(self.session, self.deployment)
        ledger.record(self.session, self.deployment, one, self.clock())

    def _grants(self, one: Migration) -> tuple[str, ...]:
        if one.scope == "account":
            return ("-- Run it with -o role=ACCOUNTADMIN",)
        database = quoted(self.deployment.database)
        return (f"GRANT USAGE, CREATE SCHEMA ON DATABASE {database} TO ROLE {quoted(self.deployment.owner)}",)

    def _become_owner(self, *, plan: bool) -> None:
        """What this makes belongs to the owner's role, whoever runs it."""
        owner = self.deployment.owner
        role = self.session.run("SELECT CURRENT_ROLE()", doing=Doing("Reading the session's role"))[0][0]
        if role == owner:
            return
        try:
            self.session.run(f"USE ROLE {quoted(owner)}", doing=Doing("Taking on the owner's role"))
        except SinkError as error:
            if plan:
                return  # an empty account: everything is to be done
            raise SinkError(
                f"There is no role {owner}, or this user does not have it.",
                hint=f"An administrator first runs: eventreplay snowflake migrate --account-level"
                f" -o role=ACCOUNTADMIN, and: GRANT ROLE {quoted(owner)} TO USER ...;",
                **error.fields,
            ) from None

    def _use_warehouse(self) -> None:
        """The environment's, if there is one yet; what needs one and has none says so."""
        with suppress(SinkError):
            self.session.run(
                f"USE WAREHOUSE {quoted(self.deployment.warehouse)}", doing=Doing("Using the warehouse")
            )

    def _need_administrator(self, mine: list[Migration], waiting: list[Migration]) -> None:
        """An owner's migration builds on all administrators' ones before it."""
        before = [one for one in waiting if mine and one.number < mine[-1].number]
        if before:
            raise SinkError(
                f"Migration {before[0].title} has not been applied; an administrator has to.",
                hint=self._next_step(before),
                number=before[0].number,
            )

    def _next_step(self, waiting: list[Migration]) -> str:
        if not waiting:
            return ""
        options = sorted({one.option for one in waiting if one.option is not None})
        level = " --account-level -o role=ACCOUNTADMIN" if waiting[0].scope == "account" else ""
        return (
            f"eventreplay snowflake migrate {self.deployment.database}{level}"
            f"{''.join(f' --with {option}' for option in options)}"
        )
