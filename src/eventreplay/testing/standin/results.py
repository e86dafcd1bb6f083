"""What a statement gives back, and how the connector wants it: rowtype, Arrow stream.

Or JSON rows for DML.
"""

import base64
import re
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from fakesnow import statement_type

from eventreplay.testing.standin.failures import unsupported
from eventreplay.testing.standin.variants import NUMBER_MARK

_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_TYPES = {
    '"NULL"': "text",
    "BIGINT": "fixed",
    "BLOB": "binary",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "DOUBLE": "real",
    "FLOAT": "real",
    "HUGEINT": "fixed",
    "INTEGER": "fixed",
    "JSON": "variant",
    "SMALLINT": "fixed",
    "TIME": "time",
    "TIMESTAMP": "timestamp_ntz",
    "TIMESTAMP WITH TIME ZONE": "timestamp_tz",
    "TIMESTAMP_MS": "timestamp_ntz",
    "TIMESTAMP_NS": "timestamp_ntz",
    "TIMESTAMP_S": "timestamp_ntz",
    "TINYINT": "fixed",
    "UBIGINT": "fixed",
    "UHUGEINT": "fixed",
    "UINTEGER": "fixed",
    "USMALLINT": "fixed",
    "UTINYINT": "fixed",
    "VARCHAR": "text",
}
MAXIMUM_TEXT = 16_777_216
MAXIMUM_BINARY = 8_388_608
_UTC = 1440  # TIMESTAMP_TZ carries its offset in minutes, plus this


@dataclass
class Result:
    """Rows of one statement; `kinds` are DuckDB's type names, one a column."""

    table: pa.Table
    kinds: list[str]
    statement: int = statement_type.UNKNOWN
    upload: dict[str, Any] | None = field(default=None)

    @classmethod
    def fetched(cls, duck: duckdb.DuckDBPyConnection, statement: int) -> "Result":
        """Everything DuckDB's last statement returned."""
        kinds = [str(column[1]) for column in duck.description or []]
        return cls(duck.to_arrow_table(), kinds, statement)

    @classmethod
    def status(cls, text: str, statement: int = statement_type.DDL) -> "Result":
        """The one line that most statements answer with."""
        return cls(pa.table({"status": [text]}), ["VARCHAR"], statement)

    @classmethod
    def counts(cls, counts: dict[str, int], statement: int) -> "Result":
        """Rows inserted, updated, deleted."""
        table = pa.table({name: pa.array([count], pa.int64()) for name, count in counts.items()})
        return cls(table, ["BIGINT"] * len(counts), statement)

    @classmethod
    def rows(cls, rows: list[dict[str, Any]], columns: list[str], statement: int) -> "Result":
        """A listing of text and numbers, with its columns even where it is empty."""
        arrays = []
        for name in columns:
            values = [row.get(name) for row in rows]
            numbers = any(isinstance(value, int) and not isinstance(value, bool) for value in values)
            texts = [None if value is None else str(value) for value in values]
            arrays.append(pa.array(values, pa.int64()) if numbers else pa.array(texts, pa.string()))
        kinds = ["BIGINT" if pa.types.is_int64(array.type) else "VARCHAR" for array in arrays]
        return cls(pa.Table.from_arrays(arrays, names=columns), kinds, statement)


def rowtype(result: Result) -> list[dict[str, Any]]:
    """The columns as the API describes them."""
    return [_column(name, kind) for name, kind in zip(result.table.column_names, result.kinds, strict=True)]


def _column(name: str, kind: str) -> dict[str, Any]:
    decimal = _DECIMAL.fullmatch(kind)
    sort = "fixed" if decimal else _TYPES.get(kind)
    if sort is None:
        raise unsupported(f"a result column of DuckDB's type {kind} ('{name}')")
    precision, scale, length = None, None, None
    if decimal:
        precision, scale = int(decimal[1]), int(decimal[2])
    elif sort == "fixed":
        precision, scale = 38, 0
    elif sort.startswith("time"):
        precision, scale = 0, 9
    elif sort == "text":
        length = MAXIMUM_TEXT
    elif sort == "binary":
        length = MAXIMUM_BINARY
    return {
        "name": name,
        "database": "",
        "schema": "",
        "table": "",
        "nullable": True,
        "type": sort,
        "byteLength": length,
        "length": length,
        "scale": scale,
        "precision": precision,
        "collation": None,
    }


def payload(result: Result, columns: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows: JSON for DML, whose counts the connector reads there; Arrow for all else."""
    if result.statement in statement_type.DML_TYPE_IDS:
        rows = [
            [None if value is None else str(value) for value in row.values()]
            for row in result.table.to_pylist()
        ]
        return {"queryResultFormat": "json", "rowset": rows}
    arrays, fields = [], []
    for column, values in zip(columns, result.table.columns, strict=True):
        array = _for_connector(values.combine_chunks(), column)
        metadata = {
            "logicalType": column["type"].upper(),
            "precision": str(38 if column["precision"] is None else column["precision"]),
            "scale": str(column["scale"] or 0),
            "charLength": str(column["length"] or 0),
        }
        fields.append(pa.field(column["name"], array.type, metadata=metadata))
        arrays.append(array)
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return {"queryResultFormat": "arrow", "rowsetBase64": base64.b64encode(sink.getvalue()).decode("ascii")}


def _for_connector(array: pa.Array, column: dict[str, Any]) -> pa.Array:
    """One column in the Arrow type that the connector reads for its Snowflake type."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        return _timestamps(array)
    if pa.types.is_time(kind):
        return pc.multiply(array.cast(pa.time64("us")).cast(pa.int64()), 1000)
    if pa.types.is_null(kind):
        return array.cast(pa.string())
    if pa.types.is_float32(kind):
        return array.cast(pa.float64())
    if column["type"] == "variant":
        return pc.replace_substring_regex(array, f'"(?:{NUMBER_MARK}|\\\\u0001)([^"]*)"', r"\1")
    if pa.types.is_unsigned_integer(kind) or (pa.types.is_decimal(kind) and column["scale"] == 0):
        return _whole(array)
    return array


def _whole(array: pa.Array) -> pa.Array:
    """Whole numbers travel as int64 where all fit, so that the connector gives int.

    Else as exact decimals.
    """
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        return array.cast(pa.decimal128(38, 0))


def _timestamps(array: pa.Array) -> pa.Array:
    """Seconds and nanoseconds, with NULL kept as NULL (fakesnow's turn into 1970)."""
    zoned = array.type.tz is not None
    micros = array.cast(pa.timestamp("us", array.type.tz)).cast(pa.int64()).fill_null(0)
    # In whole numbers: a double has no microseconds before 1684 or after 2255. Division goes towards zero.
    seconds = pc.divide(micros, 1_000_000)
    rest = pc.subtract(micros, pc.multiply(seconds, 1_000_000))
    seconds = pc.subtract(seconds, pc.less(rest, 0).cast(pa.int64()))
    fraction = pc.multiply(pc.subtract(micros, pc.multiply(seconds, 1_000_000)), 1000).cast(pa.int32())
    arrays = [seconds, fraction]
    fields = [pa.field("epoch", pa.int64(), nullable=False), pa.field("fraction", pa.int32(), nullable=False)]
    if zoned:
        arrays.append(pa.array([_UTC] * len(array), pa.int32()))
        fields.append(pa.field("timezone", pa.int32(), nullable=False))
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=array.is_null())
