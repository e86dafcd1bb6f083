"""Statements that move records out of QUARANTINE, for `redrive`; called in the order in which they stand.

What is due goes by the stage and COPY into temporary tables, as a load's rows go, so that a moved row was
read by the same parser. Temporary tables are made before the transaction: a definition would end it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from eventreplay.capabilities.quarantine import Settled
from eventreplay.sinks.snowflake.copying import copy_files
from eventreplay.sinks.snowflake.names import quoted, stage_path
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.stage import ROOT
from eventreplay.sinks.snowflake.tables import TABLES, Raw
from eventreplay.sinks.snowflake.transaction import Pending

PREFIX = "EVENTREPLAY_REDRIVEN_"
"""Of temporary tables, which only their session sees, and which end with it."""

_GOING = "GOING"
_RESTATED = ("ERROR_CODE", "ERROR_MESSAGE", "DECODER_FINGERPRINT")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """A moment as Snowflake is told it."""
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)


def staged(
    session: Session,
    raw: Raw,
    stage_identifier: str,
    pending: Pending,
    passed: pa.RecordBatch,
    refused: pa.RecordBatch,
) -> Raw:
    """Bring the rows into temporary tables; where these are. Not to be called in a transaction."""
    due = raw.beside(PREFIX)
    folder = stage_path(stage_identifier, ROOT, pending.owner, pending.folder)
    for table, rows in (("EVENTS", passed), ("QUARANTINE", refused)):
        if rows.num_rows:
            pending.add(table, rows)
    pending.finish()
    for table in pending.spools:
        columns = ", ".join(column.definition for column in TABLES[table])
        _create(session, raw, due, table, columns)
        copy_files(session, due, table, folder, pending.files(table))
    _create(session, raw, due, _GOING, '"LOG_OFFSET" NUMBER(19,0) NOT NULL')
    return due


def _create(session: Session, raw: Raw, due: Raw, table: str, columns: str) -> None:
    session.run(
        f"CREATE OR REPLACE TEMPORARY TABLE {due.table(table)} ({columns})",
        doing=raw.doing(f"Creating a temporary table in {raw.schema}", "QUARANTINE", "SELECT"),
    )


def moved(session: Session, raw: Raw, due: Raw, passed: pa.RecordBatch, refused: pa.RecordBatch) -> Settled:
    """Move and restate, in a transaction that holds the lock."""
    offsets = _moved(session, raw, due, passed) if passed.num_rows else []
    restated = _restated(session, raw, due, refused) if refused.num_rows else 0
    return Settled(moved=pa.array(offsets, pa.int64()), restated=restated)


def _moved(session: Session, raw: Raw, due: Raw, passed: pa.RecordBatch) -> list[int]:
    partition, first, last = _span(passed)
    events, quarantine, going = raw.table("EVENTS"), raw.table("QUARANTINE"), due.table(_GOING)
    doing = raw.doing(f"Redriving into {raw.schema}.EVENTS", "EVENTS", "INSERT", "SELECT")
    # What is in EVENTS already is left alone: inserting it would double it. `verify` names it.
    session.run(
        f'INSERT INTO {going} ("LOG_OFFSET") SELECT "LOG_OFFSET" FROM {due.table("EVENTS")}'
        f' WHERE "LOG_OFFSET" IN (SELECT "LOG_OFFSET" FROM {quarantine} WHERE "LOG_PARTITION" = ?'
        ' AND "STAGE" = \'decode\' AND "LOG_OFFSET" BETWEEN ? AND ?)'
        f' AND "LOG_OFFSET" NOT IN (SELECT "LOG_OFFSET" FROM {events} WHERE "LOG_PARTITION" = ?'
        ' AND "LOG_OFFSET" BETWEEN ? AND ?)',
        [partition, first, last, partition, first, last],
        doing=doing,
    )
    columns = ", ".join(quoted(column.name.upper()) for column in TABLES["EVENTS"])
    session.run(
        f"INSERT INTO {events} ({columns}) SELECT {columns} FROM {due.table('EVENTS')}"
        f' WHERE "LOG_OFFSET" IN (SELECT "LOG_OFFSET" FROM {going}) ORDER BY "LOG_OFFSET"',
        doing=doing,
    )
    session.run(
        f'DELETE FROM {quarantine} WHERE "LOG_PARTITION" = ? AND "STAGE" = \'decode\''
        f' AND "LOG_OFFSET" BETWEEN ? AND ? AND "LOG_OFFSET" IN (SELECT "LOG_OFFSET" FROM {going})',
        [partition, first, last],
        doing=raw.doing(f"Redriving out of {raw.schema}.QUARANTINE", "QUARANTINE", "SELECT", "DELETE"),
    )
    rows = session.run(f'SELECT "LOG_OFFSET" FROM {going} ORDER BY 1', doing=doing)
    return [int(offset) for (offset,) in rows]


def _restated(session: Session, raw: Raw, due: Raw, refused: pa.RecordBatch) -> int:
    """Give records that stay their new reason; how many rows."""
    partition, first, last = _span(refused)
    # Other names than the target's columns have, so that none is ambiguous.
    given = ", ".join(f'"{name}" AS "DUE_{name}"' for name in _RESTATED)
    sets = ", ".join(f'"{name}" = DUE."DUE_{name}"' for name in _RESTATED)
    rows = session.run(
        f"UPDATE {raw.table('QUARANTINE')} SET {sets}"
        f' FROM (SELECT "LOG_OFFSET" AS "DUE_OFFSET", {given} FROM {due.table("QUARANTINE")}) AS DUE'
        ' WHERE "LOG_PARTITION" = ? AND "STAGE" = \'decode\' AND "LOG_OFFSET" BETWEEN ? AND ?'
        ' AND "LOG_OFFSET" = DUE."DUE_OFFSET"',
        [partition, first, last],
        doing=raw.doing(f"Restating {raw.schema}.QUARANTINE", "QUARANTINE", "SELECT", "UPDATE"),
    )
    return int(rows[0][0])


def inserted(session: Session, raw: Raw, passed: pa.RecordBatch, moment_us: int) -> list[int]:
    """Offsets in EVENTS, among those of `passed`, that a transaction of this moment inserted."""
    partition, first, last = _span(passed)
    rows = session.run(
        f'SELECT "LOG_OFFSET" FROM {raw.table("EVENTS")} WHERE "LOG_PARTITION" = ?'
        ' AND "LOG_OFFSET" BETWEEN ? AND ? AND "INSERTED_AT" = TO_TIMESTAMP_NTZ(?, 6) ORDER BY 1',
        [partition, first, last, moment_us],
        doing=raw.doing(f"Reading {raw.schema}.EVENTS", "EVENTS", "SELECT"),
    )
    return [int(offset) for (offset,) in rows]


def _span(rows: pa.RecordBatch) -> tuple[str, int, int]:
    offsets = rows.column("log_offset")
    return rows.column("log_partition")[0].as_py(), offsets[0].as_py(), offsets[-1].as_py()
