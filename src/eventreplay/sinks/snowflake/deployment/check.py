"""Whether an environment is still what the migrations made of it, with the statement that mends what is not.

Read from the account's own lists, so it needs the owner's role (and an administrator's for the budget). What
a replay needs is told better by `sinks.snowflake.check`, which uses each right; this one also sees rights
that nobody should have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

from eventreplay.errors import EventReplayError, SinkError
from eventreplay.finding import Finding
from eventreplay.sinks.snowflake.deployment import ledger
from eventreplay.sinks.snowflake.deployment.files import Migration, chosen, migrations
from eventreplay.sinks.snowflake.deployment.grants import Grant, given_by, standing_in_future, standing_on
from eventreplay.sinks.snowflake.deployment.names import Deployment
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import literal, quoted
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.settings import SnowflakeSettings
from eventreplay.sinks.snowflake.tables import TABLES, Raw, described, mending

_SCHEMAS = {"STAGING": ("TRANSIENT", "MANAGED ACCESS"), "MART": ("MANAGED ACCESS",)}
_MONITOR = {"notify_at": "75%", "suspend_at": "100%", "suspend_immediately_at": "110%"}


def check_deployment(
    settings: SnowflakeSettings,
    deployment: Deployment,
    *,
    account_level: bool = False,
    options: tuple[str, ...] = (),
) -> list[Finding]:
    """Compare what is there with what the migrations say. Changes nothing; what is missing is a finding.

    Args:
        settings: account and login, with the owner's role, or an administrator's.
        deployment: names and sizes, as they were given to `migrate`.
        account_level: look at the budget as well, which only an administrator sees.
        options: groups of optional migrations that should be there too.

    Raises:
        ConfigError: a value is needed and not given.
    """
    wanted = chosen(migrations(), options)
    expected = given_by(wanted, deployment)
    try:
        session = Session(settings, without_schema=True)
    except EventReplayError as error:
        return [_told("login", error)]
    try:
        return [
            *_tried("migrations", lambda: _migrations(session, deployment, wanted)),
            *_tried("warehouse", lambda: _warehouse(session, deployment)),
            *(_tried("resource monitor", lambda: _monitor(session, deployment)) if account_level else ()),
            *_tried("schemas", lambda: _schemas(session, deployment)),
            *(one for name in TABLES for one in _tried(f"table {name}", _table(session, deployment, name))),
            *_tried("grants", lambda: _grants(session, deployment, expected, account_level=account_level)),
        ]
    finally:
        session.close()


def _migrations(session: Session, deployment: Deployment, wanted: tuple[Migration, ...]) -> Iterator[Finding]:
    with suppress(SinkError):  # without one, what is read next says so
        session.run(f"USE WAREHOUSE {quoted(deployment.warehouse)}", doing=Doing("Using the warehouse"))
    found = ledger.applied(session, deployment)
    ledger.check_unchanged(migrations(), found or {})
    pending = [one for one in wanted if one.number not in (found or {})]
    yield Finding(
        name="migrations",
        ok=not pending,
        detail=f"Not applied: {', '.join(one.title for one in pending)}." if pending else "All are applied.",
        hint=f"eventreplay snowflake migrate {deployment.database} --plan" if pending else "",
    )


def _warehouse(session: Session, deployment: Deployment) -> Iterator[Finding]:
    name = deployment.warehouse
    rows = session.named(f"SHOW WAREHOUSES LIKE {_pattern(name)}", doing=Doing("Reading the warehouse"))
    row = next((row for row in rows if row["name"] == name), None)
    if row is None:
        raise SinkError(f"There is no warehouse {name}, or the role may not see it.", hint=_again(deployment))
    wanted = {
        "auto_suspend": str(deployment.auto_suspend_s),
        "auto_resume": "true",
        "resource_monitor": deployment.monitor,
    }
    for key, value in wanted.items():
        found = str(row.get(key))
        given = quoted(value) if key == "resource_monitor" else value.upper()
        yield Finding(
            name=f"warehouse {key.replace('_', ' ')}",
            ok=found == value,
            detail=f"{key.upper()} is {found}.",
            hint="" if found == value else f"ALTER WAREHOUSE {quoted(name)} SET {key.upper()} = {given};",
        )


def _monitor(session: Session, deployment: Deployment) -> Iterator[Finding]:
    name = deployment.monitor
    rows = session.named(
        f"SHOW RESOURCE MONITORS LIKE {_pattern(name)}", doing=Doing("Reading the resource monitor")
    )
    row = next((row for row in rows if row["name"] == name), None)
    if row is None:
        raise SinkError(
            f"There is no resource monitor {name}, or the role may not see it.",
            hint=f"Use -o role=ACCOUNTADMIN. {_again(deployment)}",
        )
    quota = float(row["credit_quota"] or 0)
    wrong = [f"{key} is {row.get(key)}" for key, value in _MONITOR.items() if row.get(key) != value]
    if quota != deployment.credit_quota:
        wrong.insert(0, f"the quota is {quota:g} credits, not {deployment.credit_quota}")
    yield Finding(
        name="resource monitor",
        ok=not wrong,
        detail="; ".join(wrong) or f"{quota:g} credits a month, then the warehouse is suspended.",
        hint=f"ALTER RESOURCE MONITOR {quoted(name)} SET CREDIT_QUOTA = {deployment.credit_quota}"
        " TRIGGERS ON 75 PERCENT DO NOTIFY ON 100 PERCENT DO SUSPEND ON 110 PERCENT DO SUSPEND_IMMEDIATE;"
        if wrong
        else "",
    )


def _schemas(session: Session, deployment: Deployment) -> Iterator[Finding]:
    rows = session.named(
        f"SHOW SCHEMAS IN DATABASE {quoted(deployment.database)}", doing=Doing("Reading the schemas")
    )
    there = {str(row["name"]): str(row.get("options") or "").upper() for row in rows}
    for name, words in {deployment.raw_schema: (), **_SCHEMAS}.items():
        lacks = [word for word in words if word not in there.get(name, "")]
        mends = f"ALTER SCHEMA {quoted(deployment.database, name)} ENABLE MANAGED ACCESS;"
        yield Finding(
            name=f"schema {name}",
            ok=name in there and not lacks,
            detail="It is not there."
            if name not in there
            else f"It lacks {', '.join(lacks)}."
            if lacks
            else "It is there.",
            # What is not transient costs more; it is no less exact, and cannot be altered.
            required=name not in there or "MANAGED ACCESS" in lacks,
            hint=_again(deployment) if name not in there else mends if "MANAGED ACCESS" in lacks else "",
        )


def _table(session: Session, deployment: Deployment, name: str) -> Callable[[], Iterator[Finding]]:
    def look() -> Iterator[Finding]:
        raw = Raw(deployment.database, deployment.raw_schema, deployment.owner)
        wrong = mending(name, raw.table(name), described(session, raw, name))
        yield Finding(
            name=f"table {name}",
            ok=not wrong,
            detail="; ".join(fault for fault, _ in wrong) or "The columns are as expected.",
            hint=" ".join(statement for _, statement in wrong),
        )

    return look


def _grants(
    session: Session, deployment: Deployment, expected: set[Grant], *, account_level: bool
) -> Iterator[Finding]:
    ours = {deployment.owner, deployment.loader, deployment.transformer, deployment.reader}
    places = sorted({(one.kind, one.name) for one in expected if not one.future})
    for kind, name in places:
        if kind in ("WAREHOUSE", "INTEGRATION") and not account_level:
            continue  # an administrator's, whose grants the owner does not see
        wanted = {one for one in expected if (one.kind, one.name, one.future) == (kind, name, False)}
        title = f"grants on {'.'.join(name)}"
        yield from _tried(
            title, partial(_compared, title, ours, wanted, partial(standing_on, session, kind, name))
        )
    for schema in sorted({one.name for one in expected if one.future}):
        wanted = {one for one in expected if one.future and one.name == schema}
        title = f"future grants in {'.'.join(schema)}"
        yield from _tried(
            title, partial(_compared, title, ours, wanted, partial(standing_in_future, session, schema))
        )


def _compared(
    name: str, ours: set[str], wanted: set[Grant], standing: Callable[[], set[Grant]]
) -> Iterator[Finding]:
    """Missing rights, and rights that no migration gave; those of other roles are told as advice."""
    found = standing()
    missing = sorted(wanted - found)
    extra = sorted(one for one in found - wanted if one.privilege != "OWNERSHIP")
    of_ours = [one for one in extra if one.role in ours]
    others = [one for one in extra if one.role not in ours]
    parts = [f"{one.role} lacks {one.privilege}" for one in missing]
    parts += [f"{one.role} has {one.privilege}, which no migration gave" for one in of_ours]
    yield Finding(
        name=name,
        ok=not parts,
        detail="; ".join(parts) or "As the migrations gave them.",
        hint=" ".join([*(one.giving for one in missing), *(one.taking for one in of_ours)]),
    )
    if others:
        yield Finding(
            name=f"{name}, of others",
            ok=False,
            required=False,
            detail="; ".join(f"{one.role} has {one.privilege}" for one in others),
            hint=" ".join(one.taking for one in others),
        )


def _again(deployment: Deployment) -> str:
    return f"Run: eventreplay snowflake migrate {deployment.database} --plan; then without --plan."


def _pattern(name: str) -> str:
    """For LIKE, in which `_` and `%` stand for others: SHOW then finds more, and the name is compared."""
    return literal(re.sub(r"[^A-Za-z0-9_$]", "_", name))


def _tried(name: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except EventReplayError as error:
        return [_told(name, error)]


def _told(name: str, error: EventReplayError) -> Finding:
    return Finding(name=name, ok=False, detail=error.message, hint=error.hint)
