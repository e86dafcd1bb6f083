"""The questions that `SupportsQuarantine` asks, in SQL that DuckDB and Snowflake read alike.

Names are quoted in upper case, which Snowflake takes by the letter and DuckDB in any case; values are bound.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from eventreplay.batch import QUARANTINE_SCHEMA
from eventreplay.capabilities.quarantine import CONFLICT_CODE, CONFLICT_MESSAGE, Selection

KEY = ("LOG_PARTITION", "LOG_OFFSET", "STAGE")
RECORD_COLUMNS = (*(name.upper() for name in QUARANTINE_SCHEMA.names), "QUARANTINED_AT")
PAGE_COLUMNS = (*RECORD_COLUMNS, "PAYLOAD_JSON", "DISMISSED_REASON", "DISMISSED_AT")
_MADE = {
    "STAGE": "'staging'",
    "ERROR_CODE": f"'{CONFLICT_CODE}'",
    "ERROR_MESSAGE": f"'{CONFLICT_MESSAGE}'",
    "DECODER_FINGERPRINT": "''",
    "QUARANTINED_AT": 'HELD."INSERTED_AT"',
}
"""What RAW.EVENTS says of a conflicting event in other words."""
_RAW_PAYLOAD = frozenset({"PAYLOAD"})


@frozen(kw_only=True)
class Tables:
    """Where the records are: names as they stand in statements.

    Attributes:
        events: RAW.EVENTS.
        quarantine: RAW.QUARANTINE.
        dismissed: RAW.DISMISSED; None: it was not made yet.
        conflicts: the model of conflicting events; None: STAGING was not built.
        no_bytes: a null of the type of payloads.
        json_text: how a JSON column becomes text, `{}` stands for it.
    """

    events: str
    quarantine: str
    dismissed: str | None
    conflicts: str | None
    no_bytes: str
    json_text: str

    def records(self) -> str:
        """A query of all records, by `PAGE_COLUMNS`, those of STAGING among them."""
        plain = ", ".join(self._plain(name) for name in RECORD_COLUMNS)
        query = f'SELECT {plain}, CAST(NULL AS VARCHAR) AS "PAYLOAD_JSON" FROM {self.quarantine} AS HELD'
        if self.conflicts is not None:
            made = ", ".join(self._of_event(name) for name in RECORD_COLUMNS)
            payload = self.json_text.format('HELD."PAYLOAD"')
            query += (
                f' UNION ALL SELECT {made}, {payload} AS "PAYLOAD_JSON" FROM {self.conflicts} AS CONFLICT'
                f' JOIN {self.events} AS HELD ON HELD."LOG_PARTITION" = CONFLICT."LOG_PARTITION"'
                ' AND HELD."LOG_OFFSET" = CONFLICT."LOG_OFFSET"'
            )
        if self.dismissed is None:
            return (
                f'SELECT RECORD.*, CAST(NULL AS VARCHAR) AS "DISMISSED_REASON",'
                f' CAST(NULL AS TIMESTAMP) AS "DISMISSED_AT" FROM ({query}) AS RECORD'
            )
        on = " AND ".join(f'MARK."{name}" = RECORD."{name}"' for name in KEY)
        return (
            'SELECT RECORD.*, MARK."REASON" AS "DISMISSED_REASON", MARK."DISMISSED_AT" AS "DISMISSED_AT"'
            f" FROM ({query}) AS RECORD LEFT JOIN {self.dismissed} AS MARK ON {on}"
        )

    def _plain(self, name: str) -> str:
        held = f'HELD."{name}"'
        return f'{self.json_text.format(held) if name == "HEADERS" else held} AS "{name}"'

    def _of_event(self, name: str) -> str:
        if name in _RAW_PAYLOAD:
            return f'{self.no_bytes} AS "{name}"'
        if name in _MADE:
            return f'{_MADE[name]} AS "{name}"'
        return self._plain(name)


def chosen(selection: Selection) -> tuple[str, list[object]]:
    """A condition on the columns of `records`, and the values to bind in it."""
    tests: list[str] = ["1 = 1"]
    values: list[object] = []
    for column, names in (
        ("STAGE", selection.stages),
        ("ERROR_CODE", selection.codes),
        ("EVENT_TYPE", selection.types),
        ("LOG_PARTITION", selection.partitions),
        ("DECODER_FINGERPRINT", selection.fingerprints),
    ):
        if names:
            tests.append(f'"{column}" IN ({_marks(names)})')
            values += names
    for test, offset in ((">=", selection.first_offset), ("<=", selection.last_offset)):
        if offset is not None:
            tests.append(f'"LOG_OFFSET" {test} ?')
            values.append(offset)
    if selection.dismissed is not None:
        tests.append(f'"DISMISSED_AT" IS {"NOT " if selection.dismissed else ""}NULL')
    return " AND ".join(tests), values


def _marks(names: Sequence[object]) -> str:
    return ", ".join("?" * len(names))


def count(tables: Tables, selection: Selection) -> tuple[str, list[object]]:
    """How many records are selected."""
    where, values = chosen(selection)
    return f"SELECT COUNT(*) FROM ({tables.records()}) AS RECORDS WHERE {where}", values


def groups(tables: Tables, selection: Selection, groups_max: int) -> tuple[str, list[object]]:
    """Stage, code, type, whether dismissed, count."""
    where, values = chosen(selection)
    # ORDER BY all four: the same groups in every run, also where there are more than are asked for.
    query = (
        'SELECT "STAGE", "ERROR_CODE", "EVENT_TYPE", "DISMISSED_AT" IS NOT NULL AS "IS_DISMISSED", COUNT(*)'
        f" FROM ({tables.records()}) AS RECORDS WHERE {where}"
        f" GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 LIMIT {int(groups_max)}"
    )
    return query, values


def page(tables: Tables, selection: Selection, limit_rows: int, skip_rows: int) -> tuple[str, list[object]]:
    """Records in full, by `PAGE_COLUMNS`."""
    where, values = chosen(selection)
    columns = ", ".join(f'"{name}"' for name in PAGE_COLUMNS)
    query = (
        f"SELECT {columns} FROM ({tables.records()}) AS RECORDS WHERE {where}"
        ' ORDER BY "LOG_PARTITION", "STAGE", "LOG_OFFSET"'
        f" LIMIT {int(limit_rows)} OFFSET {int(skip_rows)}"
    )
    return query, values


def places(
    tables: Tables, partition: str, stage: str, selection: Selection, after: int | None, rows_max: int
) -> tuple[str, list[object]]:
    """Columns of `PLACES_SCHEMA` of stage decode or capture, by offset; doubled rows are not cut in two."""
    where, values = chosen(selection)
    of_one = '"LOG_PARTITION" = ? AND "STAGE" = ?'
    given: list[object] = [partition, stage]
    if after is not None:
        of_one += ' AND "LOG_OFFSET" > ?'
        given.append(after)
    # A subquery of RAW.QUARANTINE alone, narrowed first: STAGING is not asked.
    held = Tables(
        events=tables.events,
        quarantine=f"(SELECT * FROM {tables.quarantine} WHERE {of_one})",
        dismissed=tables.dismissed,
        conflicts=None,
        no_bytes=tables.no_bytes,
        json_text=tables.json_text,
    )
    query = (
        'SELECT "LOG_OFFSET", "EVENT_ID", "EVENT_TYPE", "PAYLOAD_SHA256", "ERROR_CODE",'
        ' "DECODER_FINGERPRINT", "DISMISSED_AT" IS NOT NULL AS "DISMISSED"'
        f" FROM ({held.records()}) AS RECORDS WHERE {where}"
        f' QUALIFY RANK() OVER (ORDER BY "LOG_OFFSET") <= {int(rows_max)} ORDER BY "LOG_OFFSET"'
    )
    return query, [*given, *values]


def marked(tables: Tables, selection: Selection) -> tuple[str, list[object]]:
    """What of the selected records is about to be marked or freed: counts and offsets."""
    where, values = chosen(selection)
    query = (
        'SELECT "LOG_PARTITION", "STAGE", "ERROR_CODE", COUNT(*), MIN("LOG_OFFSET"), MAX("LOG_OFFSET")'
        f" FROM ({tables.records()}) AS RECORDS WHERE {where} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    return query, values


def mark(tables: Tables, selection: Selection, moment: str) -> tuple[str, list[object]]:
    """Mark the selected records; the reason is bound first, then what `moment`, an expression, takes."""
    where, values = chosen(selection)
    query = (
        f'INSERT INTO {tables.dismissed} ("LOG_PARTITION", "LOG_OFFSET", "STAGE", "REASON", "DISMISSED_AT")'
        f' SELECT DISTINCT "LOG_PARTITION", "LOG_OFFSET", "STAGE", ?, {moment}'
        f" FROM ({tables.records()}) AS RECORDS WHERE {where}"
    )
    return query, values


def free(tables: Tables, selection: Selection) -> tuple[str, list[object]]:
    """Take the marks of the selected records away."""
    where, values = chosen(selection)
    key = ", ".join(f'"{name}"' for name in KEY)
    query = (
        f"DELETE FROM {tables.dismissed} WHERE ({key}) IN"
        f" (SELECT {key} FROM ({tables.records()}) AS RECORDS WHERE {where})"
    )
    return query, values
