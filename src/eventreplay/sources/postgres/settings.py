"""What has to be known of a journal before a connection is opened; no driver is loaded here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal

from attrs import field, fields, frozen

from eventreplay import bounds
from eventreplay.errors import ConfigError
from eventreplay.secret import Secret
from eventreplay.sources.postgres.positions import parse_positions

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
ALLOWANCES = ("replica", "sequence_cache", "foreign_ids")
COLUMNS = (
    "event_id", "event_type", "stream_id", "source", "occurred_at", "recorded_at", "content_type", "headers",
    "payload",
)  # fmt: skip
CONSTANT_COLUMNS = ("event_type", "stream_id", "source", "content_type")
_PART = re.compile(r'"(?:[^"]|"")+"|[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*')


@frozen
class TableName:
    """A table's schema and name, letter by letter as the catalogue has them."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{_shown(self.schema)}.{_shown(self.name)}"


@frozen(kw_only=True)
class PostgresSettings:
    """A journal: a server, a table whose ids come from one sequence, how it is read, and the bounds of that.

    Attributes:
        table: `name`, `schema.name`; in double quotes what is not plain, as in SQL.
        url: postgresql:// URL; single fields override its parts. Secret, since it may hold a password.
        host: server; None: the URL's.
        port: of the server.
        database: database.
        user: who reads; needs SELECT only, see deploy/postgres/reader.sql.
        password: of the user.
        sslmode: None: `verify-full`, or `prefer` for a server on the loopback or a local socket.
        sslrootcert: authorities that may vouch for the server; `system`: those of this machine.
        connect_timeout_s: for one attempt to connect.
        statement_timeout_s: after which the server ends a statement; 0: never.
        keepalive_idle_s: quiet time after which TCP asks whether the server still lives.
        id_column: the column whose order is the journal's; filled from a sequence.
        columns: event attribute to column name, or `=text` for a constant (event_type, stream_id, source,
            content_type); what is not named is the column of the attribute's own name, if there is one.
        naive_timezone: zone of columns that are `timestamp without time zone`; they are refused without it.
        event_types: only events of these types; part of the source's name.
        since: only events that occurred at this moment or later; ISO 8601 with a zone; part of the name.
        until: only events that occurred before; ISO 8601 with a zone; part of the name.
        positions: only these, `17` or `19-21`: the targeted repair of late arrivals; part of the name.
        allow: what is refused otherwise, see decision 013: `replica`, `sequence_cache`, `foreign_ids`.
        hold_wait_s: how long `head` waits for the transactions that could still fill a hole, before it
            returns the position below. However long it is, no hole is skipped.
        late_check_s: the least time between two looks for late arrivals by one source.
        notify_channel: channel that the journal's writers NOTIFY; `wait` then reacts at once.
        readers: connections that read at once.
        range_ids: ids that one reader takes at a time.
        batch_bytes: size at which a reader's batch is closed; each holds at most 3 of them at a time.
        batch_rows_max: events per batch.
    """

    PLACE: ClassVar[str] = "table"
    ENVIRONMENT: ClassVar[Mapping[str, str]] = {
        "url": "POSTGRES_URL",
        "host": "POSTGRES_HOST",
        "port": "POSTGRES_PORT",
        "database": "POSTGRES_DB",
        "user": "POSTGRES_USER",
        "password": "POSTGRES_PASSWORD",
    }

    table: str = "public.events"
    url: Secret | None = None
    host: str | None = None
    port: int | None = None
    database: str | None = None
    user: str | None = None
    password: Secret | None = None
    sslmode: SslMode | None = None
    sslrootcert: str = "system"
    connect_timeout_s: int = 10
    statement_timeout_s: int = 3600
    keepalive_idle_s: int = 30
    id_column: str = "id"
    columns: Mapping[str, str] = field(factory=dict)
    naive_timezone: str | None = None
    event_types: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    positions: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    hold_wait_s: float = 5.0
    late_check_s: float = 60.0
    notify_channel: str | None = None
    readers: int = 1
    range_ids: int = 262_144
    batch_bytes: int = 8 << 20
    batch_rows_max: int = 65_536

    def __attrs_post_init__(self) -> None:
        parse_table(self.table)
        parse_positions(self.positions)
        self._check_columns()
        self._check_bounds()
        for name in ("since", "until"):
            _check_moment(name, getattr(self, name))
        _check_choices("allow", self.allow, ALLOWANCES)
        if self.url is None and self.host is None:
            raise ConfigError(
                "No PostgreSQL server is named.", hint="Give url, or host and database.", setting="host"
            )
        bounds.port(self)

    def _check_columns(self) -> None:
        _check_choices("columns", tuple(self.columns), COLUMNS)
        for name, column in self.columns.items():
            if not column:
                raise ConfigError(
                    f"columns gives no column for {name}.",
                    hint="Name a column, or a constant as =text.",
                    setting="columns",
                )
            if column.startswith("=") and name not in CONSTANT_COLUMNS:
                raise ConfigError(
                    f"columns gives a constant for {name}.",
                    hint=f"Only {', '.join(CONSTANT_COLUMNS)} can be the same for all events.",
                    setting="columns",
                )

    def _check_bounds(self) -> None:
        at_least_one = {"readers", "range_ids", "batch_bytes", "batch_rows_max", "connect_timeout_s"}
        for each in fields(PostgresSettings):
            if each.name.endswith(("_s", "_ids", "_bytes", "_max")) or each.name == "readers":
                bounds.number(self, each.name, 1 if each.name in at_least_one else 0)


def parse_table(text: str) -> TableName:
    """Schema and name as PostgreSQL reads them: plain parts fold to lower case, quoted ones do not.

    Raises:
        ConfigError: it is no such name.
    """
    parts: list[str] = []
    rest = text
    while True:
        found = _PART.match(rest)
        if found is None or "\0" in text:
            break
        part = found.group()
        parts.append(part[1:-1].replace('""', '"') if part.startswith('"') else part.lower())
        rest = rest[found.end() :]
        if not rest and len(parts) <= 2:  # noqa: PLR2004 - schema and name
            return TableName(*parts) if len(parts) > 1 else TableName("public", parts[0])
        if not rest.startswith("."):
            break
        rest = rest[1:]
    raise ConfigError(
        f"Not a table's name: {text[:200]!r}.",
        hint='Give name, schema.name, or "Odd Schema"."odd.name" in double quotes.',
        setting="table",
    )


def is_local(host: str | None) -> bool:
    """Whether packets to `host` stay on this machine."""
    if not host or host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(part: str) -> str:
    return part if re.fullmatch(r"[a-z_][a-z0-9_]*", part) else '"' + part.replace('"', '""') + '"'


def _check_choices(setting: str, given: tuple[str, ...], known: tuple[str, ...]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ConfigError(
            f"{setting} names what is unknown: {', '.join(unknown)[:200]}.",
            hint=f"It takes {', '.join(known)}.",
            setting=setting,
        )


def _check_moment(setting: str, text: str | None) -> None:
    if text is None:
        return
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigError(
            f"{setting} is no moment with a time zone.",
            hint="Write it as 2026-01-31T00:00:00+00:00.",
            setting=setting,
        )
