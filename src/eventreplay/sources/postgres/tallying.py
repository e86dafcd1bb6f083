"""Counting and adding up a journal's records on the server, for `verify`: SELECT is all it needs.

A record's hash is made of what `read` fetches of it: the id as text, and the payload's bytes, of json and
jsonb those of the text that the server prints, which is what a capture stores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from eventreplay.capabilities.tally import JOURNAL_SCHEMA, JournalTally, Span, bucket_of, edges_of, joined
from eventreplay.sources.postgres import drivers
from eventreplay.sources.postgres.columns import Selection
from eventreplay.sources.postgres.session import Session

_POSITION_MAX = (1 << 63) - 1
# The first 8 bytes of a SHA-256, big endian, as a signed integer; `sum` of bigint is an exact numeric.
_HASH = "('x' || encode(substring(sha256({}) FROM 1 FOR 8), 'hex'))::bit(64)::bigint"


def tally(session: Session, selection: Selection, spans: Sequence[Span]) -> list[JournalTally]:
    """See `SupportsJournalTally.journal_tally`."""
    made = [JournalTally()] * len(spans)
    if not spans:
        return made
    sql = drivers.psycopg2().sql
    edges, at = edges_of(spans)
    statement = sql.SQL(
        "SELECT " + bucket_of("position", edges) + " AS bucket, count(*), sum(hash)"
        " FROM ({}) AS tallied GROUP BY 1"
    ).format(_records(selection, spans))
    for bucket, count, hashes in session.rows("a count of its records", statement):
        if bucket in at:
            made[at[bucket]] = JournalTally(rows=int(count), hashes=int(hashes))
    return made


def rows(
    session: Session, selection: Selection, span: Span, rows_max: int | None
) -> Iterator[pa.RecordBatch]:
    """See `SupportsJournalTally.journal_rows`; the span is small, so its records come at once."""
    sql = drivers.psycopg2().sql
    limit = sql.SQL("" if rows_max is None else " LIMIT {}").format(sql.Literal(rows_max))
    statement = sql.SQL("{} ORDER BY 1{}").format(_records(selection, [span]), limit)
    found = session.rows("a look at its records", statement)
    columns = zip(*found, strict=True) if found else ([], [], [])
    yield pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, JOURNAL_SCHEMA, strict=True)],
        schema=JOURNAL_SCHEMA,
    )


def _records(selection: Selection, spans: Sequence[Span]) -> Any:
    sql = drivers.psycopg2().sql
    within = sql.SQL(" OR ").join(
        sql.SQL("({id} >= {first} AND {id} <= {last})").format(
            id=selection.id, first=sql.Literal(span.first), last=sql.Literal(min(span.end - 1, _POSITION_MAX))
        )
        for span in joined(spans)
    )
    return sql.SQL(
        "SELECT {id}::bigint AS position, {event_id} AS event_id, " + _HASH + " AS hash"
        " FROM {table} WHERE ({within}){where}"
    ).format(
        selection.hashed,
        id=selection.id,
        event_id=selection.event_id,
        table=selection.table,
        within=within,
        where=selection.where,
    )
