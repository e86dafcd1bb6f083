"""COPY statements: staged Parquet into a table, every column turned back into its exact type.

FORCE=TRUE: what is loaded is decided by the checkpoint and by the files named here, never by COPY's history
of what it loaded before, which lasts 64 days and knows nothing of rolled-back transactions.
"""

from __future__ import annotations

from eventreplay.errors import SinkError
from eventreplay.sinks.snowflake.names import literal, quoted
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.spool import SpooledFile
from eventreplay.sinks.snowflake.tables import TABLES, Column, Raw

_ROWS_LOADED = 3
"""Place of `rows_loaded` in COPY's result: file, status, rows_parsed, rows_loaded, ..."""


def copy_statement(raw: Raw, table: str, folder: str, names: list[str]) -> str:
    """Load the named files of a transaction's folder (`@STAGE/.../`) into a table."""
    columns = TABLES[table]
    targets = ", ".join(quoted(column.name.upper()) for column in columns)
    values = ", ".join(_value(column) for column in columns)
    files = ", ".join(literal(name) for name in names)
    return (
        f"COPY INTO {raw.table(table)} ({targets}) FROM (SELECT {values} FROM {folder})"
        f" FILES = ({files}) FILE_FORMAT = (TYPE = PARQUET) ON_ERROR = ABORT_STATEMENT FORCE = TRUE"
    )


def _value(column: Column) -> str:
    text = f"$1:{column.name}::VARCHAR"
    if column.kind == "VARIANT" and column.name == "headers":
        # Names may repeat in headers, which an object cannot hold: then the JSON text itself is kept.
        return f"IFNULL(TRY_PARSE_JSON({text}), TO_VARIANT({text}))"
    if column.kind == "VARIANT":
        return f"PARSE_JSON({text})"
    if column.kind.startswith("BINARY"):
        return f"TO_BINARY({text}, 'HEX')"
    if column.kind.startswith("TIMESTAMP_NTZ"):
        return f"TO_TIMESTAMP_NTZ($1:{column.name}::NUMBER(38,0), 6)"
    return text if column.kind == "VARCHAR" else f"$1:{column.name}::{column.kind}"


def copy_files(session: Session, raw: Raw, table: str, folder: str, files: list[SpooledFile]) -> None:
    """Run the COPY of one table and compare what it says with what was written.

    Raises:
        SinkError: Snowflake refused a row, a file or the right; or it loaded another number of rows.
    """
    if not files:
        return
    statement = copy_statement(raw, table, folder, [file.name for file in files])
    doing = raw.doing(f"Copying into {raw.schema}.{table}", table, "INSERT", "SELECT")
    rows = session.run(statement, doing=doing)
    found = {str(row[0]).rpartition("/")[2]: row[1:] for row in rows if len(row) > _ROWS_LOADED}
    for file in files:
        status, loaded = (
            (None, 0) if file.name not in found else (found[file.name][0], int(found[file.name][2]))
        )
        if status != "LOADED" or loaded != file.rows:
            raise SinkError(
                f"COPY into {raw.schema}.{table} loaded {loaded} of {file.rows} rows of {file.name}.",
                hint="Nothing of this transaction was kept. If it happens again, please report it.",
                file=file.name,
                expected=file.rows,
                found=loaded,
            )
    if len(found) != len(files):
        raise SinkError(
            f"COPY into {raw.schema}.{table} loaded files that were not named.", hint="Report it."
        )
