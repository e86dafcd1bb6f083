"""The embedded warehouse: RAW.EVENTS, RAW.QUARANTINE and RAW.CHECKPOINTS in one DuckDB file.

One transaction holds the rows, the quarantine and the checkpoint of a commit. Rows are inserted from Arrow
in the order given, and DuckDB keeps insertion order: selected by rowid they come in log order. A commit is
never held in memory: DuckDB writes full row groups to the file as they come and spills the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.capabilities.generations import suffix_of
from eventreplay.capabilities.tally import Order, Span, Tally
from eventreplay.errors import (
    CheckpointConflictError,
    ConfigError,
    InvalidEventError,
    SinkError,
    SinkUnavailableError,
)
from eventreplay.event import Checkpoint
from eventreplay.secret import Secret
from eventreplay.sinks import duckdb_repair, duckdb_tally
from eventreplay.sinks.checked import checked
from eventreplay.sinks.duckdb_comparison import ComparesTables
from eventreplay.sinks.duckdb_generations import HoldsGenerations
from eventreplay.sinks.duckdb_models import ComparesModels
from eventreplay.sinks.duckdb_places import hidden
from eventreplay.sinks.duckdb_redrive import RedrivesDuckDB
from eventreplay.sinks.duckdb_rows import as_stored
from eventreplay.sinks.duckdb_tables import (
    EVENTS_COLUMNS,
    QUARANTINE_COLUMNS,
    RAW,
    TABLES,
    connect,
    create_tables,
    driver_errors,
    schema_name,
)

if TYPE_CHECKING:
    import duckdb

_VIEW = "eventreplay_rows"
_CHECKPOINT = "source, epoch, position, digest, fingerprint"


class DuckDBSink(HoldsGenerations, ComparesModels, RedrivesDuckDB, ComparesTables):
    """A `Sink` over a DuckDB file; one thread at a time, one process at a time.

    Call order: `begin`, then `write` and `quarantine` as often as needed, then `commit`, and again. Also a
    context manager. `payload` and `headers` are stored as they are given: that they are JSON is the
    codec's promise, and checking it here again would cost more than decoding.

    Args:
        path: the database file; created if missing, its folder must exist.
        clock: the moment of a commit, timezone-aware; asked once per commit, for `inserted_at`,
            `quarantined_at` and `updated_at`.
        memory_mb_max: DuckDB's own memory limit, for the whole database instance in this process.
        threads: DuckDB's worker threads; one is enough to insert, queries gain from more.
        wal_mb_max: size of the write-ahead log at which a commit also rewrites the file's table data.
        raw_schema: schema of the tables EVENTS, QUARANTINE and CHECKPOINTS.
        generation: name of one that is being built beside the live one, to be loaded instead of it; see
            `shadow`.

    Raises:
        SinkUnavailableError: another process has the file open.
        SinkError: the file is no DuckDB database, or its RAW tables are not ours.
        ConfigError: a limit is below 1, or the driver is missing.
        GenerationError: there is no such generation to be loaded.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Callable[[], datetime],
        memory_mb_max: int = 256,
        threads: int | None = None,
        wal_mb_max: int = 256,
        raw_schema: str = RAW,
        generation: str = "",
    ) -> None:
        bounds = {"memory_mb_max": memory_mb_max, "threads": 1 if threads is None else threads}
        for name, value in {**bounds, "wal_mb_max": wal_mb_max}.items():
            if value < 1:
                raise ConfigError(f"{name} is {value}.", hint=f"{name} is at least 1.", setting=name)
        self._clock = clock
        suffix = suffix_of(generation) if generation else ""
        self._schema = schema_name(raw_schema) + suffix
        # Of another generation, the schema has views of tables that are called otherwise in the live one.
        self._tables = {
            table: f"{raw_schema}.{hidden(table, suffix)}" if suffix else f"{raw_schema}.{table}"
            for table in TABLES
        }
        self._generation = generation
        self._again = partial(
            DuckDBSink,
            path,
            clock=clock,
            memory_mb_max=memory_mb_max,
            threads=threads,
            wal_mb_max=wal_mb_max,
            raw_schema=raw_schema,
        )
        self._replay_id: str | None = None
        self._moment: datetime | None = None
        self._connection: duckdb.DuckDBPyConnection | None = connect(path)
        try:
            with driver_errors("Setting DuckDB's limits"):
                self._open().execute(f"SET memory_limit = '{memory_mb_max}MiB'")
                self._open().execute(f"SET checkpoint_threshold = '{wal_mb_max}MiB'")
                if threads is not None:
                    self._open().execute(f"SET threads = {threads}")
            if generation:
                self._see_shadow()
            else:
                create_tables(self._open(), self._schema)
        except BaseException:
            # Ctrl-C too: nobody else has the connection, and it holds the file.
            self.close()
            raise

    @classmethod
    def dbt_environment(cls, place: str | Path) -> Mapping[str, str | Secret]:
        """Variables by which the dbt project finds this file; see `eventreplay.transform`."""
        return {"DBT_TARGET": "duckdb", "EVENTREPLAY_DUCKDB_PATH": str(Path(place).resolve())}

    @property
    def locks_others_out(self) -> bool:
        """One process at a time opens a DuckDB file, even to read it."""
        return True

    def begin(self, replay_id: str) -> Checkpoint | None:
        """Roll back what was not committed and read the checkpoint of `replay_id`. Idempotent.

        Raises:
            SinkError: `replay_id` is empty, or the sink is closed.
        """
        if not replay_id or "\x00" in replay_id:
            raise SinkError("A replay id is empty or contains NUL.", hint="Give the replay a readable name.")
        self._rollback()
        self._replay_id = replay_id
        with driver_errors(f"Reading {self._schema}.CHECKPOINTS"):
            return self._stored(replay_id)

    def write(self, rows: pa.RecordBatch) -> None:
        """Insert `RAW_SCHEMA` rows into the open transaction, in order.

        A failed write drops the transaction whole: go on from `begin`.

        Raises:
            InvalidEventError: columns, nulls or text encoding do not fit the schema.
        """
        self._take("EVENTS", RAW_SCHEMA, EVENTS_COLUMNS, rows)

    def quarantine(self, rows: pa.RecordBatch) -> None:
        """Insert `QUARANTINE_SCHEMA` rows into the same transaction.

        Raises:
            InvalidEventError: as for `write`.
        """
        self._take("QUARANTINE", QUARANTINE_SCHEMA, QUARANTINE_COLUMNS, rows)

    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        """Commit rows, quarantine and checkpoint in one transaction, if the stored checkpoint is `expected`.

        A refused commit rolls everything back; call `begin` to go on from what is stored.

        Raises:
            CheckpointConflictError: another run moved the checkpoint; nothing was written.
            SinkUnavailableError: another connection of this process changed the tables meanwhile.
        """
        replay_id = self._begun()
        try:
            with driver_errors("Committing"):
                self._ensure_transaction()
                found = self._stored(replay_id)
                if found == expected:
                    self._set(replay_id, checkpoint, is_new=found is None)
                    self._open().execute("COMMIT")
                    self._moment = None
        except (SinkUnavailableError, InvalidEventError) as error:
            # Two transactions moved the same checkpoint: DuckDB lets the first commit win.
            self._abandon()
            found = self._stored(replay_id)
            if found == expected:
                raise
            raise _conflict(expected, found) from error
        except BaseException:
            # Ctrl-C too: half a range must not be committed by who overlooks it.
            self._abandon()
            raise
        if found != expected:
            self._abandon()
            raise _conflict(expected, found)

    def partitions(self) -> list[str]:
        """See `SupportsTally`; also the methods below. Only what is committed counts."""
        return duckdb_tally.partitions(self._open(), self._schema)

    def tally(self, partition: str, order: Order, spans: Sequence[Span]) -> list[Tally]:
        """Count and add up inside DuckDB."""
        return duckdb_tally.tally(self._open(), self._schema, partition, order, spans)

    def tallied(
        self, partition: str, order: Order, span: Span, *, rows_max: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Rows of a span with their hashes."""
        return duckdb_tally.tallied(self._open(), self._schema, partition, order, span, rows_max)

    def differing(self, rows: pa.RecordBatch) -> Mapping[int, Sequence[str]]:
        """Compare every column; see `SupportsComparison`."""
        table, columns = "QUARANTINE", QUARANTINE_COLUMNS
        if rows.schema.equals(RAW_SCHEMA):
            table, columns = "EVENTS", EVENTS_COLUMNS
        if not rows.num_rows:
            return {}
        return duckdb_tally.differing(self._open(), self._schema, table, as_stored(rows, columns))

    def replace(
        self,
        replay_id: str,
        partition: str,
        places: Mapping[Order, Sequence[int]],
        rows: pa.RecordBatch,
        refused: pa.RecordBatch,
        *,
        expected: Checkpoint | None,
    ) -> int:
        """Put rows in the place of others; see `SupportsRepair`."""
        found = self.begin(replay_id)
        if found != expected:
            raise _conflict(expected, found)
        try:
            with driver_errors(f"Replacing rows of {self._schema}"):
                self._ensure_transaction()
                count = duckdb_repair.removed(self._open(), self._schema, partition, places)
            self.write(rows)
            self.quarantine(refused)
            if expected is None:
                with driver_errors("Committing"):
                    self._open().execute("COMMIT")
                    self._moment = None
        except BaseException:
            # Ctrl-C too: what was taken out must not be committed without what comes in its place.
            self._abandon()
            raise
        if expected is not None:
            # Written again as it is, so that a load that commits meanwhile conflicts.
            self.commit(expected, expected=expected)
        return count

    def close(self) -> None:
        """Drop uncommitted rows and release the file. Idempotent."""
        if self._connection is not None:
            self._rollback()
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            raise SinkError("The DuckDB sink is closed.", hint="Open a new one.")
        return self._connection

    def _begun(self) -> str:
        self._open()
        if self._replay_id is None:
            raise SinkError(
                "No replay has begun, or its last call failed.", hint="Call begin(replay_id) first."
            )
        return self._replay_id

    def _ensure_transaction(self) -> datetime:
        """Start a transaction unless one is open; its moment stamps every row of the commit."""
        if self._moment is None:
            moment = self._clock()
            if moment.tzinfo is None:
                raise SinkError(
                    "The sink's clock has no time zone.", hint="Pass e.g. lambda: datetime.now(UTC)."
                )
            self._open().execute("BEGIN")
            self._moment = moment.astimezone(UTC).replace(tzinfo=None)
        return self._moment

    def _rollback(self) -> None:
        if self._moment is not None and self._connection is not None:
            import duckdb  # noqa: PLC0415 - an optional driver, loaded by `connect`

            # A failed COMMIT has ended the transaction already, and a failed write or sync may have closed
            # the whole database to us; either way there is nothing to roll back.
            with suppress(duckdb.TransactionException, duckdb.FatalException):
                self._connection.execute("ROLLBACK")
        self._moment = None

    def _abandon(self) -> None:
        """Roll back and ask for a new `begin`: who overlooks an error cannot commit half a range."""
        self._rollback()
        self._replay_id = None

    def _take(self, table: str, schema: pa.Schema, columns: dict[str, str], rows: pa.RecordBatch) -> None:
        self._begun()
        try:
            fine = checked(rows, schema)
            if fine.num_rows:
                self._insert(table, columns, fine)
        except BaseException:
            # Ctrl-C too: half a range must not be committed by who overlooks it.
            self._abandon()
            raise

    def _insert(self, table: str, columns: dict[str, str], rows: pa.RecordBatch) -> None:
        names = ", ".join(f'"{name}"' for name in rows.schema.names)
        moment_column = next(name for name in columns if name not in rows.schema.names)
        data = as_stored(rows, columns)
        with driver_errors(f"Writing {self._schema}.{table}"):
            moment = self._ensure_transaction()
            self._open().register(_VIEW, data)
            try:
                self._open().execute(
                    f'INSERT INTO {self._tables[table]} ({names}, "{moment_column}")'
                    f" SELECT {names}, ?::TIMESTAMP FROM {_VIEW}",
                    [moment],
                )
            finally:
                self._open().unregister(_VIEW)

    def _stored(self, replay_id: str) -> Checkpoint | None:
        row = (
            self._open()
            .execute(f"SELECT {_CHECKPOINT} FROM {self._schema}.CHECKPOINTS WHERE replay_id = ?", [replay_id])
            .fetchone()
        )
        if row is None:
            return None
        source, epoch, position, digest, fingerprint = row
        return Checkpoint(
            source=source, epoch=epoch, position=position, digest=digest, fingerprint=fingerprint
        )

    def _set(self, replay_id: str, checkpoint: Checkpoint, *, is_new: bool) -> None:
        values = [
            checkpoint.source,
            checkpoint.epoch,
            checkpoint.position,
            checkpoint.digest,
            checkpoint.fingerprint,
            self._moment,
            replay_id,
        ]
        if is_new:
            columns = f"{_CHECKPOINT}, updated_at, replay_id"
            statement = f"INSERT INTO {self._tables['CHECKPOINTS']} ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        else:
            assignments = ", ".join(f"{name} = ?" for name in (*_CHECKPOINT.split(", "), "updated_at"))
            statement = f"UPDATE {self._tables['CHECKPOINTS']} SET {assignments} WHERE replay_id = ?"
        self._open().execute(statement, values)


def _conflict(expected: Checkpoint | None, found: Checkpoint | None) -> CheckpointConflictError:
    return CheckpointConflictError(
        "Another run moved this replay's checkpoint; nothing of this commit was written.",
        hint="Let the other run finish or stop it, then start again: it goes on from the stored checkpoint.",
        expected=expected,
        found=found,
    )
