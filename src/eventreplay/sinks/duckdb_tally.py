"""Counting, adding up and comparing the rows of a DuckDB warehouse, for `verify`.

Each question has a cursor of its own, so it sees what is committed, and may be left half-way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from eventreplay.capabilities.tally import TALLIED_SCHEMA, Order, Span, Tally, bucket_of, edges_of, within
from eventreplay.sinks.duckdb_tables import driver_errors

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS = 8_192
_VIEW = "eventreplay_expected"


def _hash(event_id: str, payload_digest: str) -> str:
    """As `hashing.event_hash`: the first 8 bytes of a SHA-256 as a signed integer."""
    unsigned = f"('0x' || left(sha256(encode({event_id}) || {payload_digest}), 16))::UBIGINT::HUGEINT"
    # No CASE over the expression, which would be computed twice: the upper half is moved down.
    return f"(({unsigned} + 9223372036854775808) % 18446744073709551616 - 9223372036854775808)::BIGINT"


_COMPUTED = _hash("event_id", "payload_sha256")
_REFUSED_DIGEST = "unhex(sha256(coalesce(payload, ''::BLOB)))"
_ID = "coalesce(event_id, '')"


def _source(schema: str, order: Order) -> str:
    """Rows of one order as offset, id, claimed and computed hash, and whether they are in QUARANTINE."""
    event_id = _ID if order == "log" else "''"
    stage = "decode" if order == "log" else "capture"
    refused = f"""SELECT log_offset, event_id, {_hash(event_id, "payload_sha256")} AS claimed,
        {_hash(event_id, _REFUSED_DIGEST)} AS computed, 1 AS refused
        FROM {schema}.QUARANTINE WHERE log_partition = $partition AND stage = '{stage}'"""
    if order == "capture":
        return refused
    return f"""SELECT log_offset, event_id, event_hash AS claimed, {_COMPUTED} AS computed, 0 AS refused
        FROM {schema}.EVENTS WHERE log_partition = $partition UNION ALL {refused}"""


def partitions(connection: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    """Names of partitions that any row is of."""
    with driver_errors(f"Listing the partitions of {schema}"), connection.cursor() as cursor:
        rows = cursor.execute(
            f"SELECT log_partition FROM {schema}.EVENTS UNION SELECT log_partition FROM {schema}.QUARANTINE"
            " ORDER BY 1"
        ).fetchall()
    return [name for (name,) in rows]


def tally(
    connection: duckdb.DuckDBPyConnection, schema: str, partition: str, order: Order, spans: Sequence[Span]
) -> list[Tally]:
    """See `SupportsTally.tally`."""
    edges, at = edges_of(spans)
    with driver_errors(f"Counting {schema}"), connection.cursor() as cursor:
        rows = cursor.execute(
            f"""SELECT {bucket_of("log_offset", edges)} AS bucket, count(*), count(DISTINCT log_offset),
            sum(refused), sum(claimed), sum(computed), max(log_offset)
            FROM ({_source(schema, order)}) AS tallied
            WHERE {within("log_offset", spans)} GROUP BY 1""",
            {"partition": partition},
        ).fetchall()
    made = [Tally()] * len(spans)
    for bucket, count, offsets, refused, claimed, computed, last in rows:
        if bucket in at:
            made[at[bucket]] = Tally(
                rows=count,
                offsets=offsets,
                refused=int(refused),
                claimed=int(claimed),
                computed=int(computed),
                last=last,
            )
    return made


def tallied(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    partition: str,
    order: Order,
    span: Span,
    rows_max: int | None,
) -> Iterator[pa.RecordBatch]:
    """See `SupportsTally.tallied`."""
    limit = "" if rows_max is None else f" LIMIT {int(rows_max)}"
    with driver_errors(f"Reading {schema}"), connection.cursor() as cursor:
        found: Any = cursor.sql(
            f"""SELECT log_offset, event_id, claimed, computed FROM ({_source(schema, order)}) AS tallied
            WHERE log_offset >= {int(span.first)} AND log_offset < {int(span.end)} ORDER BY 1{limit}""",
            params={"partition": partition},
        ).to_arrow_reader(BATCH_ROWS)
        for batch in found:
            yield pa.RecordBatch.from_arrays(batch.columns, schema=TALLIED_SCHEMA)


def differing(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    table: str,
    expected: pa.RecordBatch,
) -> Mapping[int, Sequence[str]]:
    """See `SupportsComparison.differing`; `expected` has the columns as the table stores them."""
    facts = {"partition": expected.column("log_partition")[0].as_py()}
    offsets = expected.column("log_offset")
    within = f"log_offset BETWEEN {offsets[0].as_py()} AND {offsets[-1].as_py()}"
    stage = f" AND stage = '{_stage(expected)}'" if table == "QUARANTINE" else ""
    compared = [
        name for name in expected.schema.names if name not in {"log_partition", "log_offset", "stage"}
    ]
    differs = {name: f'held."{name}" IS DISTINCT FROM due."{name}"' for name in compared}
    parts = ", ".join(f"CASE WHEN {test} THEN '{name}' END" for name, test in differs.items())
    other = "EVENTS" if table == "QUARANTINE" else "QUARANTINE"
    elsewhere = " AND stage = 'decode'" if table == "EVENTS" else ""
    where = f"log_partition = $partition AND {within}"
    with driver_errors(f"Comparing {schema}.{table}"), connection.cursor() as cursor:
        cursor.register(_VIEW, expected)
        rows = cursor.execute(
            f"""SELECT due.log_offset, list_filter([{parts}], lambda name: name IS NOT NULL)
            FROM {_VIEW} AS due JOIN (SELECT * FROM {schema}.{table} WHERE {where}{stage}) AS held
            USING (log_offset) WHERE {" OR ".join(differs.values())}""",
            facts,
        ).fetchall()
        if stage != " AND stage = 'capture'":
            rows += cursor.execute(
                f"""SELECT log_offset, ['table'] FROM {_VIEW} WHERE log_offset IN
                (SELECT log_offset FROM {schema}.{other} WHERE {where}{elsewhere})""",
                facts,
            ).fetchall()
    return _merged(rows)


def _stage(expected: pa.RecordBatch) -> str:
    return "capture" if expected.column("stage")[0].as_py() == "capture" else "decode"


def _merged(rows: Sequence[tuple[Any, ...]]) -> dict[int, list[str]]:
    """Of several rows of one offset, all columns that differ in any."""
    found: dict[int, list[str]] = {}
    for offset, names in rows:
        known = found.setdefault(offset, [])
        known += [name for name in names if name not in known]
    return found
