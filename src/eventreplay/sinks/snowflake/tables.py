"""The tables of RAW in Snowflake: their columns, how they are created, and how what is there is checked.

The columns follow from the Arrow schemas in `eventreplay.batch`, as in the DuckDB sink: the same names with
the same meaning. Timestamps are TIMESTAMP_NTZ(6) and mean UTC: no session's time zone can move a day.
`payload` and `headers` are VARIANT; in them decimals and 64-bit integers are text, so no number passes
through a float.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa
from attrs import evolve, frozen

from eventreplay.batch import HEADERS, QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.errors import SinkError
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import quoted
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.settings import SnowflakeSettings

_PARAMETERS = re.compile(r"(?P<base>[A-Z_]+)(?:\((?P<width>\d+)(?:,(?P<scale>\d+))?\))?")
_WIDTHS = {"VARCHAR": 16_777_216, "BINARY": 8_388_608}
"""What Snowflake means where no length is given; newer accounts mean more."""


@frozen
class Column:
    """A column of ours: its name in lower case, its type as DESCRIBE TABLE prints it."""

    name: str
    kind: str
    required: bool

    @property
    def definition(self) -> str:
        """As CREATE TABLE takes it."""
        return f"{quoted(self.name.upper())} {self.kind}{' NOT NULL' if self.required else ''}"


def _kind(field: pa.Field, variants: frozenset[str]) -> str:
    if field.name in variants or field.type == HEADERS:
        return "VARIANT"
    if pa.types.is_int64(field.type):
        return "NUMBER(19,0)"
    if pa.types.is_timestamp(field.type):
        return "TIMESTAMP_NTZ(6)"
    if pa.types.is_fixed_size_binary(field.type):
        return f"BINARY({field.type.byte_width})"
    return "BINARY" if pa.types.is_binary(field.type) else "VARCHAR"


def _columns(schema: pa.Schema, variants: frozenset[str], moment: str) -> tuple[Column, ...]:
    made = [Column(field.name, _kind(field, variants), not field.nullable) for field in schema]
    return (*made, Column(moment, "TIMESTAMP_NTZ(6)", required=True))


EVENTS = _columns(RAW_SCHEMA, frozenset({"headers", "payload"}), "inserted_at")
QUARANTINE = _columns(QUARANTINE_SCHEMA, frozenset(), "quarantined_at")
CHECKPOINTS = (
    Column("replay_id", "VARCHAR", required=True),
    Column("source", "VARCHAR", required=True),
    Column("epoch", "VARCHAR", required=True),
    Column("position", "NUMBER(19,0)", required=True),
    Column("digest", "VARCHAR", required=True),
    Column("fingerprint", "VARCHAR", required=True),
    Column("updated_at", "TIMESTAMP_NTZ(6)", required=True),
)
CHECKPOINT_LOCK = (
    Column("lock_id", "NUMBER(19,0)", required=True),
    Column("locked_by", "VARCHAR", required=True),
    Column("locked_at", "TIMESTAMP_NTZ(6)", required=True),
)
GENERATIONS = (
    Column("name", "VARCHAR", required=True),
    Column("state", "VARCHAR", required=True),
    Column("schemas", "VARCHAR", required=True),
    Column("suffix", "VARCHAR", required=True),
    Column("previous", "VARCHAR", required=False),
    Column("plan", "VARCHAR", required=True),
    Column("facts", "VARCHAR", required=True),
    Column("journal", "VARCHAR", required=False),
    Column("loads", "VARCHAR", required=True),
    Column("promotions", "NUMBER(19,0)", required=True),
    Column("began", "TIMESTAMP_NTZ(6)", required=False),
    Column("changed", "TIMESTAMP_NTZ(6)", required=False),
    Column("keep_until", "TIMESTAMP_NTZ(6)", required=False),
)
"""Which generations there are; `gate` and `registry` say what each column is for."""
DISMISSED = (
    Column("log_partition", "VARCHAR", required=True),
    Column("log_offset", "NUMBER(19,0)", required=True),
    Column("stage", "VARCHAR", required=True),
    Column("reason", "VARCHAR", required=True),
    Column("dismissed_at", "TIMESTAMP_NTZ(6)", required=True),
)
"""Quarantined events that somebody gave up on purpose."""
MOVING = {
    "EVENTS": EVENTS,
    "QUARANTINE": QUARANTINE,
    "CHECKPOINTS": CHECKPOINTS,
}
"""Tables of a generation: they change places with those of another."""
STAYING = {
    "CHECKPOINT_LOCK": CHECKPOINT_LOCK,
    "GENERATIONS": GENERATIONS,
    "DISMISSED": DISMISSED,
}
"""Tables of the live RAW alone, whatever is promoted; another generation has a CHECKPOINT_LOCK of its own."""
TABLES = {**MOVING, **STAYING}
OF_A_LOAD = ("EVENTS", "QUARANTINE", "CHECKPOINTS", "CHECKPOINT_LOCK")
"""Tables that a load writes."""
RIGHTS = {
    "EVENTS": ("INSERT", "SELECT"),
    "QUARANTINE": ("INSERT", "SELECT"),
    "CHECKPOINTS": ("SELECT", "INSERT", "UPDATE"),
    "CHECKPOINT_LOCK": ("SELECT", "UPDATE"),
    "GENERATIONS": ("SELECT",),
    "DISMISSED": ("SELECT",),
}
"""What the loader's role needs, table by table."""


@frozen
class Raw:
    """The RAW schema of one database: qualified names and the grants that go with them."""

    database: str
    schema: str
    role: str
    prefix: str = ""

    @classmethod
    def of(cls, settings: SnowflakeSettings, role: str = "") -> Raw:
        """By the settings; `role` is that of the session, for the texts of errors."""
        return cls(*settings.schema_names, role or "...")

    def table(self, name: str) -> str:
        """A table as it stands in statements."""
        return quoted(self.database, self.schema, f"{self.prefix}{name}")

    def beside(self, prefix: str) -> Raw:
        """Tables of the same kind beside these, under other names."""
        return evolve(self, prefix=prefix)

    def doing(self, what: str, name: str, *rights: str) -> Doing:
        """An action on a table that needs `rights`, with the grants for them."""
        to = f"TO ROLE {quoted(self.role)}" if self.role != "..." else "TO ROLE ..."
        grants = (
            f"GRANT USAGE ON DATABASE {quoted(self.database)} {to}",
            f"GRANT USAGE ON SCHEMA {quoted(self.database, self.schema)} {to}",
            f"GRANT {', '.join(rights)} ON TABLE {self.table(name)} {to}",
        )
        return Doing(what, grants)


def create_statements(settings: SnowflakeSettings) -> list[str]:
    """What `init` runs first, in order: what a load writes; every statement may be run again."""
    raw = Raw.of(settings)
    made = [f"CREATE SCHEMA IF NOT EXISTS {quoted(raw.database, raw.schema)}"]
    made += [_creating(raw, name) for name in OF_A_LOAD]
    return [*made, lock_row_statement(raw)]


def registry_statements(settings: SnowflakeSettings) -> list[str]:
    """What `init` runs after that: tables that know of generations and of dismissed events."""
    raw = Raw.of(settings)
    return [_creating(raw, name) for name in TABLES if name not in OF_A_LOAD]


def _creating(raw: Raw, name: str) -> str:
    inner = ", ".join(column.definition for column in TABLES[name])
    return f"CREATE TABLE IF NOT EXISTS {raw.table(name)} ({inner})"


def lock_row_statement(raw: Raw) -> str:
    """The row that a commit updates. Two of these at once may both insert: the lock is the table's."""
    lock = raw.table("CHECKPOINT_LOCK")
    return (
        f'INSERT INTO {lock} ("LOCK_ID", "LOCKED_BY", "LOCKED_AT")'
        f" SELECT 1, '', TO_TIMESTAMP_NTZ(0, 6) WHERE NOT EXISTS (SELECT 1 FROM {lock})"
    )


def check_tables(session: Session, raw: Raw, names: Iterable[str] = TABLES) -> None:
    """Raise unless tables of ours are there, with exactly our columns.

    Raises:
        SinkError: names the table and the columns that differ.
    """
    for name in names:
        found = described(session, raw, name)
        wrong = differences(name, found)
        if wrong:
            raise SinkError(
                f"{raw.schema}.{name} has another layout than eventreplay's: {'; '.join(wrong)}.",
                hint="It was made by something else or by another version: alter it, or use another schema.",
                table=name,
                columns=wrong,
            )


def differences(name: str, found: dict[str, tuple[str, bool]]) -> list[str]:
    """What differs between a table of ours and what is there, a sentence for each column.

    Args:
        name: of the table.
        found: by column name in upper case: type as DESCRIBE prints it, and whether nulls are refused.
    """
    return [fault for fault, _ in mending(name, name, found)]


def mending(name: str, table: str, found: dict[str, tuple[str, bool]]) -> list[tuple[str, str]]:
    """As `differences`, each with the statement that mends it; empty where none can.

    Args:
        name: of the table.
        table: as it stands in statements.
        found: by column name in upper case: type as DESCRIBE prints it, and whether nulls are refused.
    """
    wrong = []
    expected = {column.name.upper(): column for column in TABLES[name]}
    for column_name, column in expected.items():
        place = f"ALTER TABLE {table} ALTER COLUMN {quoted(column_name)}"
        if column_name not in found:
            wrong.append(
                (f"column {column_name} is missing", f"ALTER TABLE {table} ADD COLUMN {column.definition};")
            )
            continue
        kind, required = found[column_name]
        if not _same_kind(column.kind, kind):
            # A type only gets wider in place, and a narrower one may have refused rows already.
            widens = kind.partition("(")[0] == column.kind.partition("(")[0] == "VARCHAR"
            wrong.append(
                (
                    f"column {column_name} is {kind}, not {column.kind}",
                    f"{place} SET DATA TYPE {column.kind};" if widens else "",
                )
            )
        elif required != column.required:
            verb = "DROP" if required else "SET"
            wrong.append(
                (
                    f"column {column_name} {'refuses' if required else 'allows'} nulls",
                    f"{place} {verb} NOT NULL;",
                )
            )
    wrong += [
        (f"column {extra} is not ours", f"ALTER TABLE {table} DROP COLUMN {quoted(extra)};")
        for extra in sorted(found.keys() - expected.keys())
    ]
    return wrong


def _same_kind(expected: str, found: str) -> bool:
    """Whether a column of type `found` holds every value that one of type `expected` does.

    DESCRIBE prints lengths where none was given; wider than ours is as exact.
    """
    ours, theirs = _PARAMETERS.fullmatch(expected), _PARAMETERS.fullmatch(found)
    if ours is None or theirs is None or ours["base"] != theirs["base"] or ours["scale"] != theirs["scale"]:
        return False
    default = _WIDTHS.get(ours["base"], 0)
    return int(theirs["width"] or default) >= int(ours["width"] or default)


def described(session: Session, raw: Raw, name: str) -> dict[str, tuple[str, bool]]:
    """A table's columns by upper-case name: type as DESCRIBE prints it, and whether nulls are refused.

    Raises:
        SinkError: it does not exist, or the role has no right on it.
    """
    doing = raw.doing(f"Reading the layout of {raw.schema}.{name}", name, *RIGHTS[name])
    rows = session.named(f"DESCRIBE TABLE {raw.table(name)}", doing=doing)
    return {
        row["name"]: (str(row["type"]).replace(" ", "").upper(), row["null?"] == "N")
        for row in rows
        if row.get("kind", "COLUMN") == "COLUMN"
    }
