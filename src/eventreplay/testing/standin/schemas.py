"""What DuckDB's schemas lack: managed access and transience; kept in the catalog, shown by SHOW SCHEMAS."""

import re
from typing import Any

from fakesnow import statement_type

from eventreplay.testing.standin import reading, rights
from eventreplay.testing.standin.failures import not_found
from eventreplay.testing.standin.parameters import DONE, plain
from eventreplay.testing.standin.results import Result
from eventreplay.testing.standin.session import Session
from eventreplay.testing.standin.tables import Key

_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+))?'
_CREATE = re.compile(
    r"(?P<head>CREATE\s+(?:OR\s+REPLACE\s+)?)(?P<transient>TRANSIENT\s+)?"
    rf"(?P<body>SCHEMA\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME})(?P<managed>\s+WITH\s+MANAGED\s+ACCESS)?(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_ALTER = re.compile(
    rf"ALTER\s+SCHEMA\s+(?P<name>{_NAME})\s+(?P<how>ENABLE|DISABLE)\s+MANAGED\s+ACCESS\s*", re.IGNORECASE
)
_SHOW = re.compile(
    r"SHOW\s+SCHEMAS(?:\s+LIKE\s+'(?P<like>[^']*)')?(?:\s+IN\s+(?:DATABASE\s+)?(?!ACCOUNT\b)"
    r'(?P<database>"(?:[^"]|"")+"|[\w$]+))?\s*',
    re.IGNORECASE,
)
Kind = dict[str, bool]


def take_kind(sql: str) -> tuple[str, Kind | None]:
    """A CREATE SCHEMA without the words that no parser here knows, and what they say; others as they are."""
    found = _CREATE.fullmatch(sql)
    if found is None or not (found["transient"] or found["managed"]):
        return sql, None
    kind = {"transient": bool(found["transient"]), "managed": bool(found["managed"])}
    return f"{found['head']}{found['body']}{found['rest']}", kind


def keep_kind(session: Session, key: Key, kind: Kind) -> None:
    """Keep it for a schema that is about to be made; one that is there stays what it is."""
    if not session.engine.has_schema(key[0], key[1]):
        with session.engine.catalog.changed():
            session.engine.catalog.section("schemas")[f"{key[0]}.{key[1]}"] = kind


def alter_access(session: Session, sql: str) -> Result | None:
    """ALTER SCHEMA ... ENABLE or DISABLE MANAGED ACCESS; None: something else."""
    found = _ALTER.fullmatch(sql)
    if found is None:
        return None
    parts = [plain(part) for part in re.findall(r'"(?:[^"]|"")+"|[\w$]+', found["name"])]
    database, schema = parts if len(parts) > 1 else (session.database or "", parts[0])
    if not session.engine.has_schema(database, schema):
        raise not_found("Schema", f"{database}.{schema}")
    rights.need(session, "OWNERSHIP", "SCHEMA", f"{database}.{schema}")
    session.commit()
    with session.engine.catalog.changed():
        kinds = session.engine.catalog.section("schemas")
        held = kinds.setdefault(f"{database}.{schema}", {"transient": False})
        held["managed"] = found["how"].upper() == "ENABLE"
    return Result.status(DONE)


_SHOWN = (
    "created_on", "name", "is_default", "is_current", "database_name", "owner", "comment", "options",
    "retention_time",
)  # fmt: skip
"""Columns as Snowflake has them, in its order: programs take the second one for the name."""


def show(session: Session, sql: str, params: Any) -> Result:
    """SHOW SCHEMAS [LIKE '...'] [IN [DATABASE] ...]: of one database, those that the role may see."""
    found = _SHOW.fullmatch(sql)
    if found is None:
        return reading.run(session, sql, params)
    database = plain(found["database"]) if found["database"] else session.database
    if database is None or not session.engine.has_database(database):
        raise not_found("Database", database or "")
    rights.need_usage(session, database, None)
    pattern = ".*" if found["like"] is None else re.escape(found["like"]).replace("%", ".*").replace("_", ".")
    names = session.duck.cursor().execute(
        "select schema_name from duckdb_schemas() where database_name = ? and not internal order by 1",
        [database],
    )
    rows = []
    for (name,) in names.fetchall():
        seen = rights.is_admin(session) or rights.privileges(session, "SCHEMA", f"{database}.{name}")
        if not seen or name.startswith("_") or re.fullmatch(pattern, name, re.IGNORECASE) is None:
            continue
        kind = session.engine.catalog.section("schemas").get(f"{database}.{name}", {})
        words = [("transient", "TRANSIENT"), ("managed", "MANAGED ACCESS")]
        options = ", ".join(word for key, word in words if kind.get(key))
        owner = session.engine.catalog.owners.get(f"SCHEMA {database}.{name}", "")
        current = "Y" if (database, name) == (session.database, session.schema) else "N"
        values = (None, name, "N", current, database, owner, "", options, "1")
        rows.append(dict(zip(_SHOWN, values, strict=True)))
    return Result.rows(rows, list(_SHOWN), statement_type.SHOW)
