"""Journals of the tests in this folder, and sources over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import pyarrow.parquet as pq

from eventreplay.capture import CaptureOptions, CaptureReceipt, capture
from eventreplay.event import Event
from eventreplay.log import Log
from eventreplay.secret import Secret
from eventreplay.sources.postgres import PostgresSettings, PostgresSource
from eventreplay.testing.faults.journal import TABLE

PARTITION = "journal"
_ROW = """
INSERT INTO events (event_id, event_type, stream_id, source, occurred_at, recorded_at, content_type, headers,
payload) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"""


def execute(url: str, *statements: str, parameters: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
    """Run statements; the rows of the last one."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description is not None else []


def make_table(url: str) -> str:
    execute(url, TABLE)
    return url


def append(url: str, events: Sequence[Event]) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for each in events:
            cursor.execute(
                _ROW,
                (
                    each.event_id,
                    each.event_type,
                    each.stream_id,
                    each.source,
                    each.occurred_at,
                    each.recorded_at,
                    each.content_type,
                    psycopg2.extras.Json(dict(each.headers)),
                    each.payload,
                ),
            )
        connection.commit()


def fill(url: str, count: int) -> None:
    """Many plain events at once."""
    execute(
        url,
        "INSERT INTO events (event_id, event_type, stream_id, occurred_at, headers, payload)"
        " SELECT 'event-' || n, 'test.v1.Filled', 'stream-' || n % 7, now(),"
        " CASE WHEN n % 5 = 0 THEN jsonb_build_object('n', n::text, 'k', 'v') END,"
        f" decode(repeat(md5(n::text), 5), 'hex') FROM generate_series(1, {count}) AS n",
    )


def settings(url: str, **given: Any) -> PostgresSettings:
    defaults: Mapping[str, Any] = {"hold_wait_s": 0.2, "late_check_s": 0.0}
    return PostgresSettings(url=Secret(url), **{**defaults, **given})


def open_source(url: str, **given: Any) -> PostgresSource:
    return PostgresSource(settings(url, **given))


def capture_all(url: str, folder: Path, *, workers: int = 1, **given: Any) -> CaptureReceipt:
    with closing(open_source(url, **given)) as source:
        return capture(source, Log.open(folder), PARTITION, options=CaptureOptions(workers=workers))


def logged(folder: Path, kind: str = "events") -> list[dict[str, Any]]:
    """Every row of the log, as it stands in its files."""
    files = sorted((folder / kind).rglob("*.parquet"))
    return [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]


def ledger_of_log(folder: Path) -> dict[int, str]:
    rows = logged(folder)
    found = {row["source_position"]: row["event_id"] for row in rows}
    assert len(found) == len(rows), "a position stands twice in the log"
    return found
