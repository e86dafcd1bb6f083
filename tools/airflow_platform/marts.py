"""What the marts hold, brought into DuckDB value by value, so that both warehouses are compared alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import snowflake.connector

_DRIVER = {"login_timeout": 30, "network_timeout": 300, "platform_detection_timeout_seconds": 0}
_KINDS: Mapping[str, pa.DataType] = {
    "TEXT": pa.string(),
    "DATE": pa.date32(),
    "BOOLEAN": pa.bool_(),
    "BINARY": pa.binary(),
    "REAL": pa.float64(),
    "TIMESTAMP_NTZ": pa.timestamp("us"),
    "TIMESTAMP_TZ": pa.timestamp("us", "UTC"),
    "TIMESTAMP_LTZ": pa.timestamp("us", "UTC"),
    # JSON text, as the connector gives it.
    "VARIANT": pa.string(),
    "ARRAY": pa.string(),
    "OBJECT": pa.string(),
}


def rows(login: Mapping[str, Any], statement: str) -> list[tuple[Any, ...]]:
    """What Snowflake answers a statement."""
    with snowflake.connector.connect(**login, **_DRIVER) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        found: list[Any] = cursor.fetchall()
    return [tuple(row) for row in found]


@contextmanager
def copied(login: Mapping[str, Any], *schemas: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in memory with every table of Snowflake schemas, types and values as the connector has them.

    Without any schema it is MART.

    Decimals arrive as decimals of the declared precision: a value that does not fit is an error, not rounded.
    """
    with (
        duckdb.connect() as found,
        snowflake.connector.connect(**login, **_DRIVER) as connection,
        connection.cursor() as cursor,
    ):
        found.execute("SET TimeZone = 'UTC'")
        for schema in schemas or ("MART",):
            _copy(found, cursor, schema)
        yield found


def _copy(found: duckdb.DuckDBPyConnection, cursor: Any, schema: str) -> None:
    found.execute(f'CREATE SCHEMA "{schema}"')
    cursor.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY 1", (schema,)
    )
    names: list[Any] = cursor.fetchall()
    for (name,) in names:
        cursor.execute(f'SELECT * FROM "{schema}"."{name}"')  # noqa: S608 - names of the catalogue
        arrived = _table(cursor)
        found.register("arrived", arrived)
        found.execute(f'CREATE TABLE "{schema}"."{name.lower()}" AS SELECT * FROM arrived')  # noqa: S608
        found.unregister("arrived")


def _table(cursor: Any) -> pa.Table:
    described = cursor.description
    names = [column.name.lower() for column in described]
    kinds = [_kind(column) for column in described]
    columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.Table.from_arrays(arrays, names=names)


def _kind(column: Any) -> pa.DataType:
    name = snowflake.connector.constants.FIELD_ID_TO_NAME[column.type_code]
    if name == "FIXED":
        # Whole numbers come as int, others as Decimal; both into the type that was declared.
        return pa.decimal128(column.precision, column.scale)
    return _KINDS[name]


@contextmanager
def opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB file, to read."""
    with duckdb.connect(str(path), read_only=True) as found:
        found.execute("SET TimeZone = 'UTC'")
        yield found
