"""Which of the rights a rebuild takes a role lacks, read from its grants: using them would make something."""

from __future__ import annotations

from eventreplay.sinks.snowflake.deployment.grants import Name, parts_of
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import quoted
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.tables import MOVING, Raw

_ROLES_MAX = 200
"""Roles that are looked at, the inherited ones of the inherited included."""
_WRITES = ("SELECT", "INSERT", "UPDATE", "DELETE")

Right = tuple[str, str, Name]
"""Privilege, kind of the object, and its name."""


def missing_for_rebuild(session: Session, raw: Raw) -> list[tuple[str, str]]:
    """What the session's role lacks, in words, each with the statement that gives it.

    Raises:
        SinkError: its grants cannot be read.
    """
    held = _held(session, raw.role)
    to = f"TO ROLE {quoted(raw.role)}"
    database = (raw.database,)
    missing = []
    if not held & {("CREATE SCHEMA", "DATABASE", database), ("OWNERSHIP", "DATABASE", database)}:
        given = f"GRANT USAGE, CREATE SCHEMA ON DATABASE {quoted(raw.database)} {to};"
        missing.append((f"CREATE SCHEMA on {raw.database}", given))
    for name in MOVING:
        if ("OWNERSHIP", "TABLE", (raw.database, raw.schema, name)) not in held:
            given = f"GRANT OWNERSHIP ON TABLE {raw.table(name)} {to} COPY CURRENT GRANTS;"
            missing.append((f"ownership of {raw.schema}.{name}", given))
    registry = (raw.database, raw.schema, "GENERATIONS")
    owned = ("OWNERSHIP", "TABLE", registry) in held
    lacks = [right for right in _WRITES if not owned and (right, "TABLE", registry) not in held]
    if lacks:
        given = f"GRANT {', '.join(lacks)} ON TABLE {raw.table('GENERATIONS')} {to};"
        missing.append((f"{', '.join(lacks)} on {raw.schema}.GENERATIONS", given))
    return missing


def _held(session: Session, role: str) -> set[Right]:
    """Rights of a role and of all that were granted to it."""
    found: set[Right] = set()
    seen: set[str] = set()
    todo = [role]
    while todo and len(seen) < _ROLES_MAX:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        rows = session.named(
            f"SHOW GRANTS TO ROLE {quoted(name)}", doing=Doing(f"Reading the grants to role {name}")
        )
        for row in rows:
            kind, parts = str(row["granted_on"]).upper(), parts_of(str(row["name"]))
            found.add((str(row["privilege"]).upper(), kind, parts))
            if kind == "ROLE" and row["privilege"] == "USAGE":
                todo.append(parts[-1])
    return found
