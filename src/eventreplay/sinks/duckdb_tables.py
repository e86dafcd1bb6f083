"""The tables of a DuckDB warehouse's RAW schema: how they are made, checked and counted.

The columns follow from the Arrow schemas in `eventreplay.batch`; nothing is listed twice. Timestamps are
naive and mean UTC, so that no session's time zone can move a day. STAGING and MART belong to dbt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from attrs import fields, frozen

from eventreplay.batch import HEADERS, QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.errors import (
    ConfigError,
    InvalidEventError,
    SinkError,
    SinkUnavailableError,
)
from eventreplay.sinks.duckdb_birth import be_born

if TYPE_CHECKING:
    import duckdb

JSON_COLUMNS = ("headers", "payload")
CHECKPOINT_COLUMNS = {
    "replay_id": "VARCHAR",
    "source": "VARCHAR",
    "epoch": "VARCHAR",
    "position": "BIGINT",
    "digest": "VARCHAR",
    "fingerprint": "VARCHAR",
    "updated_at": "TIMESTAMP",
}
RAW = "RAW"
_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_MAGIC = b"DUCK"
_MAGIC_OFFSET_BYTES = 8
_TYPES = (
    (pa.types.is_int64, "BIGINT"),
    (pa.types.is_timestamp, "TIMESTAMP"),
    (pa.types.is_string, "VARCHAR"),
)


def _column_type(field: pa.Field, json_columns: tuple[str, ...]) -> str:
    if field.name in json_columns or field.type == HEADERS:
        return "JSON"
    return next((name for matches, name in _TYPES if matches(field.type)), "BLOB")


def _columns(schema: pa.Schema, json_columns: tuple[str, ...], moment: str) -> dict[str, str]:
    return {field.name: _column_type(field, json_columns) for field in schema} | {moment: "TIMESTAMP"}


def _required(schema: pa.Schema, moment: str) -> frozenset[str]:
    return frozenset({moment, *(field.name for field in schema if not field.nullable)})


EVENTS_COLUMNS = _columns(RAW_SCHEMA, JSON_COLUMNS, "inserted_at")
QUARANTINE_COLUMNS = _columns(QUARANTINE_SCHEMA, (), "quarantined_at")
TABLES = {"EVENTS": EVENTS_COLUMNS, "QUARANTINE": QUARANTINE_COLUMNS, "CHECKPOINTS": CHECKPOINT_COLUMNS}
_NOT_NULL = {
    "EVENTS": _required(RAW_SCHEMA, "inserted_at"),
    "QUARANTINE": _required(QUARANTINE_SCHEMA, "quarantined_at"),
    "CHECKPOINTS": frozenset(CHECKPOINT_COLUMNS),
}


def connect(path: str | Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file without ever reaching for the network.

    Raises:
        ConfigError: the driver is not installed.
        SinkUnavailableError: another process has the file open.
        SinkError: the file is not a DuckDB database, is damaged, or its folder does not exist.
    """
    try:
        import duckdb  # noqa: PLC0415 - an optional driver
    except ImportError as error:
        raise ConfigError(
            "The DuckDB driver is not installed.", hint="Install it: pip install 'eventreplay[duckdb]'."
        ) from error
    file = Path(path).absolute()
    _check_file(file)
    with driver_errors(f"DuckDB file {file.name}"):
        if not read_only:
            be_born(file)
        # Absolute: DuckDB would take a prefix such as `sqlite:` for an extension to be downloaded.
        connection = duckdb.connect(str(file), read_only=read_only)
        connection.execute("SET autoinstall_known_extensions = false")
    return connection


def _check_file(file: Path) -> None:
    """DuckDB takes a foreign file for another database and tries to download a driver for it."""
    if not file.parent.is_dir():
        raise SinkError(f"The folder of the DuckDB file {file.name} does not exist.", hint="Create it first.")
    if file.is_dir():
        raise SinkError(f"{file.name} is a folder.", hint="Name a file, e.g. warehouse.duckdb.")
    if not file.exists():
        return
    try:
        with file.open("rb") as stream:
            begin = stream.read(_MAGIC_OFFSET_BYTES + len(_MAGIC))
    except OSError as error:
        raise SinkError(f"{file.name} cannot be read.", hint="Check its permissions.") from error
    if begin[_MAGIC_OFFSET_BYTES:] != _MAGIC:
        raise SinkError(
            f"{file.name} is not a DuckDB database.", hint="Name another file; this one was left as it is."
        )


@contextmanager
def driver_errors(what: str) -> Iterator[None]:
    """Map the driver's errors to the library's; `what` begins the message."""
    import duckdb  # noqa: PLC0415 - an optional driver, loaded by `connect`

    try:
        yield
    except duckdb.IOException as error:
        if "lock" in str(error):
            raise SinkUnavailableError(
                f"{what}: another process has it open.",
                hint="DuckDB lets one process at a time open a file: end the other one (a shell, a dbt run,"
                " a dashboard) or wait for it, then start again.",
            ) from error
        raise SinkError(
            f"{what}: reading or writing failed.",
            hint="See the cause above (a full disk, rights, a damaged file). Nothing uncommitted is kept.",
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise SinkError(
            f"{what}: the memory limit was reached.",
            hint="Raise memory_mb_max, lower threads, or free space for the spill files beside the database.",
        ) from error
    except duckdb.TransactionException as error:
        raise SinkUnavailableError(
            f"{what}: another connection changed the same tables.", hint="Start again from begin()."
        ) from error
    except duckdb.ConstraintException as error:
        raise InvalidEventError(
            f"{what}: a row breaks a constraint of its table.", hint="See the cause above for the column."
        ) from error
    except duckdb.Error as error:
        raise SinkError(f"{what}: DuckDB refused.", hint="See the cause above.") from error


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """What the block does is committed at its end, or undone if it raises."""
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # Ctrl-C too. A failed COMMIT has ended the transaction already.
        with suppress(Exception):
            connection.execute("ROLLBACK")
        raise


@contextmanager
def one_state(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All that the block reads is of one moment; nothing is changed."""
    import duckdb  # noqa: PLC0415 - an optional driver, loaded by `connect`

    connection.execute("BEGIN")
    try:
        yield
    finally:
        # An error that ended the transaction, or the whole database to us, is on its way.
        with suppress(duckdb.TransactionException, duckdb.FatalException):
            connection.execute("ROLLBACK")


def schema_name(text: str) -> str:
    """A plain name of a schema, as it may stand in a statement.

    Raises:
        ConfigError: it is none.
    """
    if _SCHEMA.fullmatch(text) is None:
        raise ConfigError(
            f"raw_schema {text[:80]!r} is no plain name.",
            hint="Letters, digits and _, not beginning with a digit, at most 63, e.g. RAW or RAW_NEXT.",
            setting="raw_schema",
        )
    return text


def create_tables(connection: duckdb.DuckDBPyConnection, schema: str = RAW) -> None:
    """Create what is missing of `schema` in one transaction, and check what is there.

    Raises:
        SinkError: a table exists with other columns than ours.
    """
    with driver_errors(f"Creating the tables of {schema}"):
        connection.execute("BEGIN")
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for table, columns in TABLES.items():
            connection.execute(f"CREATE TABLE IF NOT EXISTS {schema}.{table} ({definition(table, columns)})")
        connection.execute("COMMIT")
    check_tables(connection, schema)


def definition(table: str, columns: dict[str, str]) -> str:
    """Columns and keys of one of our tables, as they stand in its statement."""
    parts = [
        f'"{name}" {kind}{" NOT NULL" if name in _NOT_NULL[table] else ""}' for name, kind in columns.items()
    ]
    # The key makes the compare-and-set of two writers' first commits fail for one of them. The other two
    # tables have none: a key's index would have to fit into memory.
    if table == "CHECKPOINTS":
        parts.append("PRIMARY KEY (replay_id)")
    return ", ".join(parts)


def check_tables(connection: duckdb.DuckDBPyConnection, schema: str = RAW) -> None:
    """Raise `SinkError` unless `schema` has exactly our tables' columns and the checkpoints' key."""
    for table, columns in TABLES.items():
        with driver_errors(f"Reading the layout of {schema}"):
            found = dict(
                connection.execute(
                    "SELECT lower(column_name), data_type FROM duckdb_columns() WHERE database_name ="
                    " current_database() AND lower(schema_name) = lower(?) AND upper(table_name) = ?",
                    [schema, table],
                ).fetchall()
            )
        if found != columns:
            wrong = sorted(
                name for name in found.keys() | columns.keys() if found.get(name) != columns.get(name)
            )
            raise SinkError(
                f"{schema}.{table} has another layout than eventreplay's (columns {', '.join(wrong)}).",
                hint="It was made by something else or by another version: move it away or use another file.",
                table=f"{schema}.{table}",
                columns=wrong,
            )
    with driver_errors(f"Reading the layout of {schema}"):
        keys = connection.execute(
            "SELECT count(*) FROM duckdb_constraints() WHERE database_name = current_database() AND"
            " lower(schema_name) = lower(?) AND upper(table_name) = 'CHECKPOINTS' AND"
            " constraint_type = 'PRIMARY KEY'",
            [schema],
        ).fetchall()
    if keys != [(1,)]:
        raise SinkError(
            f"{schema}.CHECKPOINTS has no primary key, so two writers could not be told apart.",
            hint="Let eventreplay create the table.",
            table=f"{schema}.CHECKPOINTS",
        )


@frozen(kw_only=True)
class RawCounts:
    """Rows of the RAW schema; `events` + `quarantined_decode` is the log's row count."""

    events: int
    quarantined_capture: int
    quarantined_decode: int


def raw_counts(connection: duckdb.DuckDBPyConnection) -> RawCounts:
    """Count what RAW holds."""
    with driver_errors("Counting RAW"):
        row: Any = connection.execute(
            "SELECT (SELECT count(*) FROM RAW.EVENTS), count(*) FILTER (stage = 'capture'),"
            " count(*) FILTER (stage = 'decode') FROM RAW.QUARANTINE"
        ).fetchone()
    return RawCounts(events=row[0], quarantined_capture=row[1], quarantined_decode=row[2])


@frozen(kw_only=True)
class QuarantinedRow:
    """One quarantined record without its payload, which stays in the table."""

    stage: str
    log_partition: str
    log_offset: int
    event_id: str | None
    event_type: str | None
    error_code: str
    error_message: str
    payload_bytes: int | None


def quarantined(
    connection: duckdb.DuckDBPyConnection, *, limit_rows: int = 100, skip_rows: int = 0
) -> list[QuarantinedRow]:
    """A page of RAW.QUARANTINE by partition, stage and offset; never the payload itself."""
    with driver_errors("Reading RAW.QUARANTINE"):
        rows = connection.execute(
            "SELECT stage, log_partition, log_offset, event_id, event_type, error_code, error_message,"
            " octet_length(payload) FROM RAW.QUARANTINE"
            " ORDER BY log_partition, stage, log_offset LIMIT ? OFFSET ?",
            [limit_rows, skip_rows],
        ).fetchall()
    names = [attribute.name for attribute in fields(QuarantinedRow)]
    return [QuarantinedRow(**dict(zip(names, row, strict=True))) for row in rows]
