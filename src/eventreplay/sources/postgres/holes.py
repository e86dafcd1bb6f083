"""Which ids are missing, and who could still fill them: one snapshot each, by sets, never row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen

from eventreplay.sources.postgres import drivers
from eventreplay.sources.postgres.session import Session
from eventreplay.sources.postgres.table import TREE, Journal

BLOCK_IDS = 65_536
FETCHED_ROWS = 50_000
_EMPTY = np.zeros((0, 2), dtype=np.int64)

# Whoever inserts holds RowExclusiveLock on the table, and whoever takes an id holds it on the sequence, both
# to the end of their transaction and both before the id is taken. Weaker modes (readers, VACUUM, building an
# index) do not write rows. pg_locks looks at the fast-path locks first and at the main table then, and a lock
# only ever moves from there to here, so none is missed. A prepared transaction has no process.
_WRITERS = f"""
WITH RECURSIVE {TREE},
held AS (
  SELECT DISTINCT virtualtransaction, pid FROM pg_locks
  WHERE locktype = 'relation' AND granted AND database = %(database)s
    AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    AND (relation IN (SELECT oid FROM tree) OR relation = ANY(%(sequences)s::oid[]))
)
SELECT held.virtualtransaction, held.pid, a.application_name, a.usename::text, a.state,
       extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8, p.gid
FROM held
LEFT JOIN pg_stat_activity a ON a.pid = held.pid
LEFT JOIN LATERAL (
  SELECT x.gid, x.prepared FROM pg_locks t JOIN pg_prepared_xacts x ON x.transaction = t.transactionid
  WHERE held.pid IS NULL AND t.locktype = 'transactionid' AND t.virtualtransaction = held.virtualtransaction
  LIMIT 1
) p ON true
ORDER BY 6 DESC NULLS LAST, 1
"""


@frozen(kw_only=True)
class Hold:
    """A transaction that could still fill a hole, and so keeps the head below it.

    Attributes:
        transaction: its virtual id; that of a prepared one begins with -1.
        pid: of its server process; None for a prepared one.
        application_name: what its client calls itself.
        user: whose it is; None where the role may not see it.
        state: idle in transaction, active, prepared, ...; None where the role may not see it.
        age_s: since it began, or was prepared; None where the role may not see it.
        gid: of a prepared one.
    """

    transaction: str
    pid: int | None
    application_name: str | None
    user: str | None
    state: str | None
    age_s: float | None
    gid: str | None

    def __str__(self) -> str:
        who = f"prepared transaction {self.gid!r}" if self.pid is None else f"pid {self.pid}"
        facts = [self.application_name, self.user, self.state]
        if self.age_s is not None:
            facts.append(f"{self.age_s:.0f} s old")
        shown = ", ".join(str(fact) for fact in facts if fact)
        return f"{who} ({shown})" if shown else who


@frozen(kw_only=True)
class Look:
    """What one snapshot shows above a position.

    Attributes:
        snapshot: its id, as evidence.
        highest: the highest visible id, or None.
        holes: missing ids below it as rows of (first, last), ascending.
    """

    snapshot: str
    highest: int | None
    holes: np.ndarray


def writers(session: Session, journal: Journal) -> list[Hold]:
    """Every transaction that holds a write lock on the table, its partitions or its sequence, now."""
    parameters = {
        "table": journal.oid,
        "database": journal.database_oid,
        "sequences": [each.oid for each in journal.sequences],
    }
    found = session.rows("a look at the locks", _WRITERS, parameters)
    return [
        Hold(
            transaction=vxid,
            pid=pid,
            application_name=application or None,
            user=user,
            state="prepared" if pid is None else state,
            age_s=age,
            gid=gid,
        )
        for vxid, pid, application, user, state, age, gid in found
    ]


def look(session: Session, journal: Journal, id_column: str, after: int, upto: int | None = None) -> Look:
    """Holes above `after`, in one snapshot: blocks that are full are only counted.

    Memory: 16 bytes per hole, and a row per block of 65,536 ids that holds any.
    """
    sql = drivers.psycopg2().sql
    names = {"id": sql.Identifier(id_column), "table": sql.Identifier(journal.schema, journal.name)}
    connection = session.connection()
    with drivers.mapped("a look for holes"):
        # One snapshot for all statements of this look.
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True, autocommit=False)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_current_snapshot()::text")
                snapshot = str(cursor.fetchone()[0])
                limit = sql.SQL("" if upto is None else " AND {} <= {}").format(
                    names["id"], sql.Literal(upto)
                )
                cursor.execute(
                    sql.SQL("SELECT max({id}) FROM {table} WHERE {id} > {after}{limit}").format(
                        limit=limit, after=sql.Literal(after), **names
                    )
                )
                highest = cursor.fetchone()[0]
                end = highest if upto is None else upto
                holes = _EMPTY if end is None or end <= after else _holes(cursor, names, after, end)
        finally:
            connection.rollback()
            connection.set_session(isolation_level="DEFAULT", readonly=True, autocommit=True)
    return Look(snapshot=snapshot, highest=highest, holes=holes)


def _holes(cursor: Any, names: dict[str, Any], after: int, upto: int) -> np.ndarray:
    sql = drivers.psycopg2().sql
    cursor.execute(
        sql.SQL(
            "SELECT {id} / {block} AS block, count(*), min({id}), max({id}) FROM {table} "
            "WHERE {id} > {after} AND {id} <= {upto} GROUP BY 1"
        ).format(block=sql.Literal(BLOCK_IDS), after=sql.Literal(after), upto=sql.Literal(upto), **names)
    )
    blocks = np.array(sorted(cursor.fetchall()), dtype=np.int64).reshape(-1, 4)
    last, found = after, [_EMPTY]
    for _, count, first, final in blocks:
        if first > last + 1:
            found.append(np.array([[last + 1, first - 1]], dtype=np.int64))
        if count < final - first + 1:
            found.append(_within(cursor, names, int(first), int(final)))
        last = final
    if last < upto:
        found.append(np.array([[last + 1, upto]], dtype=np.int64))
    return _joined(np.concatenate(found))


def _within(cursor: Any, names: dict[str, Any], first: int, final: int) -> np.ndarray:
    """Holes between two ids of a block that are both there."""
    sql = drivers.psycopg2().sql
    cursor.execute(
        sql.SQL(
            "SELECT before + 1, id - 1 FROM (SELECT {id} AS id, lag({id}) OVER (ORDER BY {id}) AS before "
            "FROM {table} WHERE {id} BETWEEN {first} AND {final}) AS each WHERE id > before + 1 ORDER BY 1"
        ).format(first=sql.Literal(first), final=sql.Literal(final), **names)
    )
    return np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 2)


def _joined(holes: np.ndarray) -> np.ndarray:
    """Holes that touch (at the border of a block) as one."""
    if len(holes) < 2:  # noqa: PLR2004 - a pair
        return holes
    begins = np.concatenate([[True], holes[1:, 0] > holes[:-1, 1] + 1])
    firsts = holes[begins, 0]
    lasts = np.append(holes[:-1][begins[1:], 1], holes[-1, 1])
    return np.stack([firsts, lasts], axis=1)


def present(session: Session, table: Any, id_column: Any, where: Any, ranges: np.ndarray) -> list[int]:
    """Which ids of these ranges are there, in ranges of `FETCHED_ROWS` at a time; at most so many ids."""
    sql = drivers.psycopg2().sql
    # Range by range, which the LIMIT inside enforces. Of a plain join the server expects to have enough rows
    # soon, and compares each of the table's with each range; as a rule there are none at all.
    statement = sql.SQL(
        "SELECT late.id FROM unnest({low}::bigint[], {high}::bigint[]) AS gap(low, high) CROSS JOIN LATERAL "
        "(SELECT {id} AS id FROM {table} WHERE {id} BETWEEN gap.low AND gap.high{where} ORDER BY 1 "
        "LIMIT {most}) AS late LIMIT {most}"
    )
    found: list[int] = []
    for begin in range(0, len(ranges), FETCHED_ROWS):
        piece = ranges[begin : begin + FETCHED_ROWS]
        composed = statement.format(
            id=id_column,
            table=table,
            where=where,
            low=sql.Literal(piece[:, 0].tolist()),
            high=sql.Literal(piece[:, 1].tolist()),
            most=sql.Literal(FETCHED_ROWS),
        )
        rows = session.rows("a look for late arrivals", composed)
        found += [int(row[0]) for row in rows]
        if len(found) >= FETCHED_ROWS:
            break
    return found
