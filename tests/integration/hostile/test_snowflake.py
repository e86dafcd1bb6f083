"""Hostile strings into Snowflake: values are in RAW exactly or refused; names are quoted or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector
from attrs import evolve, fields

from eventreplay import Log, capture, replay
from eventreplay.codecs.json import JsonCodec
from eventreplay.errors import ConfigError, EventReplayError
from eventreplay.event import Event
from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import MemorySource
from eventreplay.testing.hostile import HOSTILE, storable
from tests.integration.hostile.corpus import canary, cases, seen

NAMES = ("database", "raw_schema", "role", "warehouse", "storage_integration", "stage_name")
MADE = 6
"""Schemas of odd names that are really made."""


@pytest.fixture
def standin(snowflake_database: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An administrator's cursor on a fresh database with a canary in it."""
    monkeypatch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
    with snowflake.connector.connect(**snowflake_database) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE PUBLIC.CANARY (song VARCHAR)")
        cursor.execute("INSERT INTO PUBLIC.CANARY VALUES ('alive')")
        yield cursor
        cursor.execute("SELECT song FROM PUBLIC.CANARY")
        assert cursor.fetchall() == [("alive",)]


def settings(arguments: dict[str, Any], **changes: Any) -> SnowflakeSettings:
    ours = {field.name for field in fields(SnowflakeSettings)}
    given = {name: value for name, value in arguments.items() if name in ours}
    return SnowflakeSettings(**{**given, "password": Secret(arguments["password"]), **changes})


def payloads() -> Iterator[Event]:
    """Every string inside a payload, as a name and as a value."""
    base = next(cases()).event
    for name, text in storable():
        payload = {"case": f"payload/{name}", "texts": {text: [text]}}
        yield evolve(base, event_id=f"payload/{name}", payload=json.dumps(payload).encode())


def test_every_value_is_in_raw_exactly_or_refused(
    tmp_path: Path, standin: Any, snowflake_database: dict[str, Any]
) -> None:
    before = canary(tmp_path)
    every = list(cases())
    events = [*(case.event for case in every), *payloads()]
    log = Log.open(tmp_path / "log")
    capture(MemorySource(events), log, "hostile")
    made = settings(snowflake_database)
    SnowflakeSink.init(made)
    with SnowflakeSink(made, clock=lambda: datetime.now(UTC)) as sink:
        receipt = replay(log, sink, JsonCodec(), replay_id='it\'s "quoted"; DROP TABLE PUBLIC.CANARY; --')
    assert receipt.read == receipt.loaded + receipt.quarantined == len(events)
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    columns = ("event_id", "event_type", "stream_id", "source", "headers", "payload")
    for table in ("EVENTS", "QUARANTINE"):
        # Bytes of what was refused are its payload as it came.
        chosen = ", ".join(columns)
        for values in standin.execute(f"SELECT {chosen} FROM RAW.{table}").fetchall():
            row = dict(zip(columns, values, strict=True))
            row["payload"] = json.loads(row["payload"])
            row["headers"] = json.loads(row["headers"] or "{}")
            found[row["payload"]["case"]] = (table, row)
    assert len(found) == len(events)
    for case in every:
        table, row = found[f"{case.place}/{case.name}"]
        assert case.found_in(row) == case.text, case
        assert table == ("QUARANTINE" if case.is_refused else "EVENTS"), case
    for name, text in storable():
        assert found[f"payload/{name}"][1]["payload"]["texts"] == {text: [text]}, name
    assert seen(tmp_path) == before


def test_every_name_is_quoted_or_refused(standin: Any, snowflake_database: dict[str, Any]) -> None:
    made = 0
    for name, text in HOSTILE.items():
        quoted = '"' + text.replace('"', '""') + '"'
        for setting in NAMES:
            for given in (text, quoted):
                try:
                    settings(snowflake_database, **{setting: given})
                except ConfigError as error:
                    assert error.hint, (name, setting)  # noqa: PT017 - either way out is right
        # Of what may be a name, a few are used: those that would end a quotation, first of all. With an
        # apostrophe they are too much for the stand-in itself.
        if made < MADE and ('"' in text or "DROP" in text) and "'" not in text and len(text) < 100:
            try:
                odd = settings(snowflake_database, raw_schema=quoted)
            except ConfigError:
                continue
            SnowflakeSink.init(odd)
            made += 1
            schemas = {row[1] for row in standin.execute("SHOW SCHEMAS").fetchall()}
            assert text in schemas, name
            with pytest.raises(EventReplayError):
                SnowflakeSink.init(settings(snowflake_database, database=quoted))
    assert made == MADE
