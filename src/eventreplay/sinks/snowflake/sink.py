"""The sink: rows are spooled and staged as they come, and become visible in one short transaction.

    BEGIN; COPY INTO EVENTS; COPY INTO QUARANTINE; lock; compare and set the checkpoint; COMMIT

Exactly once without a MERGE: the cost does not grow with the table. Decision 020 says why each step is there,
`gate` and decision 033 why no promotion of another generation can come between.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import ClassVar, Self

import pyarrow as pa
from attrs import evolve

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.capabilities.generations import suffix_of
from eventreplay.errors import SinkError, SinkUnavailableError
from eventreplay.event import Checkpoint
from eventreplay.finding import Finding, Standing
from eventreplay.secret import Secret
from eventreplay.sinks.checked import checked
from eventreplay.sinks.snowflake import checkpoints
from eventreplay.sinks.snowflake.check import check
from eventreplay.sinks.snowflake.compared import conflict
from eventreplay.sinks.snowflake.copying import copy_files
from eventreplay.sinks.snowflake.gate import Gate
from eventreplay.sinks.snowflake.models import ComparesModels
from eventreplay.sinks.snowflake.names import stage_path
from eventreplay.sinks.snowflake.promoting import PromotesGenerations
from eventreplay.sinks.snowflake.redrive import RedrivesRaw
from eventreplay.sinks.snowflake.session import Session, check_context
from eventreplay.sinks.snowflake.settings import SnowflakeSettings
from eventreplay.sinks.snowflake.setup import init
from eventreplay.sinks.snowflake.stage import (
    ROOT,
    ExternalStage,
    InternalStage,
    age_of,
    folder_name,
    owner_of,
)
from eventreplay.sinks.snowflake.standing import standing
from eventreplay.sinks.snowflake.table_comparison import ComparesTables
from eventreplay.sinks.snowflake.tables import OF_A_LOAD, Raw, check_tables
from eventreplay.sinks.snowflake.transaction import Pending, begun
from eventreplay.sinks.snowflake.transforming import dbt_environment

_log = logging.getLogger(__name__)


class SnowflakeSink(ComparesModels, RedrivesRaw, ComparesTables, PromotesGenerations):
    """A `Sink` over the RAW schema of a Snowflake database; one thread at a time, any number of processes.

    Call order: `begin`, then `write` and `quarantine` as often as needed, then `commit`, and again. Also a
    context manager. `payload` and `headers` are text of JSON: that they are is the codec's promise.

    Args:
        settings: account, login, place and bounds.
        clock: the moment of a commit, timezone-aware; asked once per transaction, for `inserted_at`,
            `quarantined_at` and `updated_at`, and for the age of staged files.
        generation: load into the tables of this one, which is being built, and not into the live ones; see
            `shadow`, which makes such a sink.

    Raises:
        ConfigError: the driver, a key or a bucket is missing.
        SinkUnavailableError: Snowflake gives no answer.
        SinkError: a login or right is refused, or the tables are not ours; the hint has the GRANT.
    """

    Settings: ClassVar[type[SnowflakeSettings]] = SnowflakeSettings

    def __init__(
        self, settings: SnowflakeSettings, *, clock: Callable[[], datetime], generation: str | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sink_id = secrets.token_hex(8)
        self._transactions = 0
        self._replay_id: str | None = None
        self._pending: Pending | None = None
        self._cleaned: set[str] = set()
        self._closed = False
        self._session: Session | None = None
        self._live = live = Raw.of(settings)
        self._generation = generation
        self._raw = live if generation is None else evolve(live, schema=live.schema + suffix_of(generation))
        self._gate, self._mark = Gate(live, generation), ""
        self._stage = (
            InternalStage(live, settings.stage_identifier)
            if settings.stage == "internal"
            else ExternalStage(settings)
        )
        if settings.create_tables:
            init(settings)
        self._checked_connection()

    def _checked_connection(self) -> None:
        """The first connection; its tables are looked at."""
        try:
            check_tables(self._connected(), self._raw, OF_A_LOAD)
            check_tables(self._connected(), self._live, ("GENERATIONS",))
        except BaseException:
            # Ctrl-C too: nobody else has the session.
            self.close()
            raise

    @classmethod
    def init(cls, settings: SnowflakeSettings) -> None:
        """Create schema, tables, lock and stage where they are missing; see `setup.init`."""
        init(settings)

    @classmethod
    def check(cls, settings: SnowflakeSettings) -> list[Finding]:
        """What `eventreplay doctor` prints of Snowflake; see `check.check`."""
        return check(settings)

    @classmethod
    def standing(cls, settings: SnowflakeSettings) -> Standing:
        """What `eventreplay status` shows; see `standing.standing`."""
        return standing(settings)

    @classmethod
    def dbt_environment(cls, settings: SnowflakeSettings) -> Mapping[str, str | Secret]:
        """Variables by which the dbt project reaches this account; see `transforming.dbt_environment`."""
        return dbt_environment(settings)

    @property
    def transaction_rows_min(self) -> int:
        """Rows a transaction should have at least: each one costs Snowflake seconds, whatever it holds."""
        return self._settings.transaction_rows_min

    def begin(self, replay_id: str) -> Checkpoint | None:
        """Drop what was not committed and read the checkpoint of `replay_id`. Idempotent.

        Staged files that a dead run of this replay left are removed when they are older than
        `leftover_age_s`; a live run's never are.

        Raises:
            SinkError: `replay_id` is empty or has NUL, or the sink is closed.
        """
        if not replay_id or "\x00" in replay_id:
            raise SinkError("A replay id is empty or contains NUL.", hint="Give the replay a readable name.")
        self._drop_pending()
        session = self._connected()
        try:
            self._clean(session, owner_of(replay_id))
            found, self._mark = checkpoints.begun(session, self._raw, self._gate, replay_id)
        except SinkUnavailableError:
            self._disconnect()
            raise
        self._replay_id = replay_id
        return found

    def write(self, rows: pa.RecordBatch) -> None:
        """Spool `RAW_SCHEMA` rows, in order; a file that gets full goes to the stage.

        A failed write drops the transaction whole: go on from `begin`.

        Raises:
            InvalidEventError: columns, nulls or text encoding do not fit the schema.
        """
        self._take("EVENTS", RAW_SCHEMA, rows)

    def quarantine(self, rows: pa.RecordBatch) -> None:
        """Spool `QUARANTINE_SCHEMA` rows under the same transaction.

        Raises:
            InvalidEventError: as for `write`.
        """
        self._take("QUARANTINE", QUARANTINE_SCHEMA, rows)

    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        """Load rows, quarantine and checkpoint in one transaction, if the stored checkpoint is `expected`.

        Raises:
            CheckpointConflictError: another run moved the checkpoint; nothing was written.
            SinkUnavailableError: no answer, or a lock held too long; begin again.
        """
        replay_id = self._begun()
        pending = self._opened(replay_id)
        try:
            pending.finish()
            self._load(replay_id, pending, checkpoint, expected)
        except BaseException as error:
            # Ctrl-C too: half a range must not be committed by who overlooks it.
            self._abandon(error)
            raise
        self._drop_pending()

    def close(self) -> None:
        """Drop uncommitted rows, remove their staged files, log out. Idempotent."""
        if not self._closed:
            self._drop_pending()
            self._disconnect()
            self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load(
        self, replay_id: str, pending: Pending, checkpoint: Checkpoint, expected: Checkpoint | None
    ) -> None:
        session = self._connected()
        folder = stage_path(self._settings.stage_identifier, ROOT, pending.owner, pending.folder)
        session.begin()
        for table in pending.spools:
            copy_files(session, self._raw, table, folder, pending.files(table))
        # The lock is taken last and held for two statements: other partitions copy meanwhile.
        checkpoints.lock(session, self._raw, self._holder(replay_id), pending.moment_us)
        if not checkpoints.moved(
            session,
            self._raw,
            self._gate,
            self._mark,
            replay_id=replay_id,
            checkpoint=checkpoint,
            expected=expected,
            moment_us=pending.moment_us,
        ):
            self._gate.check(session, self._mark)
            raise conflict(expected, checkpoints.stored(session, self._raw, replay_id))
        try:
            session.commit()
        except SinkError:
            self._find_out(replay_id, checkpoint, expected)

    def _find_out(self, replay_id: str, checkpoint: Checkpoint, expected: Checkpoint | None) -> None:
        """A COMMIT without a good answer: did it happen? Asked under the lock, so that it has ended.

        Raises:
            SinkUnavailableError: it did not happen, or cannot be found out now; begin again.
            CheckpointConflictError: another run has moved the checkpoint since.
        """
        self._disconnect()
        session = self._connected()
        try:
            session.begin()
            moment_us = 0 if self._pending is None else self._pending.moment_us
            checkpoints.lock(session, self._raw, self._holder(replay_id), moment_us)
            # After a promotion this is another generation's, which says nothing of ours.
            self._gate.check(session, self._mark)
            found = checkpoints.stored(session, self._raw, replay_id)
            session.rollback()
        except SinkError:
            self._disconnect()
            raise
        if found == checkpoint:
            return
        if found == expected:
            raise SinkUnavailableError(
                "A COMMIT was not confirmed, and Snowflake has not kept it.",
                hint="Nothing of this transaction was written; start again from begin().",
            )
        raise conflict(expected, found)

    def _take(self, table: str, schema: pa.Schema, rows: pa.RecordBatch) -> None:
        replay_id = self._begun()
        try:
            fine = checked(rows, schema)
            if fine.num_rows:
                self._opened(replay_id).add(table, fine)
        except BaseException as error:
            # Ctrl-C too: half a range must not be committed by who overlooks it.
            self._abandon(error)
            raise

    def _opened(self, replay_id: str) -> Pending:
        if self._pending is None:
            self._transactions += 1
            moment = self._now()
            folder = folder_name(moment, self._sink_id, self._transactions)
            self._pending = begun(
                self._settings, self._connected(), self._stage, owner_of(replay_id), folder, moment
            )
        return self._pending

    def _now(self) -> datetime:
        moment = self._clock()
        if moment.tzinfo is None:
            raise SinkError("The sink's clock has no time zone.", hint="Pass e.g. lambda: datetime.now(UTC).")
        return moment

    def _begun(self) -> str:
        if self._closed:
            raise SinkError("The Snowflake sink is closed.", hint="Open a new one.")
        if self._replay_id is None:
            raise SinkError(
                "No replay has begun, or its last call failed.", hint="Call begin(replay_id) first."
            )
        return self._replay_id

    def _holder(self, replay_id: str) -> str:
        return f"{replay_id} by {self._sink_id}"

    def _abandon(self, error: BaseException) -> None:
        """Give the transaction up and ask for a new `begin`: who overlooks an error commits no half range."""
        self._replay_id = None
        session = self._session
        if isinstance(error, SinkUnavailableError) and session is not None and not session.in_transaction:
            self._disconnect()  # cleaning up over a connection that gives no answer would wait for it again
        self._drop_pending()

    def _drop_pending(self) -> None:
        """Roll back if a transaction is open, and remove its files here and on the stage."""
        pending, self._pending = self._pending, None
        session = self._session
        if session is not None and session.in_transaction:
            try:
                session.rollback()
            except SinkError:
                self._disconnect()  # which rolls back, at the latest when Snowflake notices
        if pending is None:
            return
        pending.drop_local()
        if pending.staged and self._session is not None:
            try:
                self._stage.remove(self._session, pending.owner, pending.folder)
            except SinkError as error:
                # The data is in, or out: only files that nobody will read are left, until they are old.
                _log.warning("Staged files are left for a later run to remove: %s", error.message)

    def _clean(self, session: Session, owner: str) -> None:
        if owner in self._cleaned:
            return
        oldest = timedelta(seconds=self._settings.leftover_age_s)
        for folder in sorted(self._stage.folders(session, owner)):
            age = age_of(folder, self._now())
            if age is not None and age > oldest:
                self._stage.remove(session, owner, folder)
        self._cleaned.add(owner)

    def _connected(self) -> Session:
        if self._closed:
            raise SinkError("The Snowflake sink is closed.", hint="Open a new one.")
        if self._session is None:
            session = Session(self._settings)
            try:
                role = check_context(session, self._settings)
            except BaseException:
                # Ctrl-C too: nobody else has the session yet.
                session.close()
                raise
            self._session = session
            self._live = Raw.of(self._settings, role)
            self._raw = evolve(self._live, schema=self._raw.schema)
            self._gate = evolve(self._gate, raw=self._live)
        return self._session

    def _beside(self, generation: str) -> Self:
        return type(self)(self._settings, clock=self._clock, generation=generation)

    def _disconnect(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(SinkError):
                session.close()
