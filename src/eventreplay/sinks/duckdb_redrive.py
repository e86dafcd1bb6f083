"""The quarantine of a DuckDB warehouse: looked into, brought back from, put aside. See `quarantine`.

Each question has a cursor of its own, so it sees what is committed. Each change is one transaction of its
own: two that take the same rows conflict, and DuckDB lets the first one win.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
from attrs import evolve

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.capabilities.quarantine import (
    CONFLICTS,
    PLACES_SCHEMA,
    Marked,
    RefusedGroup,
    Selection,
    Settled,
    Stage,
    goes_on_from,
)
from eventreplay.errors import CheckpointConflictError, InvalidEventError, SinkError, SinkUnavailableError
from eventreplay.event import Checkpoint
from eventreplay.sinks import refused_sql
from eventreplay.sinks.checked import checked
from eventreplay.sinks.duckdb_rows import as_stored
from eventreplay.sinks.duckdb_tables import EVENTS_COLUMNS, QUARANTINE_COLUMNS, driver_errors, transaction

if TYPE_CHECKING:
    import duckdb

Made = TypeVar("Made")

DISMISSED = "DISMISSED"
"""Which records were put aside for good. It stands in the live RAW and never changes places: it speaks of
records of the log, whichever generation holds their rows.
"""
_DISMISSED_COLUMNS = (
    "log_partition VARCHAR NOT NULL, log_offset BIGINT NOT NULL, stage VARCHAR NOT NULL,"
    " reason VARCHAR NOT NULL, dismissed_at TIMESTAMP NOT NULL,"
    # The key makes one of two that mark the same record fail.
    " PRIMARY KEY (log_partition, log_offset, stage)"
)
_PASSED, _RESTATED, _GONE = "eventreplay_passed", "eventreplay_restated", "eventreplay_gone"
_CHECKPOINT = "source, epoch, position, digest, fingerprint"


class DuckDBQuarantine:
    """The quarantine as `SupportsQuarantine` shows it, over any connection, one that only reads too.

    Args:
        connection: to the file; not closed here.
        schema: that of the tables.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: str) -> None:
        self._held = connection
        self._schema_name = schema

    def refused_count(self, selection: Selection) -> int:
        """See `SupportsQuarantine`; also the three below."""
        ((rows,),) = self._rows(lambda tables: refused_sql.count(tables, selection), "Counting")
        return int(rows)

    def refused_groups(self, selection: Selection, *, groups_max: int) -> list[RefusedGroup]:
        """Counted inside DuckDB."""
        found = self._rows(lambda tables: refused_sql.groups(tables, selection, groups_max), "Counting")
        return [
            RefusedGroup(stage=stage, error_code=code, event_type=kind, dismissed=dismissed, rows=rows)
            for stage, code, kind, dismissed, rows in found
        ]

    def refused_page(
        self, selection: Selection, *, limit_rows: int, skip_rows: int = 0
    ) -> list[Mapping[str, Any]]:
        """Records in full."""
        found = self._rows(
            lambda tables: refused_sql.page(tables, selection, limit_rows, skip_rows), "Reading"
        )
        names = [name.lower() for name in refused_sql.PAGE_COLUMNS]
        return [dict(zip(names, row, strict=True)) for row in found]

    def refused_places(
        self, partition: str, stage: Stage, selection: Selection, *, after: int | None, rows_max: int
    ) -> pa.RecordBatch:
        """As Arrow columns."""
        with driver_errors(f"Reading the quarantine of {self._schema_name}"), self._held.cursor() as cursor:
            query, values = refused_sql.places(
                self._tables(cursor), partition, stage, selection, after, rows_max
            )
            found: pa.Table = cursor.sql(query, params=values).to_arrow_table()
        columns = [
            column.combine_chunks().cast(field.type)
            for column, field in zip(found.columns, PLACES_SCHEMA, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=PLACES_SCHEMA)

    def _rows(
        self, question: Callable[[refused_sql.Tables], tuple[str, list[object]]], doing: str
    ) -> list[tuple[Any, ...]]:
        what = f"{doing} the quarantine of {self._schema_name}"
        with driver_errors(what), self._held.cursor() as cursor:
            rows: list[tuple[Any, ...]] = cursor.execute(*question(self._tables(cursor))).fetchall()
        return rows

    def _tables(self, cursor: duckdb.DuckDBPyConnection) -> refused_sql.Tables:
        return tables_of(cursor, self._schema_name)


def tables_of(cursor: duckdb.DuckDBPyConnection, schema: str) -> refused_sql.Tables:
    """What there is of the tables that records are found in."""
    there = cursor.execute(
        "SELECT upper(table_schema), upper(table_name) FROM information_schema.tables"
        " WHERE table_catalog = current_database()"
        " AND (upper(table_schema), upper(table_name)) IN (('STAGING', ?), (upper(?), ?))",
        [CONFLICTS, schema, DISMISSED],
    ).fetchall()
    # The conflicts in STAGING are those of the live RAW; another generation's stand elsewhere.
    built = ("STAGING", CONFLICTS) in there and schema.upper() == "RAW"
    return refused_sql.Tables(
        events=f"{schema}.EVENTS",
        quarantine=f"{schema}.QUARANTINE",
        dismissed=f"{schema}.{DISMISSED}" if (schema.upper(), DISMISSED) in there else None,
        conflicts=f"STAGING.{CONFLICTS}" if built else None,
        no_bytes="CAST(NULL AS BLOB)",
        json_text="CAST({} AS VARCHAR)",
    )


class RedrivesDuckDB:
    """`SupportsQuarantine` and `SupportsRedrive` of a DuckDB sink."""

    _schema: str
    _clock: Callable[[], datetime]
    _open: Callable[[], duckdb.DuckDBPyConnection]

    def refused_count(self, selection: Selection) -> int:
        """See `SupportsQuarantine`; also the three below."""
        return self._refused().refused_count(selection)

    def refused_groups(self, selection: Selection, *, groups_max: int) -> list[RefusedGroup]:
        """Counted inside DuckDB."""
        return self._refused().refused_groups(selection, groups_max=groups_max)

    def refused_page(
        self, selection: Selection, *, limit_rows: int, skip_rows: int = 0
    ) -> list[Mapping[str, Any]]:
        """Records in full."""
        return self._refused().refused_page(selection, limit_rows=limit_rows, skip_rows=skip_rows)

    def refused_places(
        self, partition: str, stage: Stage, selection: Selection, *, after: int | None, rows_max: int
    ) -> pa.RecordBatch:
        """As Arrow columns."""
        return self._refused().refused_places(partition, stage, selection, after=after, rows_max=rows_max)

    def settle(
        self, replay_id: str, passed: pa.RecordBatch, refused: pa.RecordBatch, *, expected: Checkpoint
    ) -> Settled:
        """See `SupportsRedrive`. One transaction of its own; what was written and not committed stays so."""
        passed = as_stored(checked(passed, RAW_SCHEMA), EVENTS_COLUMNS)
        refused = as_stored(checked(refused, QUARANTINE_SCHEMA), QUARANTINE_COLUMNS)
        moment = self._now()

        def change(cursor: duckdb.DuckDBPyConnection) -> Settled:
            _see_checkpoint(cursor, self._schema, replay_id, expected)
            moved = _moved(cursor, self._schema, passed, moment)
            return Settled(moved=moved, restated=_restated(cursor, self._schema, refused))

        return self._in_transaction("Redriving", change)

    def dismiss(self, selection: Selection, reason: str) -> list[Marked]:
        """See `SupportsRedrive`; makes the table at its first use."""
        moment = self._now()

        def change(cursor: duckdb.DuckDBPyConnection) -> list[Marked]:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {self._schema}.{DISMISSED} ({_DISMISSED_COLUMNS})")
            tables = tables_of(cursor, self._schema)
            new = evolve(selection, dismissed=False)
            found = _marked(cursor.execute(*refused_sql.marked(tables, new)).fetchall())
            statement, values = refused_sql.mark(tables, new, "CAST(? AS TIMESTAMP)")
            cursor.execute(statement, [reason, moment, *values])
            return found

        try:
            return self._in_transaction("Dismissing", change)
        except InvalidEventError as error:
            raise SinkUnavailableError(
                "Another run dismissed the same records; nothing was changed.", hint="Start again."
            ) from error

    def undismiss(self, selection: Selection) -> list[Marked]:
        """See `SupportsRedrive`."""

        def change(cursor: duckdb.DuckDBPyConnection) -> list[Marked]:
            tables = tables_of(cursor, self._schema)
            if tables.dismissed is None:
                return []
            old = evolve(selection, dismissed=True)
            found = _marked(cursor.execute(*refused_sql.marked(tables, old)).fetchall())
            cursor.execute(*refused_sql.free(tables, old))
            return found

        return self._in_transaction("Taking back what was dismissed", change)

    def _refused(self) -> DuckDBQuarantine:
        return DuckDBQuarantine(self._open(), self._schema)

    def _now(self) -> datetime:
        moment = self._clock()
        if moment.tzinfo is None:
            raise SinkError("The sink's clock has no time zone.", hint="Pass e.g. lambda: datetime.now(UTC).")
        return moment.astimezone(UTC).replace(tzinfo=None)

    def _in_transaction(self, doing: str, change: Callable[[duckdb.DuckDBPyConnection], Made]) -> Made:
        with (
            driver_errors(f"{doing} in {self._schema}"),
            self._open().cursor() as cursor,
            transaction(cursor),
        ):
            return change(cursor)


def _see_checkpoint(
    cursor: duckdb.DuckDBPyConnection, schema: str, replay_id: str, expected: Checkpoint
) -> None:
    """Raise unless the stored checkpoint goes on from `expected`."""
    rows = cursor.execute(
        f"SELECT {_CHECKPOINT} FROM {schema}.CHECKPOINTS WHERE replay_id = ?", [replay_id]
    ).fetchall()
    found = Checkpoint(**dict(zip(_CHECKPOINT.split(", "), rows[0], strict=True))) if rows else None
    if not goes_on_from(found, expected):
        raise CheckpointConflictError(
            "RAW is no longer what it was when the redrive began; nothing of this transaction was changed.",
            hint="Another codec, another log or another generation is live now: start again.",
            expected=expected,
            found=found,
        )


def _moved(
    cursor: duckdb.DuckDBPyConnection, schema: str, passed: pa.RecordBatch, moment: datetime
) -> pa.Array:
    """Delete from QUARANTINE, and insert exactly what was deleted; the offsets of it."""
    if not passed.num_rows:
        return pa.array([], pa.int64())
    partition, offsets = passed.column("log_partition")[0].as_py(), passed.column("log_offset")
    cursor.register(_PASSED, passed)
    # What is in EVENTS already is left alone: inserting it would double it. `verify` names it.
    rows = cursor.execute(
        f"""DELETE FROM {schema}.QUARANTINE WHERE stage = 'decode' AND log_partition = $partition
        AND log_offset IN (SELECT log_offset FROM {_PASSED}) AND log_offset NOT IN
        (SELECT log_offset FROM {schema}.EVENTS WHERE log_partition = $partition
        AND log_offset BETWEEN $first AND $last) RETURNING log_offset""",
        {"partition": partition, "first": offsets[0].as_py(), "last": offsets[-1].as_py()},
    ).fetchall()
    gone = pa.array([offset for (offset,) in rows], pa.int64())
    cursor.register(_GONE, pa.record_batch({"log_offset": gone}))
    names = ", ".join(f'"{name}"' for name in passed.schema.names)
    cursor.execute(
        f"INSERT INTO {schema}.EVENTS ({names}, inserted_at) SELECT {names}, CAST(? AS TIMESTAMP)"
        f" FROM {_PASSED} WHERE log_offset IN (SELECT log_offset FROM {_GONE})",
        [moment],
    )
    # A record that stood there twice was deleted twice and is inserted once.
    return gone.unique().sort()


def _restated(cursor: duckdb.DuckDBPyConnection, schema: str, refused: pa.RecordBatch) -> int:
    """Give records that stay their new reason; how many rows."""
    if not refused.num_rows:
        return 0
    cursor.register(_RESTATED, refused)
    ((rows,),) = cursor.execute(
        f"""UPDATE {schema}.QUARANTINE AS held SET error_code = due.error_code,
        error_message = due.error_message, decoder_fingerprint = due.decoder_fingerprint
        FROM {_RESTATED} AS due WHERE held.stage = 'decode' AND held.log_partition = due.log_partition
        AND held.log_offset = due.log_offset"""
    ).fetchall()
    return int(rows)


def _marked(rows: Sequence[tuple[Any, ...]]) -> list[Marked]:
    return [
        Marked(
            partition=partition,
            stage=stage,
            error_code=code,
            rows=rows,
            first_offset=first,
            last_offset=last,
        )
        for partition, stage, code, rows, first, last in rows
    ]
