"""Roles, users, grants, warehouses and other objects of an account."""

import re
from typing import Any

from fakesnow import statement_type

from eventreplay.testing.standin import login, rights
from eventreplay.testing.standin.copy_options import parse_options
from eventreplay.testing.standin.failures import SqlError, exists_already, not_allowed, not_found, unsupported
from eventreplay.testing.standin.files import full_name
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
_ROLE_GRANT = re.compile(
    rf"(?P<verb>GRANT|REVOKE)\s+ROLE\s+(?P<role>{_NAME})\s+(?:TO|FROM)\s+(?P<kind>ROLE|USER)\s+(?P<name>{_NAME})\s*",
    re.IGNORECASE,
)
_GRANT = re.compile(
    r"(?P<verb>GRANT|REVOKE)\s+(?:GRANT\s+OPTION\s+FOR\s+)?(?P<privileges>[\w\s,]+?)\s+ON\s+(?P<object>.+?)\s+"
    rf"(?:TO|FROM)\s+(?:ROLE\s+)?(?P<role>{_NAME})\s*"
    r"(?P<rest>(?:WITH\s+GRANT\s+OPTION|(?:COPY|REVOKE)\s+CURRENT\s+GRANTS|CASCADE|RESTRICT)?)\s*",
    re.IGNORECASE | re.DOTALL,
)
_MANY = re.compile(
    rf"(?P<which>ALL|FUTURE)\s+(?P<kind>[\w ]+?)S\s+IN\s+(?P<inside>SCHEMA|DATABASE)\s+(?P<name>{_NAME})",
    re.IGNORECASE,
)
_ALL = {
    "TABLE": ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES"),
    "VIEW": ("SELECT", "REFERENCES"),
    "SCHEMA": (
        "USAGE",
        "MODIFY",
        "MONITOR",
        "CREATE TABLE",
        "CREATE VIEW",
        "CREATE STAGE",
        "CREATE FILE FORMAT",
    ),
    "DATABASE": ("USAGE", "MODIFY", "MONITOR", "CREATE SCHEMA"),
    "STAGE": ("USAGE", "READ", "WRITE"),
    "WAREHOUSE": ("USAGE", "OPERATE", "MONITOR", "MODIFY"),
}


def grants(session: Session, sql: str, params: Any) -> Result:
    """GRANT, REVOKE, SHOW GRANTS."""
    del params
    text = re.sub(r"\s+", " ", sql).strip()
    if text.upper().startswith("SHOW"):
        return _show_grants(session, text)
    session.commit()
    if found := _ROLE_GRANT.fullmatch(text):
        return _grant_role(session, found)
    found = _GRANT.fullmatch(text)
    if found is None or re.search(r"\b(DATABASE ROLE|APPLICATION|SHARE)\b", text, re.IGNORECASE):
        raise unsupported(text[:60])
    role = plain(found["role"])
    catalog = session.engine.catalog
    if role not in catalog.roles:
        raise not_found("Role", role)
    wanted = [re.sub(r"\s+", " ", item.strip().upper()) for item in found["privileges"].split(",")]
    with catalog.changed():
        held = catalog.grants.setdefault(role, [])
        for kind, name in _objects(session, found["object"].strip()):
            _may_grant(session, kind, name)
            each = _ALL.get(kind, ()) if wanted[0] in ("ALL", "ALL PRIVILEGES") else wanted
            stored = "TABLE" if kind == "VIEW" else "FUTURE TABLE" if kind == "FUTURE VIEW" else kind
            for privilege in each:
                _one(catalog.owners, held, [privilege, stored, name], role, found["verb"].upper())
    return Result.status(DONE)


def _one(owners: dict[str, str], held: list[list[str]], entry: list[str], role: str, verb: str) -> None:
    if entry[0] == "OWNERSHIP" and verb == "GRANT":
        owners[f"{entry[1]} {entry[2]}"] = role
    elif verb == "GRANT" and entry not in held:
        held.append(entry)
    elif verb == "REVOKE" and entry in held:
        held.remove(entry)


def _may_grant(session: Session, kind: str, name: str) -> None:
    manages = "SECURITYADMIN" in rights.roles_of(session, session.role)
    if not (rights.is_admin(session) or manages or "OWNERSHIP" in rights.privileges(session, kind, name)):
        raise not_allowed(kind, name.rsplit(".", 1)[-1])


def _objects(session: Session, text: str) -> list[tuple[str, str]]:
    if text.upper() == "ACCOUNT":
        return [("ACCOUNT", "")]
    if found := _MANY.fullmatch(text):
        inside = _place(session, found["inside"].upper(), found["name"])
        kind = found["kind"].upper()
        if found["which"].upper() == "FUTURE":
            return [(f"FUTURE {kind}", inside)]
        stored = "TABLE" if kind == "VIEW" else kind
        return [
            (kind, key.split(" ", 1)[1])
            for key in session.engine.catalog.owners
            if key.startswith(f"{stored} {inside}.")
        ]
    found = re.fullmatch(rf"(?P<kind>.+?)\s+(?P<name>{_NAME})", text)
    if found is None:
        raise unsupported(f"GRANT ON {text}")
    kind = found["kind"].upper()
    name = _place(session, kind, found["name"])
    _must_exist(session, kind, name)
    return [(kind, name)]


def _must_exist(session: Session, kind: str, name: str) -> None:
    engine = session.engine
    there = True
    if kind == "DATABASE":
        there = engine.has_database(name)
    elif kind == "SCHEMA":
        there = engine.has_schema(*name.split(".", 1))
    elif kind == "STAGE":
        there = name in engine.catalog.stages
    elif kind == "WAREHOUSE":
        there = name in engine.catalog.warehouses
    elif kind in ("TABLE", "VIEW"):
        query = (
            "select 1 from information_schema.tables "
            "where table_catalog = ? and table_schema = ? and table_name = ?"
        )
        there = session.duck.cursor().execute(query, rights.parts_of(name)).fetchone() is not None
    if not there:
        raise not_found(kind, name)


def _place(session: Session, kind: str, name: str) -> str:
    if kind in ("TABLE", "VIEW", "STAGE", "FILE FORMAT", "SEQUENCE"):
        return full_name(session, name)
    parts = [plain(part) for part in re.findall(r'"(?:[^"]|"")+"|[\w$]+', name)]
    if kind == "SCHEMA" and len(parts) == 1:
        parts.insert(0, session.database or "")
    return ".".join(parts)


def _grant_role(session: Session, found: re.Match[str]) -> Result:
    catalog = session.engine.catalog
    role, name, kind = plain(found["role"]), plain(found["name"]), found["kind"].upper()
    if not rights.roles_of(session, session.role) & {"SECURITYADMIN", "USERADMIN", "ACCOUNTADMIN"}:
        raise not_allowed("Role", role)
    if role not in catalog.roles:
        raise not_found("Role", role)
    if name not in (catalog.roles if kind == "ROLE" else catalog.users):
        raise not_found(kind, name)
    with catalog.changed():
        held = catalog.roles[name]["granted"] if kind == "ROLE" else catalog.users[name]["roles"]
        if found["verb"].upper() == "GRANT" and role not in held:
            held.append(role)
        elif found["verb"].upper() == "REVOKE" and role in held:
            held.remove(role)
    return Result.status(DONE)


def _show_grants(session: Session, text: str) -> Result:
    columns = ["privilege", "granted_on", "name", "granted_to", "grantee_name"]
    catalog = session.engine.catalog
    rows: list[dict[str, Any]] = []
    if found := re.search(rf"TO USER ({_NAME})", text, re.IGNORECASE):
        user = catalog.users.get(plain(found[1]))
        if user is None:
            raise not_found("User", plain(found[1]))
        rows = [
            {"role": role, "granted_to": "USER", "grantee_name": plain(found[1])} for role in user["roles"]
        ]
        return Result.rows(rows, ["role", "granted_to", "grantee_name"], statement_type.SHOW)
    target = re.search(rf"\bON (.+?) ({_NAME})$", text, re.IGNORECASE)
    only = re.search(rf"TO ROLE ({_NAME})", text, re.IGNORECASE)
    for role, entries in catalog.grants.items():
        rows += [
            {"privilege": p, "granted_on": k, "name": n, "granted_to": "ROLE", "grantee_name": role}
            for p, k, n in entries
        ]
    for key, role in catalog.owners.items():
        kind, name = key.split(" ", 1)
        rows.append(
            {
                "privilege": "OWNERSHIP",
                "granted_on": kind,
                "name": name,
                "granted_to": "ROLE",
                "grantee_name": role,
            }
        )
    if only:
        rows = [row for row in rows if row["grantee_name"] == plain(only[1])]
    if target:
        kind = target[1].upper()
        name = _place(session, kind, target[2])
        rows = [row for row in rows if row["name"] == name]
    return Result.rows(rows, columns, statement_type.SHOW)


def define(session: Session, sql: str, params: Any) -> Result:
    """CREATE, ALTER, DROP of roles, users, warehouses, monitors, integrations."""
    del params
    found = _DEFINE.fullmatch(sql)
    if found is None:
        raise SqlError(f"SQL compilation error:\nsyntax error in '{sql[:40]}'", 1003, "42000")
    kind = re.sub(r"\s+", " ", found["kind"].upper())
    name, verb = plain(found["name"]), found["verb"].upper()
    session.commit()
    administers = {"ROLE": "USERADMIN", "USER": "USERADMIN"}.get(kind, "SYSADMIN")
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
    elif kind == "WAREHOUSE" and changed is not None:
        held = session.engine.catalog.warehouses[name]
        parse_options(changed[1])
        with session.engine.catalog.changed():
            # Of two options of one name the last is in force.
            held["options"] = f"{held.get('options') or ''} {changed[1]}"


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
    if section != "warehouses":
        plain_rows = [{"name": name, "comment": ""} for name in names]
        return Result.rows(plain_rows, ["name", "comment"], statement_type.SHOW)
    shown = [
        {"name": name, "auto_suspend": _auto_suspend(catalog.warehouses[name]), "comment": ""}
        for name in names
    ]
    return Result.rows(shown, ["name", "auto_suspend", "comment"], statement_type.SHOW)


def _auto_suspend(warehouse: dict[str, Any]) -> str | None:
    """Seconds, ten minutes unless given; None where it never suspends."""
    seconds = str(parse_options(warehouse.get("options") or "").get("AUTO_SUSPEND", "600"))
    return None if seconds in ("0", "NULL") else seconds
