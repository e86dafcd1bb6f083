"""Comparing RAW with what the log gives today, column by column, inside Snowflake.

The rows that are due go the way that a load's rows go, by the stage and COPY, into a temporary table: so both
sides were read by the same parser, and a VARIANT is compared as Snowflake understood it. Only offsets and
names of columns come back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from eventreplay.batch import RAW_SCHEMA
from eventreplay.sinks.snowflake.copying import copy_files
from eventreplay.sinks.snowflake.names import quoted, stage_path
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.stage import ROOT
from eventreplay.sinks.snowflake.tables import TABLES, Column, Raw
from eventreplay.sinks.snowflake.transaction import MOMENT_COLUMNS, Pending

PREFIX = "EVENTREPLAY_DUE_"
"""Of temporary tables, which only their session sees, and which end with it."""

_PLACE = frozenset({"log_partition", "log_offset", "stage"})


def differing(
    session: Session, raw: Raw, stage_identifier: str, pending: Pending, rows: pa.RecordBatch
) -> Mapping[int, Sequence[str]]:
    """See `SupportsComparison.differing`; `pending` stages the rows, and the caller removes it."""
    table = "EVENTS" if rows.schema.equals(RAW_SCHEMA) else "QUARANTINE"
    pending.add(table, rows)
    pending.finish()
    due = raw.beside(PREFIX)
    columns = ", ".join(column.definition for column in TABLES[table])
    session.run(
        f"CREATE OR REPLACE TEMPORARY TABLE {due.table(table)} ({columns})",
        doing=raw.doing(f"Creating a temporary table in {raw.schema}", table, "SELECT"),
    )
    folder = stage_path(stage_identifier, ROOT, pending.owner, pending.folder)
    copy_files(session, due, table, folder, pending.files(table))
    return _differences(session, raw, due, table, rows)


def _differences(
    session: Session, raw: Raw, due: Raw, table: str, rows: pa.RecordBatch
) -> dict[int, list[str]]:
    partition = rows.column("log_partition")[0].as_py()
    compared = [column for column in TABLES[table] if column.name not in {*_PLACE, MOMENT_COLUMNS[table]}]
    tests = {column.name: _differs(column) for column in compared}
    stage = "" if table == "EVENTS" else f" AND HELD.\"STAGE\" = '{_stage(rows)}'"
    flags = ", ".join(f"IFF({test}, 1, 0)" for test in tests.values())
    found = session.run(
        f'SELECT DUE."LOG_OFFSET", {flags} FROM {due.table(table)} AS DUE JOIN {raw.table(table)} AS HELD'
        f' ON HELD."LOG_OFFSET" = DUE."LOG_OFFSET" AND HELD."LOG_PARTITION" = ?{stage}'
        f" WHERE {' OR '.join(tests.values())}",
        [partition],
        doing=raw.doing(f"Comparing {raw.schema}.{table}", table, "SELECT"),
    )
    made: dict[int, list[str]] = {}
    for offset, *differs in found:
        known = made.setdefault(int(offset), [])
        known += [name for name, flag in zip(tests, differs, strict=True) if int(flag) and name not in known]
    if table == "EVENTS" or _stage(rows) == "decode":
        for offset in _elsewhere(session, raw, due, table, partition):
            made.setdefault(offset, []).append("table")
    return made


def _elsewhere(session: Session, raw: Raw, due: Raw, table: str, partition: str) -> list[int]:
    """Offsets at which a row of the same order stands in the other one of the two tables."""
    other = "QUARANTINE" if table == "EVENTS" else "EVENTS"
    stage = " AND HELD.\"STAGE\" = 'decode'" if other == "QUARANTINE" else ""
    found = session.run(
        f'SELECT DISTINCT DUE."LOG_OFFSET" FROM {due.table(table)} AS DUE JOIN {raw.table(other)} AS HELD'
        f' ON HELD."LOG_OFFSET" = DUE."LOG_OFFSET" AND HELD."LOG_PARTITION" = ?{stage}',
        [partition],
        doing=raw.doing(f"Comparing {raw.schema}.{other}", other, "SELECT"),
    )
    return [int(offset) for (offset,) in found]


def _differs(column: Column) -> str:
    name = quoted(column.name.upper())
    held, due = f"HELD.{name}", f"DUE.{name}"
    if column.kind == "VARIANT":
        held, due = f"TO_JSON({held})", f"TO_JSON({due})"
    return f"{held} IS DISTINCT FROM {due}"


def _stage(rows: pa.RecordBatch) -> str:
    return "capture" if rows.column("stage")[0].as_py() == "capture" else "decode"
