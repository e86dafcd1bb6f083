"""What the catalogue says of the journal: its identity, columns, sequence, and what we may see of it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from eventreplay.errors import EpochError, SourceError
from eventreplay.sources.postgres.session import Session
from eventreplay.sources.postgres.settings import PostgresSettings, TableName, parse_table

_TABLE = """
SELECT c.oid::bigint, c.relkind::text, c.relpersistence::text, current_user::text, current_database()::text,
       current_setting('server_version_num')::int, pg_is_in_recovery(),
       has_schema_privilege(n.oid, 'USAGE'),
       has_table_privilege('pg_catalog.pg_locks', 'SELECT'),
       has_table_privilege('pg_catalog.pg_prepared_xacts', 'SELECT'),
       has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE'),
       (SELECT d.oid::bigint FROM pg_database d WHERE d.datname = current_database()),
       coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
_COLUMNS = """
SELECT attname, format_type(atttypid, NULL), has_column_privilege(attrelid, attnum, 'SELECT')
FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
TREE = """
tree(oid) AS (
  SELECT %(table)s::oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid
)"""
_SEQUENCES = f"""
WITH RECURSIVE {TREE},
id AS (SELECT a.attrelid, a.attnum FROM pg_attribute a JOIN tree ON a.attrelid = tree.oid
       WHERE a.attname = %(id)s AND NOT a.attisdropped),
used AS (
  SELECT d.objid AS oid FROM pg_depend d JOIN id ON d.refobjid = id.attrelid AND d.refobjsubid = id.attnum
  WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i'
  UNION
  SELECT d.refobjid FROM pg_depend d
  JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
  JOIN id ON f.adrelid = id.attrelid AND f.adnum = id.attnum
  WHERE d.refclassid = 'pg_class'::regclass
)
SELECT s.seqrelid::bigint, n.nspname, c.relname, s.seqcache, s.seqincrement, s.seqmin,
       has_sequence_privilege(s.seqrelid, 'SELECT')
FROM used JOIN pg_sequence s ON s.seqrelid = used.oid JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY 1
"""
_SUBSCRIBED = "SELECT count(*) FROM pg_catalog.pg_subscription_rel WHERE srrelid = %s"


@frozen(kw_only=True)
class Column:
    """A column's type as SQL names it, and whether we may read it."""

    kind: str
    readable: bool


@frozen(kw_only=True)
class Sequence:
    """The sequence that ids come from."""

    oid: int
    schema: str
    name: str
    cache: int
    increment: int
    least: int
    readable: bool


@frozen(kw_only=True)
class Right:
    """Something the role must be allowed to do, and the statement that allows it."""

    name: str
    granted: bool
    grant: str


@frozen(kw_only=True)
class Journal:
    """The table as it stands now."""

    schema: str
    name: str
    oid: int
    kind: str
    persistence: str
    role: str
    database: str
    database_oid: int
    version: int
    is_replica: bool
    is_encrypted: bool
    columns: Mapping[str, Column]
    sequences: tuple[Sequence, ...]
    is_subscribed: bool
    rights: tuple[Right, ...]


def describe(session: Session, settings: PostgresSettings) -> Journal:
    """Read the catalogue; needs no right but CONNECT.

    Raises:
        SourceError: there is no such table.
    """
    wanted = parse_table(settings.table)
    found = session.rows("a look at the table", _TABLE, (wanted.schema, wanted.name))
    if not found:
        raise SourceError(
            f"There is no table {wanted}.",
            hint="Check table and database; names in double quotes are taken letter by letter.",
            table=str(wanted),
        )
    (
        oid,
        kind,
        persistence,
        role,
        database,
        version,
        replica,
        usage,
        locks,
        prepared,
        control,
        db_oid,
        tls,
    ) = found[0]
    columns = {
        name: Column(kind=type_name, readable=readable)
        for name, type_name, readable in session.rows("a look at its columns", _COLUMNS, (oid,))
    }
    sequences = tuple(
        Sequence(
            oid=row[0],
            schema=row[1],
            name=row[2],
            cache=row[3],
            increment=row[4],
            least=row[5],
            readable=row[6],
        )
        for row in session.rows(
            "a look at its sequence", _SEQUENCES, {"table": oid, "id": settings.id_column}
        )
    )
    return Journal(
        schema=wanted.schema,
        name=wanted.name,
        oid=oid,
        kind=kind,
        persistence=persistence,
        role=role,
        database=database,
        database_oid=db_oid,
        version=version,
        is_replica=replica,
        is_encrypted=tls,
        columns=columns,
        sequences=sequences,
        is_subscribed=bool(session.rows("a look at subscriptions", _SUBSCRIBED, (oid,))[0][0]),
        rights=_rights(wanted, role, columns, sequences, (usage, locks, prepared, control)),
    )


def _rights(
    wanted: TableName,
    role: str,
    columns: Mapping[str, Column],
    sequences: tuple[Sequence, ...],
    has: tuple[bool, bool, bool, bool],
) -> tuple[Right, ...]:
    quoted = _quoted(role)
    usage, locks, prepared, control = has
    return (
        _right(
            f"USAGE on schema {wanted.schema}", usage, f"USAGE ON SCHEMA {_quoted(wanted.schema)}", quoted
        ),
        _right(
            f"SELECT on {wanted}",
            all(column.readable for column in columns.values()),
            f"SELECT ON {_quoted(wanted.schema)}.{_quoted(wanted.name)}",
            quoted,
        ),
        *(
            _right(
                f"SELECT on sequence {each.name}",
                each.readable,
                f"SELECT ON SEQUENCE {_quoted(each.schema)}.{_quoted(each.name)}",
                quoted,
            )
            for each in sequences
        ),
        _right("SELECT on pg_locks", locks, "SELECT ON pg_catalog.pg_locks", quoted),
        _right("SELECT on pg_prepared_xacts", prepared, "SELECT ON pg_catalog.pg_prepared_xacts", quoted),
        _right(
            "EXECUTE on pg_control_system()",
            control,
            "EXECUTE ON FUNCTION pg_catalog.pg_control_system()",
            quoted,
        ),
    )


def check_rights(journal: Journal) -> None:
    """Stop before anything is read with half the rights.

    Raises:
        SourceError: a right is missing; it is named, with the statement that grants it.
    """
    missing = [right for right in journal.rights if not right.granted]
    if missing:
        raise SourceError(
            f"The role {journal.role} lacks {', '.join(right.name for right in missing)}.",
            hint=" ".join(right.grant for right in missing),
            missing=[right.name for right in missing],
        )


def epoch(session: Session, journal: Journal) -> str:
    """Identity of the order of ids: cluster, timeline, database and table.

    A restored or promoted server has another timeline, a restored table another oid, another server
    another system identifier; in each of them the same id may be another event.
    """
    timeline = (
        "(SELECT timeline_id FROM pg_control_checkpoint())"
        if journal.is_replica
        else "('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"
    )
    rows = session.rows(
        "a look at the server's identity",
        f"SELECT system_identifier::text, {timeline} FROM pg_control_system()",
    )
    system, number = rows[0]
    return f"postgres:{system}:{number}:{journal.database_oid}:{journal.oid}"


def check_sequence(session: Session, journal: Journal, highest: int, *, known: int | None) -> None:
    """Ids of events must lie at or below what the sequence has given out; read after the snapshot.

    Raises:
        EpochError: the sequence stands below what was captured: it was reset, or a crash took it back.
        SourceError: events have ids that the sequence never gave.
    """
    for each in journal.sequences:
        driver_row = session.rows(
            "a look at the sequence's value",
            f"SELECT last_value FROM {_quoted(each.schema)}.{_quoted(each.name)}",
        )
        value = int(driver_row[0][0])
        if known is not None and value < known:
            raise EpochError(
                f"Position {known} is captured, but its sequence went back to {value}.",
                hint="The table was truncated with RESTART IDENTITY, or restored: "
                "capture it into a new partition.",
                expected=str(known),
                found=str(value),
            )
        if value < highest:
            raise SourceError(
                f"The journal has id {highest}, but its sequence {each.name} has only given out {value}.",
                hint="Ids that writers choose can fill holes at any time: let the sequence give them, or set "
                "allow=foreign_ids and live with late arrivals (they raise an alarm).",
                highest=highest,
                last_value=value,
            )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _right(name: str, granted: object, what: str, role: str) -> Right:
    return Right(name=name, granted=bool(granted), grant=f"GRANT {what} TO {role};")
