"""The quarantine in Snowflake: looked into, brought back from, put aside. See `capabilities.quarantine`.

    CREATE TEMPORARY TABLE; COPY; BEGIN; lock; compare; INSERT INTO EVENTS; DELETE FROM QUARANTINE; COMMIT

The lock of loads comes first, so between the comparison and the COMMIT nobody of ours takes the same record,
or changes what is live. DELETE is a right that loads do not need; the error of who lacks it names the grant.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

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
from eventreplay.errors import CheckpointConflictError, SinkError, SinkUnavailableError
from eventreplay.event import Checkpoint
from eventreplay.sinks import refused_sql
from eventreplay.sinks.checked import checked
from eventreplay.sinks.snowflake import checkpoints, moving
from eventreplay.sinks.snowflake.compared import ComparedRaw
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.gate import Gate
from eventreplay.sinks.snowflake.names import quoted
from eventreplay.sinks.snowflake.session import Row, Session
from eventreplay.sinks.snowflake.stage import folder_name, owner_of
from eventreplay.sinks.snowflake.tables import Raw
from eventreplay.sinks.snowflake.transaction import Pending, begun

_STAGING = "STAGING"
_REDRIVE = "redrive"
"""Folder of redrives on the stage, as a replay has one."""


class RedrivesRaw(ComparedRaw):
    """`SupportsQuarantine` and `SupportsRedrive` of a Snowflake sink."""

    _live: Raw
    _gate: Gate

    @abstractmethod
    def _disconnect(self) -> None: ...

    def refused_count(self, selection: Selection) -> int:
        """See `SupportsQuarantine`; also the three below."""
        ((rows,),) = self._asked(lambda tables: refused_sql.count(tables, selection))
        return int(rows)

    def refused_groups(self, selection: Selection, *, groups_max: int) -> list[RefusedGroup]:
        """Counted inside Snowflake."""
        return [
            RefusedGroup(
                stage=stage, error_code=code, event_type=kind, dismissed=bool(dismissed), rows=int(rows)
            )
            for stage, code, kind, dismissed, rows in self._asked(
                lambda tables: refused_sql.groups(tables, selection, groups_max)
            )
        ]

    def refused_page(
        self, selection: Selection, *, limit_rows: int, skip_rows: int = 0
    ) -> list[Mapping[str, Any]]:
        """Records in full."""
        names = [name.lower() for name in refused_sql.PAGE_COLUMNS]
        return [
            dict(zip(names, row, strict=True))
            for row in self._asked(lambda tables: refused_sql.page(tables, selection, limit_rows, skip_rows))
        ]

    def refused_places(
        self, partition: str, stage: Stage, selection: Selection, *, after: int | None, rows_max: int
    ) -> pa.RecordBatch:
        """Fetched, `rows_max` at a time."""
        rows = self._asked(
            lambda tables: refused_sql.places(tables, partition, stage, selection, after, rows_max)
        )
        names = PLACES_SCHEMA.names
        offset, digest, dismissed = (names.index(n) for n in ("log_offset", "payload_sha256", "dismissed"))
        columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
        for at, cast in ((offset, int), (digest, bytes), (dismissed, bool)):
            columns[at] = [cast(value) for value in columns[at]]
        arrays = [pa.array(c, field.type) for c, field in zip(columns, PLACES_SCHEMA, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=PLACES_SCHEMA)

    def settle(
        self, replay_id: str, passed: pa.RecordBatch, refused: pa.RecordBatch, *, expected: Checkpoint
    ) -> Settled:
        """See `SupportsRedrive`. What was written and not committed is dropped, as by `begin`."""
        self._drop_pending()
        passed, refused = checked(passed, RAW_SCHEMA), checked(refused, QUARANTINE_SCHEMA)
        if not passed.num_rows + refused.num_rows:
            return Settled(moved=pa.array([], pa.int64()), restated=0)
        with self._staged(replay_id) as pending:
            session = self._connected()
            due = moving.staged(session, self._raw, self._settings.stage_identifier, pending, passed, refused)
            with self._transaction(session):
                self._locked(session, pending.moment_us)
                self._gate.check_open(session)
                found = checkpoints.stored(session, self._raw, replay_id)
                if not goes_on_from(found, expected):
                    raise CheckpointConflictError(
                        "RAW is no longer what it was when the redrive began; nothing of this transaction"
                        " was changed.",
                        hint="Another codec, another log or another generation is live now: start again.",
                        expected=expected,
                        found=found,
                    )
                made = moving.moved(session, self._raw, due, passed, refused)
                try:
                    session.commit()
                except SinkError:
                    self._find_out_moved(passed, made, pending.moment_us)
        return made

    def dismiss(self, selection: Selection, reason: str) -> list[Marked]:
        """See `SupportsRedrive`."""
        return self._marking(
            evolve(selection, dismissed=False),
            lambda tables, new, moment_us: _bound(
                refused_sql.mark(tables, new, "TO_TIMESTAMP_NTZ(?, 6)"), reason, moment_us
            ),
        )

    def undismiss(self, selection: Selection) -> list[Marked]:
        """See `SupportsRedrive`."""
        old = evolve(selection, dismissed=True)
        return self._marking(old, lambda tables, chosen, _: refused_sql.free(tables, chosen))

    def _marking(
        self,
        selection: Selection,
        change: Callable[[refused_sql.Tables, Selection, int], tuple[str, list[object]]],
    ) -> list[Marked]:
        self._drop_pending()
        session, moment_us = self._connected(), moving.microseconds(self._now())
        tables = self._tables(session)
        doing = self._live.doing(
            f"Writing {self._live.schema}.DISMISSED", "DISMISSED", "SELECT", "INSERT", "DELETE"
        )
        with self._transaction(session):
            self._locked(session, moment_us)
            rows = session.run(*refused_sql.marked(tables, selection), doing=doing)
            session.run(*change(tables, selection, moment_us), doing=doing)
            session.commit()
        return [
            Marked(
                partition=partition,
                stage=stage,
                error_code=code,
                rows=int(count),
                first_offset=int(first),
                last_offset=int(last),
            )
            for partition, stage, code, count, first, last in rows
        ]

    def _locked(self, session: Session, moment_us: int) -> None:
        checkpoints.lock(session, self._raw, self._holder(_REDRIVE), moment_us)

    @contextmanager
    def _transaction(self, session: Session) -> Iterator[None]:
        """Rolls back what an error left open; over a session that gives no answer nothing more is asked."""
        try:
            session.begin()
            yield
        except BaseException as error:
            # Ctrl-C too: what was deleted must not be committed without what comes in its place.
            if isinstance(error, SinkUnavailableError):
                self._disconnect()
            elif session.in_transaction:
                try:
                    session.rollback()
                except SinkError:
                    self._disconnect()
            raise

    @contextmanager
    def _staged(self, replay_id: str) -> Iterator[Pending]:
        """Rows on their way; their files here and on the stage are removed in any case."""
        session, moment = self._connected(), self._now()
        self._transactions += 1
        folder = folder_name(moment, self._sink_id, self._transactions)
        pending = begun(self._settings, session, self._stage, owner_of(replay_id), folder, moment)
        try:
            yield pending
        finally:
            pending.drop_local()
            if pending.staged:
                with suppress(SinkError):  # left for a later run to remove, as after a load
                    self._stage.remove(self._connected(), pending.owner, pending.folder)

    def _find_out_moved(self, passed: pa.RecordBatch, made: Settled, moment_us: int) -> None:
        """A COMMIT without a good answer: did it happen? Asked under the lock, so that it has ended.

        Raises:
            SinkUnavailableError: it did not, or nothing shows it; doing it again is safe either way.
        """
        self._disconnect()
        session = self._connected()
        with self._transaction(session):
            self._locked(session, moment_us)
            there = moving.inserted(session, self._raw, passed, moment_us) if passed.num_rows else []
            session.rollback()
        if not len(made.moved) or there != made.moved.to_pylist():
            raise SinkUnavailableError(
                "A COMMIT was not confirmed, and Snowflake has not kept it.",
                hint="Nothing of this transaction was changed; start again.",
            )

    def _asked(self, question: Callable[[refused_sql.Tables], tuple[str, list[object]]]) -> list[Row]:
        session = self._connected()
        doing = self._raw.doing(f"Reading {self._raw.schema}.QUARANTINE", "QUARANTINE", "SELECT")
        marks = self._live.doing("", "DISMISSED", "SELECT").grants[-1]
        query, values = question(self._tables(session))
        return session.run(query, values, doing=Doing(doing.what, (*doing.grants, marks)))

    def _tables(self, session: Session) -> refused_sql.Tables:
        built = session.run(
            f"SELECT COUNT(*) FROM {quoted(self._raw.database)}.INFORMATION_SCHEMA.TABLES"
            " WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
            [_STAGING, CONFLICTS],
            doing=Doing("Looking for conflicts in STAGING"),
        )
        # The conflicts in STAGING are those of the live RAW; another generation's stand elsewhere.
        is_there = bool(int(built[0][0])) and self._raw == self._live
        return refused_sql.Tables(
            events=self._raw.table("EVENTS"),
            quarantine=self._raw.table("QUARANTINE"),
            dismissed=self._live.table("DISMISSED"),
            conflicts=quoted(self._raw.database, _STAGING, CONFLICTS) if is_there else None,
            no_bytes="CAST(NULL AS BINARY)",
            json_text="TO_JSON({})",
        )


def _bound(statement: tuple[str, list[object]], *first: object) -> tuple[str, list[object]]:
    """A statement whose first values come before those of the selection."""
    query, values = statement
    return query, [*first, *values]
