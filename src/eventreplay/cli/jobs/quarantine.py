"""The work of `quarantine ls` and `quarantine show`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay.cli.jobs import assembly
from eventreplay.cli.screen import plain, print_json, print_line, print_table, visible
from eventreplay.errors import ConfigError
from eventreplay.sinks.duckdb_tables import connect, driver_errors

Connection = Any
"""A DuckDB connection; the driver has one door, which is not here."""

STAGES = ("capture", "decode", "staging")
CONFLICTS = "stg_events__conflicts"
"""The model that holds events whose id was taken by an earlier one with another payload."""
CONFLICT_CODE = "conflicting_payload"
HEX_SHOWN_MAX = 512
"""Hex digits of a payload on a terminal; JSON output has all of them."""

_COLUMNS = (
    "stage, log_partition, log_offset, event_id, event_type, stream_id, source, source_position,"
    " occurred_at, recorded_at, content_type, headers, payload, payload_sha256, error_code, error_message,"
    " decoder_fingerprint, quarantined_at"
)


@frozen(kw_only=True)
class Wanted:
    """Which records to show; None: all."""

    stage: str | None
    code: str | None
    limit_rows: int
    skip_rows: int


def ls(warehouse: Path | None, config: Path | None, *, as_json: bool) -> int:
    """Counts by stage, code and event type."""
    with connect(assembly.warehouse_file(warehouse, config), read_only=True) as connection:
        reasons = counts(connection)
    total = sum(reason["count"] for reason in reasons)
    if as_json:
        print_json({"total": total, "reasons": reasons})
        return 0
    if reasons:
        columns = ("stage", "error code", "event type", "count")
        print_table("Quarantine", columns, [tuple(reason.values()) for reason in reasons], right=(3,))
    print_line(f"{total:,} quarantined.")
    return 0


def counts(connection: Connection) -> list[dict[str, Any]]:
    """What is quarantined, by stage, code and type, in this order; conflicts of STAGING are among it."""
    with driver_errors("Counting the quarantine"):
        rows = connection.execute(
            f"SELECT stage, error_code, event_type, count(*) FROM ({_union(connection)})"  # noqa: S608 - our own names
            " GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    names = ("stage", "error_code", "event_type", "count")
    return [dict(zip(names, row, strict=True)) for row in rows]


def show(warehouse: Path | None, config: Path | None, wanted: Wanted, *, as_json: bool) -> int:
    """Records with their original bytes."""
    if wanted.stage is not None and wanted.stage not in STAGES:
        raise ConfigError(f"There is no stage {wanted.stage!r}.", hint=f"Give one of {', '.join(STAGES)}.")
    with connect(assembly.warehouse_file(warehouse, config), read_only=True) as connection:
        records = page(connection, wanted)
    if as_json:
        print_json({"records": records})
        return 0
    for record in records:
        _show(record)
    print_line(f"{len(records):,} records.", style="dim")
    return 0


def page(connection: Connection, wanted: Wanted) -> list[dict[str, Any]]:
    """Records in log order, payloads as bytes."""
    with driver_errors("Reading the quarantine"):
        found = connection.execute(
            f"SELECT {_COLUMNS}, payload_json FROM ({_union(connection)})"  # noqa: S608 - our own names
            " WHERE ($stage IS NULL OR stage = $stage) AND ($code IS NULL OR error_code = $code)"
            " ORDER BY log_partition, stage, log_offset LIMIT $limit OFFSET $skip",
            {
                "stage": wanted.stage,
                "code": wanted.code,
                "limit": wanted.limit_rows,
                "skip": wanted.skip_rows,
            },
        )
        names = [column[0] for column in found.description or ()]
        rows = found.fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]


def _union(connection: Connection) -> str:
    """RAW.QUARANTINE, and beside it the conflicting events that STAGING set apart, if it was built.

    Of those RAW has the decoded payload only; their original bytes are in the log, as of every event.
    """
    query = f"SELECT {_COLUMNS}, NULL::VARCHAR AS payload_json FROM RAW.QUARANTINE"  # noqa: S608 - our own names
    (built,) = connection.execute(
        "SELECT count(*) FROM information_schema.tables"
        " WHERE lower(table_schema) = 'staging' AND lower(table_name) = ?",
        [CONFLICTS],
    ).fetchone()
    if not built:
        return query
    return f"""
        {query} UNION ALL BY NAME
        SELECT 'staging' AS stage, '{CONFLICT_CODE}' AS error_code,
            'An earlier event has this id and another payload.' AS error_message, '' AS decoder_fingerprint,
            event.* EXCLUDE (payload_type, event_hash, payload, inserted_at),
            event.payload::VARCHAR AS payload_json, event.inserted_at AS quarantined_at
        FROM STAGING.{CONFLICTS} AS conflict
        JOIN RAW.EVENTS AS event USING (log_partition, log_offset)"""  # noqa: S608 - our own names


def _show(record: dict[str, Any]) -> None:
    where = f"{record['log_partition']} offset {record['log_offset']}"
    print_line(f"{record['error_code']}  {where}  ({record['stage']})", style="bold")
    print_line(f"  {record['error_message']}")
    for name in (
        "event_id",
        "event_type",
        "stream_id",
        "source",
        "source_position",
        "occurred_at",
        "headers",
    ):
        if record[name] not in (None, "", "{}"):
            print_line(f"  {name}: {visible(plain(record[name]))}")
    if record["payload_json"] is not None:
        print_line(f"  decoded: {record['payload_json']}")
        place = f"{record['log_partition']} --offset {record['log_offset']} --limit 1"
        print_line(f"  original bytes: eventreplay log cat {place}")
    else:
        payload: bytes = record["payload"] or b""
        digits = payload.hex()
        rest = f"… ({len(payload):,} bytes)" if len(digits) > HEX_SHOWN_MAX else ""
        print_line(f"  payload: {digits[:HEX_SHOWN_MAX]}{rest}")
    print_line()
