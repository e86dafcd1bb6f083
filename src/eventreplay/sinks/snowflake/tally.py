"""Counting and adding up the rows of RAW inside Snowflake, for `verify`: one query for a partition's ranges.

The SQL is the DuckDB sink's in Snowflake's words. No row leaves the warehouse but those of small ranges that
differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from eventreplay.capabilities.tally import TALLIED_SCHEMA, Order, Span, Tally, bucket_of, edges_of, within
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.tables import Raw

_OFFSET = '"LOG_OFFSET"'
_HEXADECIMAL = "X" * 16


def partitions(session: Session, raw: Raw) -> list[str]:
    """Names of partitions that any row is of."""
    rows = session.run(
        f'SELECT "LOG_PARTITION" FROM {raw.table("EVENTS")}'
        f' UNION SELECT "LOG_PARTITION" FROM {raw.table("QUARANTINE")} ORDER BY 1',
        doing=_doing(raw, "Listing the partitions of"),
    )
    return [str(row[0]) for row in rows]


def tally(session: Session, raw: Raw, partition: str, order: Order, spans: Sequence[Span]) -> list[Tally]:
    """See `SupportsTally.tally`."""
    edges, at = edges_of(spans)
    query, bound = _source(raw, partition, order)
    rows = session.run(
        f'SELECT {bucket_of(_OFFSET, edges)} AS "BUCKET", COUNT(*), COUNT(DISTINCT {_OFFSET}),'
        f' SUM("REFUSED"), SUM("CLAIMED"), SUM("COMPUTED"), MAX({_OFFSET})'
        f' FROM ({query}) AS "TALLIED" WHERE {within(_OFFSET, spans)} GROUP BY 1',
        bound,
        doing=_doing(raw, "Counting"),
    )
    made = [Tally()] * len(spans)
    for bucket, count, offsets, refused, claimed, computed, last in rows:
        number = at.get(int(bucket))
        if number is not None:
            made[number] = Tally(
                rows=int(count),
                offsets=int(offsets),
                refused=int(refused),
                claimed=int(claimed),
                computed=int(computed),
                last=int(last),
            )
    return made


def tallied(
    session: Session, raw: Raw, partition: str, order: Order, span: Span, rows_max: int | None
) -> Iterator[pa.RecordBatch]:
    """See `SupportsTally.tallied`; the span is small, so its rows come at once."""
    query, bound = _source(raw, partition, order)
    limit = "" if rows_max is None else f" LIMIT {int(rows_max)}"
    rows = session.run(
        f'SELECT {_OFFSET}, "EVENT_ID", "CLAIMED", "COMPUTED" FROM ({query}) AS "TALLIED"'
        f" WHERE {_OFFSET} >= {int(span.first)} AND {_OFFSET} < {int(span.end)} ORDER BY 1{limit}",
        bound,
        doing=_doing(raw, "Reading"),
    )
    made = [
        {"log_offset": int(offset), "event_id": event_id, "claimed": int(claimed), "computed": int(computed)}
        for offset, event_id, claimed, computed in rows
    ]
    yield pa.RecordBatch.from_pylist(made, schema=TALLIED_SCHEMA)


def _doing(raw: Raw, what: str) -> Doing:
    events = raw.doing(f"{what} {raw.schema}", "EVENTS", "SELECT")
    return Doing(events.what, (*events.grants, raw.doing("", "QUARANTINE", "SELECT").grants[-1]))


def _source(raw: Raw, partition: str, order: Order) -> tuple[str, list[object]]:
    """Rows of one order: offset, id, claimed and computed hash, whether in QUARANTINE; and values to bind."""
    event_id = "COALESCE(\"EVENT_ID\", '')" if order == "log" else "''"
    stage = "decode" if order == "log" else "capture"
    digest = "SHA2_BINARY(COALESCE(\"PAYLOAD\", TO_BINARY('', 'HEX')), 256)"
    refused = (
        f'SELECT {_OFFSET}, "EVENT_ID", {_hash(event_id, _STORED_DIGEST)} AS "CLAIMED",'
        f' {_hash(event_id, digest)} AS "COMPUTED", 1 AS "REFUSED" FROM {raw.table("QUARANTINE")}'
        f' WHERE "LOG_PARTITION" = ? AND "STAGE" = \'{stage}\''
    )
    if order == "capture":
        return refused, [partition]
    events = (
        f'SELECT {_OFFSET}, "EVENT_ID", "EVENT_HASH" AS "CLAIMED",'
        f' {_hash(_ID, _STORED_DIGEST)} AS "COMPUTED", 0 AS "REFUSED" FROM {raw.table("EVENTS")}'
        ' WHERE "LOG_PARTITION" = ?'
    )
    return f"{events} UNION ALL {refused}", [partition, partition]


_ID, _STORED_DIGEST = '"EVENT_ID"', '"PAYLOAD_SHA256"'


def _hash(event_id: str, payload_digest: str) -> str:
    """As `hashing.event_hash`: the first 8 bytes of a SHA-256 as a signed integer."""
    digest = f"SHA2(TO_BINARY({event_id}, 'UTF-8') || {payload_digest}, 256)"
    unsigned = f"TO_NUMBER(LEFT({digest}, 16), '{_HEXADECIMAL}')"
    # No CASE over the expression, which would be computed twice: the upper half is moved down.
    return f"(MOD({unsigned} + 9223372036854775808, 18446744073709551616) - 9223372036854775808)"
