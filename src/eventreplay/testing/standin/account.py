"""Roles, users, warehouses, resource monitors and other objects of an account."""

import re
from typing import Any

from fakesnow import statement_type

from eventreplay.testing.standin import login, rights
from eventreplay.testing.standin.catalog import Catalog
from eventreplay.testing.standin.copy_options import parse_options
from eventreplay.testing.standin.failures import SqlError, exists_already, not_allowed, not_found
from eventreplay.testing.standin.parameters import DONE, plain
from eventreplay.testing.standin.results import Result
from eventreplay.testing.standin.session import Session

_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+)){0,2}'
_DEFINE = re.compile(
    r"(?P<verb>CREATE|ALTER|DROP|DESCRIBE|DESC)\s+(?P<replace>OR\s+REPLACE\s+)?"
    r"(?P<kind>ROLE|USER|WAREHOUSE|RESOURCE\s+MONITOR|STORAGE\s+INTEGRATION|NETWORK\s+POLICY)\s+"
    rf"(?P<exists>IF\s+(?:NOT\s+)?EXISTS\s+)?(?P<name>{_NAME})\s*(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)


_ADMINISTERS = {
    "ROLE": "USERADMIN", "USER": "USERADMIN", "RESOURCE MONITOR": "ACCOUNTADMIN",
    "STORAGE INTEGRATION": "ACCOUNTADMIN", "NETWORK POLICY": "SECURITYADMIN",
}  # fmt: skip


def define(session: Session, sql: str, params: Any) -> Result:
    """CREATE, ALTER, DROP of roles, users, warehouses, monitors, integrations."""
    del params
    found = _DEFINE.fullmatch(sql)
    if found is None:
        raise SqlError(f"SQL compilation error:\nsyntax error in '{sql[:40]}'", 1003, "42000")
    kind = re.sub(r"\s+", " ", found["kind"].upper())
    name, verb = plain(found["name"]), found["verb"].upper()
    session.commit()
    administers = _ADMINISTERS.get(kind, "SYSADMIN")
    if verb in ("CREATE", "ALTER", "DROP") and administers not in rights.roles_of(session, session.role):
        raise not_allowed("account", "STANDIN")
    catalog = session.engine.catalog
    section = {
        "ROLE": "roles", "USER": "users", "WAREHOUSE": "warehouses", "RESOURCE MONITOR": "monitors",
        "STORAGE INTEGRATION": "integrations", "NETWORK POLICY": "monitors",
    }[kind]  # fmt: skip
    held = catalog.section(section)
    if verb == "CREATE":
        if name in held and not found["replace"]:
            if found["exists"]:
                return Result.status(f"{name} already exists, statement succeeded.")
            raise exists_already(name)
        _create(session, kind, name, found["rest"])
        return Result.status(f"{kind.capitalize()} {name} successfully created.")
    if name not in held:
        if found["exists"]:
            return Result.status(DONE)
        raise not_found(kind, name)
    if verb == "DROP":
        with catalog.changed():
            del held[name]
        return Result.status(f"{name} successfully dropped.")
    if verb == "ALTER":
        _alter(session, kind, name, found["rest"])
    return Result.status(DONE)


def _pem(key: str) -> str:
    """A public key as Snowflake takes it, without its frame, with its frame."""
    body = re.sub(r"-----[^-]+-----|\s+", "", key)
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"


def _create(session: Session, kind: str, name: str, rest: str) -> None:
    catalog = session.engine.catalog
    if kind == "USER":
        options = {key: str(value) for key, value in parse_options(rest).items()}
        key = options.get("RSA_PUBLIC_KEY")
        login.add_user(
            catalog, name, password=options.get("PASSWORD"),
            public_key_pem=None if key is None else _pem(key),
            default_role=options.get("DEFAULT_ROLE", "PUBLIC").upper(),
        )  # fmt: skip
        with catalog.changed():
            catalog.users[name]["default_warehouse"] = options.get("DEFAULT_WAREHOUSE", "").upper() or None
        return
    with catalog.changed():
        if kind == "ROLE":
            catalog.roles[name] = {"granted": []}
        elif kind == "WAREHOUSE":
            _checked_monitor(session, rest)
            catalog.warehouses[name] = {"options": rest}
        else:
            catalog.section("integrations" if kind == "STORAGE INTEGRATION" else "monitors")[name] = {
                "options": rest
            }
    if kind == "WAREHOUSE":
        rights.owns(session, "WAREHOUSE", name)
        session.warehouse = name


def _alter(session: Session, kind: str, name: str, rest: str) -> None:
    changed = re.match(r"\s*SET\s+(.*)", rest, re.IGNORECASE | re.DOTALL)
    if kind == "USER":
        _alter_user(session, name, rest)
    elif kind == "RESOURCE MONITOR":
        _alter_monitor(session, name, rest)
    elif kind == "WAREHOUSE" and changed is not None:
        held = session.engine.catalog.warehouses[name]
        _checked_monitor(session, changed[1])
        with session.engine.catalog.changed():
            # Of two options of one name the last is in force.
            held["options"] = f"{held.get('options') or ''} {changed[1]}"


def _alter_monitor(session: Session, name: str, rest: str) -> None:
    """ALTER RESOURCE MONITOR: a new quota is kept beside the triggers; new triggers replace all."""
    held = session.engine.catalog.section("monitors")[name]
    changed = re.sub(r"^\s*SET\s+", "", rest, flags=re.IGNORECASE)
    kept = held["options"]
    if re.search(r"\bTRIGGERS\b", changed, re.IGNORECASE):
        kept = re.sub(r"\bTRIGGERS\b.*", "", kept, flags=re.IGNORECASE | re.DOTALL)
    with session.engine.catalog.changed():
        held["options"] = f"{changed} {kept}"


def _checked_monitor(session: Session, options: str) -> None:
    """A warehouse's monitor has to be there, and an account administrator assigns it."""
    monitor = parse_options(options).get("RESOURCE_MONITOR")
    if monitor is None:
        return
    if not rights.is_admin(session):
        raise not_allowed("account", "STANDIN")
    known = session.engine.catalog.section("monitors")
    # Options are parsed without their quotes: a plain name is told by its upper case.
    if str(monitor).upper() not in {"NULL", *known} and str(monitor) not in known:
        raise not_found("Resource monitor", str(monitor))


def _alter_user(session: Session, name: str, rest: str) -> None:
    catalog = session.engine.catalog
    options = parse_options(re.sub(r"^\s*SET\s+", "", rest, flags=re.IGNORECASE))
    with catalog.changed():
        user = catalog.users[name]
        if "RSA_PUBLIC_KEY" in options:
            user["public_key"] = _pem(str(options["RSA_PUBLIC_KEY"]))
        if "PASSWORD" in options:
            user["password"] = login.hashed(str(options["PASSWORD"]), user["salt"])
        for key in ("DEFAULT_ROLE", "DEFAULT_WAREHOUSE"):
            if key in options:
                user[key.lower()] = str(options[key]).upper()


def show(session: Session, sql: str, params: Any) -> Result:
    """SHOW ROLES, USERS, WAREHOUSES, LOCKS, TRANSACTIONS..."""
    del params
    text = sql.upper()
    catalog = session.engine.catalog
    if "LOCKS" in text:
        rows = [
            {"resource": table, "type": "PARTITIONS", "transaction": str(number), "status": status}
            for table, number, status in session.engine.locks.report()
        ]
        return Result.rows(rows, ["resource", "type", "transaction", "status"], statement_type.SHOW)
    if "TRANSACTIONS" in text:
        held = session.transaction
        rows = [] if held is None else [{"id": str(held.number), "state": "running"}]
        return Result.rows(rows, ["id", "state"], statement_type.SHOW)
    section = next(
        name for word, name in (
            ("ROLES", "roles"), ("USERS", "users"), ("WAREHOUSES", "warehouses"), ("MONITORS", "monitors"),
            ("INTEGRATIONS", "integrations"),
        ) if word in text
    )  # fmt: skip
    like = re.search(r"LIKE\s+'([^']*)'", sql, re.IGNORECASE)
    pattern = ".*" if like is None else re.escape(like[1]).replace("%", ".*").replace("_", ".")
    names = [name for name in sorted(catalog.section(section)) if re.fullmatch(pattern, name, re.IGNORECASE)]
    if section == "monitors":
        # docs.snowflake.com/en/sql-reference/sql/show-resource-monitors: administrators see them.
        shown = [_monitor(name, catalog.section(section)[name]) for name in names if rights.is_admin(session)]
        columns = ["name", "credit_quota", "frequency", "notify_at", "suspend_at", "suspend_immediately_at"]
        return Result.rows(shown, columns, statement_type.SHOW)
    if section != "warehouses":
        plain_rows = [{"name": name, "comment": ""} for name in names]
        return Result.rows(plain_rows, ["name", "comment"], statement_type.SHOW)
    shown = [_warehouse(name, catalog) for name in names if _sees_warehouse(session, name)]
    columns = ["name", "auto_suspend", "comment", "size", "auto_resume", "resource_monitor"]
    return Result.rows(shown, columns, statement_type.SHOW)


_SIZES = {"XSMALL": "X-Small", "SMALL": "Small", "MEDIUM": "Medium", "LARGE": "Large", "XLARGE": "X-Large"}


def _sees_warehouse(session: Session, name: str) -> bool:
    return rights.is_admin(session) or bool(rights.privileges(session, "WAREHOUSE", name))


def _warehouse(name: str, catalog: Catalog) -> dict[str, Any]:
    warehouse = catalog.warehouses[name]
    options = parse_options(warehouse.get("options") or "")
    size = str(options.get("WAREHOUSE_SIZE", "XSMALL")).upper()
    monitor = str(options.get("RESOURCE_MONITOR", "null"))
    folded = "null" if monitor.upper() == "NULL" else monitor.upper()
    return {
        "name": name, "auto_suspend": _auto_suspend(warehouse), "comment": "",
        "size": _SIZES.get(size, size), "auto_resume": str(options.get("AUTO_RESUME", "TRUE")).lower(),
        "resource_monitor": monitor if monitor in catalog.section("monitors") else folded,
    }  # fmt: skip


def _monitor(name: str, monitor: dict[str, Any]) -> dict[str, Any]:
    text = monitor["options"]
    quota = re.search(r"CREDIT_QUOTA\s*=\s*(\d+)", text, re.IGNORECASE)
    frequency = re.search(r"FREQUENCY\s*=\s*(\w+)", text, re.IGNORECASE)
    triggers = re.findall(r"ON\s+(\d+)\s+PERCENT\s+DO\s+(\w+)", text, re.IGNORECASE)

    def at(action: str) -> str | None:
        return ",".join(f"{share}%" for share, done in triggers if done.upper() == action) or None

    return {
        "name": name, "credit_quota": None if quota is None else f"{quota[1]}.00",
        "frequency": "MONTHLY" if frequency is None else frequency[1].upper(),
        "notify_at": at("NOTIFY"), "suspend_at": at("SUSPEND"),
        "suspend_immediately_at": at("SUSPEND_IMMEDIATE"),
    }  # fmt: skip


def _auto_suspend(warehouse: dict[str, Any]) -> str | None:
    """Seconds, ten minutes unless given; None where it never suspends."""
    seconds = str(parse_options(warehouse.get("options") or "").get("AUTO_SUSPEND", "600"))
    return None if seconds in ("0", "NULL") else seconds
