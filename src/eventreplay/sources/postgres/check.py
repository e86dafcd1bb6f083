"""What `doctor` says of a journal: reachable, TLS, version, rights one by one, sequence, columns."""

from __future__ import annotations

from collections.abc import Iterator

from eventreplay.errors import EventReplayError
from eventreplay.finding import Finding
from eventreplay.sources.postgres.columns import select
from eventreplay.sources.postgres.fitness import obstacles
from eventreplay.sources.postgres.session import Session, conninfo
from eventreplay.sources.postgres.settings import PostgresSettings, is_local
from eventreplay.sources.postgres.table import TREE, Journal, describe, epoch

_CHANGED = (
    f"WITH RECURSIVE {TREE} SELECT coalesce(sum(n_tup_upd), 0)::bigint, coalesce(sum(n_tup_del), 0)::bigint"
    " FROM pg_stat_all_tables JOIN tree ON relid = tree.oid"
)
_INDEXED = """
SELECT count(*) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = %s AND i.indisvalid AND i.indpred IS NULL AND a.attname = %s
"""


def check(settings: PostgresSettings) -> list[Finding]:
    """All findings; what cannot be looked at because of an earlier one is left out."""
    session = Session(settings)
    found: list[Finding] = []
    try:
        for each in _findings(session, settings):
            found.append(each)  # noqa: PERF402 - what was found before an error is kept
    except EventReplayError as error:
        name = "journal" if found else "reachable"
        found.append(Finding(name=name, ok=False, detail=error.message, hint=error.hint))
    finally:
        session.close()
    return found


def _findings(session: Session, settings: PostgresSettings) -> Iterator[Finding]:
    session.connection()
    yield Finding(name="reachable", ok=True, detail="The server answers and let us in.")
    journal = describe(session, settings)
    yield _tls(journal, settings)
    yield _fact("version", f"PostgreSQL {journal.version // 10_000}.{journal.version % 10_000}.")
    yield _fact("role", f"{journal.role} in database {journal.database}.")
    for right in journal.rights:
        detail = "Granted." if right.granted else f"The role {journal.role} lacks it."
        yield Finding(
            name=right.name, ok=right.granted, detail=detail, hint="" if right.granted else right.grant
        )
    for obstacle in obstacles(journal, settings):
        yield Finding(name=obstacle.name, ok=False, detail=obstacle.detail, hint=obstacle.hint)
    select(journal, settings)
    yield _fact("columns", f"{len(journal.columns)} columns; each attribute has one that fits.")
    yield from _advice(session, settings, journal)
    if all(right.granted for right in journal.rights):
        yield _fact("epoch", epoch(session, journal))


def _tls(journal: Journal, settings: PostgresSettings) -> Finding:
    given = conninfo(settings)
    local = is_local(given.get("host"))
    safe = local or given["sslmode"] == "verify-full"
    state = "encrypted" if journal.is_encrypted else "not encrypted"
    return Finding(
        name="TLS",
        ok=safe,
        detail=f"The connection is {state}, sslmode {given['sslmode']}.",
        hint="" if safe else "Leave sslmode away: verify-full makes sure that it is the right server.",
        required=False,
    )


def _advice(session: Session, settings: PostgresSettings, journal: Journal) -> Iterator[Finding]:
    updated, deleted = session.rows("a look at its statistics", _CHANGED, {"table": journal.oid})[0]
    changed = bool(updated or deleted)
    yield Finding(
        name="append-only",
        ok=not changed,
        detail=f"{updated} rows updated and {deleted} deleted since the server's statistics began.",
        hint="The log keeps what was captured; later changes do not reach it." if changed else "",
        required=False,
    )
    rows = session.rows("a look at its indexes", _INDEXED, (journal.oid, settings.id_column))
    indexed = bool(rows[0][0])
    yield Finding(
        name="index",
        ok=indexed,
        detail=f"{'An' if indexed else 'No'} index begins with {settings.id_column}.",
        hint="" if indexed else "Each look for new events reads the whole table: CREATE UNIQUE INDEX.",
        required=False,
    )


def _fact(name: str, detail: str) -> Finding:
    return Finding(name=name, ok=True, detail=detail)
