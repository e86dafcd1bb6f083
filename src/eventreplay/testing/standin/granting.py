"""GRANT, REVOKE, and what SHOW GRANTS says of them."""

import re
from typing import Any

from fakesnow import statement_type

from eventreplay.testing.standin import rights
from eventreplay.testing.standin.failures import not_allowed, not_found, unsupported
from eventreplay.testing.standin.files import full_name
from eventreplay.testing.standin.parameters import DONE, plain
from eventreplay.testing.standin.results import Result
from eventreplay.testing.standin.session import Session

_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+)){0,2}'
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
_IN_SCHEMA = ("TABLE", "VIEW", "STAGE", "FILE FORMAT", "SEQUENCE", "PIPE")
_SECTIONS = {
    "STAGE": "stages", "FILE FORMAT": "formats", "PIPE": "pipes", "WAREHOUSE": "warehouses",
    "INTEGRATION": "integrations", "RESOURCE MONITOR": "monitors", "ROLE": "roles", "USER": "users",
}  # fmt: skip
_SHOWN = ["privilege", "granted_on", "name", "granted_to", "grantee_name"]
_FUTURE = ["privilege", "grant_on", "name", "grant_to", "grantee_name"]
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
            stored = "TABLE" if kind == "VIEW" else kind
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
    """MANAGE GRANTS, or ownership: of the object, or of the schema where that one manages access.

    Grants on what is yet to be made belong to MANAGE GRANTS and to owners of schemas with managed access.
    """
    manages = "SECURITYADMIN" in rights.roles_of(session, session.role)
    if rights.is_admin(session) or manages:
        return
    schema = name if kind.startswith("FUTURE ") else name.rsplit(".", 1)[0] if kind in _IN_SCHEMA else None
    if schema is not None and rights.manages_access(session, schema):
        allowed = "OWNERSHIP" in rights.privileges(session, "SCHEMA", schema)
    else:
        allowed = "OWNERSHIP" in rights.privileges(session, kind, name)  # nobody owns the future
    if not allowed:
        raise not_allowed(kind, name.rsplit(".", 1)[-1])


def _objects(session: Session, text: str) -> list[tuple[str, str]]:
    if text.upper() == "ACCOUNT":
        return [("ACCOUNT", "")]
    if found := _MANY.fullmatch(text):
        inside = _place(session, found["inside"].upper(), found["name"])
        kind = found["kind"].upper()
        _must_exist(session, found["inside"].upper(), inside)
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
    elif kind in _SECTIONS:
        there = name in engine.catalog.section(_SECTIONS[kind])
    elif kind in ("TABLE", "VIEW"):
        query = (
            "select 1 from information_schema.tables "
            "where table_catalog = ? and table_schema = ? and table_name = ?"
        )
        there = session.duck.cursor().execute(query, rights.parts_of(name)).fetchone() is not None
    else:
        raise unsupported(f"rights on {kind}")
    if not there:
        raise not_found(kind, name)


def _place(session: Session, kind: str, name: str) -> str:
    if kind in _IN_SCHEMA:
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
    """SHOW GRANTS ON, TO and OF; SHOW FUTURE GRANTS IN and TO."""
    catalog = session.engine.catalog
    if found := re.fullmatch(rf"SHOW GRANTS TO USER ({_NAME})", text, re.IGNORECASE):
        user = catalog.users.get(plain(found[1]))
        if user is None:
            raise not_found("User", plain(found[1]))
        held = [
            {"role": role, "granted_to": "USER", "grantee_name": plain(found[1])} for role in user["roles"]
        ]
        return Result.rows(held, ["role", "granted_to", "grantee_name"], statement_type.SHOW)
    if found := re.fullmatch(rf"SHOW GRANTS OF ROLE ({_NAME})", text, re.IGNORECASE):
        return _holders(session, _role(session, found[1]))
    if found := re.fullmatch(
        rf"SHOW FUTURE GRANTS (?P<how>IN SCHEMA|IN DATABASE|TO ROLE) (?P<name>{_NAME})", text, re.IGNORECASE
    ):
        return _show_future(session, found["how"].upper(), found["name"])
    rows = _granted(session)
    if found := re.fullmatch(rf"SHOW GRANTS TO ROLE ({_NAME})", text, re.IGNORECASE):
        role = _role(session, found[1])
        rows = [row for row in rows if row["grantee_name"] == role]
    elif found := re.fullmatch(rf"SHOW GRANTS ON (?P<kind>[A-Z ]+?) (?P<name>{_NAME})", text, re.IGNORECASE):
        kind = found["kind"].upper()
        name = _place(session, kind, found["name"])
        _must_exist(session, kind, name)
        rows = [row for row in rows if (row["granted_on"], row["name"]) == (_label(kind), name)]
    elif text.upper() != "SHOW GRANTS":
        raise unsupported(text[:60])
    return Result.rows(rows, _SHOWN, statement_type.SHOW)


def _label(kind: str) -> str:
    """A kind as SHOW GRANTS has it; the catalog keeps views with the tables."""
    return "TABLE" if kind == "VIEW" else kind.replace(" ", "_")


def _role(session: Session, name: str) -> str:
    role = plain(name)
    if role not in session.engine.catalog.roles:
        raise not_found("Role", role)
    return role


def _granted(session: Session) -> list[dict[str, Any]]:
    catalog = session.engine.catalog
    held = [
        (privilege, kind, name, role)
        for role, entries in catalog.grants.items()
        for privilege, kind, name in entries
        if not kind.startswith("FUTURE ")
    ]
    held += [("OWNERSHIP", *rights.owned(key), role) for key, role in catalog.owners.items()]
    held += [
        ("USAGE", "ROLE", given, role) for role, entry in catalog.roles.items() for given in entry["granted"]
    ]
    return [
        {"privilege": p, "granted_on": _label(k), "name": n, "granted_to": "ROLE", "grantee_name": role}
        for p, k, n, role in held
    ]


def _holders(session: Session, role: str) -> Result:
    """Who was granted a role: roles and users."""
    catalog = session.engine.catalog
    rows = [
        {"role": role, "granted_to": "ROLE", "grantee_name": name}
        for name, entry in catalog.roles.items() if role in entry["granted"]
    ]  # fmt: skip
    rows += [
        {"role": role, "granted_to": "USER", "grantee_name": name}
        for name, entry in catalog.users.items() if role in entry["roles"]
    ]  # fmt: skip
    return Result.rows(rows, ["role", "granted_to", "grantee_name"], statement_type.SHOW)


def _show_future(session: Session, how: str, given: str) -> Result:
    """docs.snowflake.com/en/sql-reference/sql/show-grants: other columns; `<TABLE>` is what will be made."""
    name = _role(session, given) if how == "TO ROLE" else _place(session, how[3:], given)
    if how != "TO ROLE":
        _must_exist(session, how[3:], name)
    rows = []
    for role, entries in session.engine.catalog.grants.items():
        for privilege, kind, inside in entries:
            if kind.startswith("FUTURE ") and name == (role if how == "TO ROLE" else inside):
                label = kind.removeprefix("FUTURE ")
                shown = f"{inside}.<{label}>"
                rows.append(dict(zip(_FUTURE, (privilege, label, shown, "ROLE", role), strict=True)))
    return Result.rows(rows, _FUTURE, statement_type.SHOW)
