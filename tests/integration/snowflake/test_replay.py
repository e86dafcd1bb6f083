"""A whole log of the generator: RAW equals the log row for row, and the DuckDB sink's RAW value by value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from eventreplay.batch import QUARANTINE_SCHEMA, RAW_SCHEMA
from eventreplay.capture import CaptureOptions, capture
from eventreplay.codecs.router import codec_for
from eventreplay.demo import schemas
from eventreplay.demo.generator import GeneratedSource
from eventreplay.errors import EventReplayError
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.duckdb_tables import connect
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import TickingClock
from eventreplay.testing.examples import DECIMAL_TEXTS, HOSTILE_TEXTS, example_quarantine, example_rows
from eventreplay.testing.sink_suite import checkpoint_at
from tests.integration.snowflake.loading import comparable, held, small_log, staged
from tests.integration.snowflake.server import StandIn, plain

EVENTS = 4_000


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    log = Log.open(tmp_path_factory.mktemp("generated") / "log")
    source = GeneratedSource(7, EVENTS, batch_rows_max=1_000)
    capture(source, log, "journal", options=CaptureOptions(segment_positions=512))
    return log


@pytest.fixture(scope="module")
def in_duckdb(log: Log, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    path = tmp_path_factory.mktemp("duckdb") / "warehouse.duckdb"
    with DuckDBSink(path, clock=TickingClock()) as sink:
        replay(log, sink, codec_for(schemas.load()))
    connection = connect(path, read_only=True)
    found = []
    for name, schema in (("EVENTS", RAW_SCHEMA), ("QUARANTINE", QUARANTINE_SCHEMA)):
        rows = connection.execute(f"SELECT {', '.join(schema.names)} FROM RAW.{name}").fetchall()
        found.append([dict(zip(schema.names, map(plain, row), strict=True)) for row in rows])
    connection.close()
    return comparable(found[0]), comparable(found[1])


@pytest.mark.parametrize("rows_min", [None, 1])
def test_a_generated_log_is_in_raw_row_for_row_as_in_duckdb(
    standin: StandIn, settings: SnowflakeSettings, log: Log, in_duckdb: tuple[Any, Any], rows_min: int | None
) -> None:
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        receipt = replay(log, sink, codec_for(schemas.load()), transaction_rows_min=rows_min)
    assert receipt.read == receipt.loaded + receipt.quarantined >= EVENTS
    assert receipt.transactions == (1 if rows_min is None else receipt.commits)
    events, refused = held(standin, settings.database)
    assert (len(events), len(refused)) == (receipt.loaded, receipt.quarantined)
    assert refused
    assert events == in_duckdb[0]
    assert refused == in_duckdb[1]
    offsets = [row["log_offset"] for row in (*events, *(row for row in refused if row["stage"] == "decode"))]
    assert sorted(offsets) == list(range(len(offsets)))


def test_payload_is_a_variant_whose_decimals_are_exact_to_38_digits(
    standin: StandIn, settings: SnowflakeSettings
) -> None:
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        sink.begin("live")
        sink.write(example_rows(range(len(DECIMAL_TEXTS))))
        sink.commit(checkpoint_at(1), expected=None)
    rows = standin.run(
        f"SELECT payload:amount::VARCHAR, payload:number::NUMBER(19,0) FROM {settings.database}.RAW.EVENTS"
        " ORDER BY log_offset"
    )
    assert [row[0] for row in rows] == list(DECIMAL_TEXTS)
    assert [int(row[1]) for row in rows] == list(range(len(DECIMAL_TEXTS)))


def test_many_files_of_a_transaction_are_one_transaction(
    standin: StandIn, settings: SnowflakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are closed at their bound and deleted here as soon as they are on the stage."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tight = standin.settings(settings.database, file_bytes_max=1, row_group_rows_max=10)
    with SnowflakeSink(tight, clock=TickingClock()) as sink:
        sink.begin("live")
        for first in range(0, 60, 12):
            sink.write(example_rows(range(first, first + 12)))
            assert len([path for path in tmp_path.rglob("*") if path.is_file()]) <= 1
        sink.quarantine(example_quarantine(range(60, 63)))
        assert len(staged(standin, settings.database)) >= 2
        sink.commit(checkpoint_at(1), expected=None)
    events, refused = held(standin, settings.database)
    assert [row["log_offset"] for row in events] == list(range(60))
    assert len(refused) == 3
    assert staged(standin, settings.database) == []
    assert list(tmp_path.rglob("*")) == []


def test_headers_whose_names_repeat_are_kept_as_their_text(
    standin: StandIn, settings: SnowflakeSettings
) -> None:
    text = '{"x":"1","x":"2"}'
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        sink.begin("live")
        sink.write(example_rows(range(1), headers=text))
        sink.commit(checkpoint_at(1), expected=None)
    rows = standin.run(f"SELECT headers::VARCHAR FROM {settings.database}.RAW.EVENTS")
    assert rows == [(text,)]


def test_a_quarantined_moment_beyond_the_calendar_is_kept_in_words(
    standin: StandIn, settings: SnowflakeSettings
) -> None:
    micros = 400_000_000_000_000_000
    rows = example_quarantine(range(2))
    at = rows.schema.get_field_index("occurred_at")
    moments = pa.array([micros, 1], pa.int64()).view(rows.schema.field(at).type)
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        sink.begin("live")
        sink.quarantine(rows.set_column(at, rows.schema.field(at), moments))
        sink.commit(checkpoint_at(1), expected=None)
    found = standin.run(
        f"SELECT occurred_at IS NULL, error_message FROM {settings.database}.RAW.QUARANTINE"
        " ORDER BY log_offset"
    )
    assert found == [
        (True, f"The payload ends within a field. occurred_at is {micros} microseconds."),
        (False, "The payload ends within a field."),
    ]


def test_hostile_texts_touch_nothing_but_their_own_row(standin: StandIn, settings: SnowflakeSettings) -> None:
    database = settings.database
    standin.run(
        f"CREATE SCHEMA {database}.KEEP",
        f"CREATE TABLE {database}.KEEP.CANARY (song VARCHAR)",
        f"INSERT INTO {database}.KEEP.CANARY VALUES ('alive')",
    )
    texts = list(HOSTILE_TEXTS.values())
    batches = [
        example_rows(
            range(at, at + 1),
            event_type=text,
            stream_id=text,
            source=text,
            headers=json.dumps({text: text}),
            payload=json.dumps({text: [text]}, ensure_ascii=False),
        )
        for at, text in enumerate(texts)
    ]
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        sink.begin('it\'s "quoted"; DROP SCHEMA KEEP; --')
        for rows in batches:
            sink.write(rows)
        sink.commit(checkpoint_at(1), expected=None)
    events, _ = held(standin, database)
    assert [row["event_type"] for row in events] == texts
    assert [row["payload"] for row in events] == [{text: [text]} for text in texts]
    assert [row["headers"] for row in events] == [{text: text} for text in texts]
    assert standin.run(f"SELECT song FROM {database}.KEEP.CANARY") == [("alive",)]


@pytest.mark.parametrize("name", ['"My ""Events"" 1"', '"ä.b; DROP TABLE c"', "lower_case"])
def test_a_schema_of_an_odd_name_is_quoted_everywhere(
    standin: StandIn, database: str, tmp_path: Path, name: str
) -> None:
    odd = standin.settings(database, raw_schema=name)
    SnowflakeSink.init(odd)
    log = small_log(tmp_path / "log", records=8)
    with SnowflakeSink(odd, clock=TickingClock()) as sink:
        receipt = replay(log, sink, codec_for(schemas.load()))
    schema = odd.schema_names[1].replace('"', '""')
    count = standin.run(f'SELECT COUNT(*) FROM "{database}"."{schema}"."EVENTS"')
    refused = standin.run(f'SELECT COUNT(*) FROM "{database}"."{schema}"."QUARANTINE"')
    assert int(count[0][0]) + int(refused[0][0]) == receipt.read == 8


def test_a_hostile_name_of_a_schema_is_quoted_or_refused_and_runs_nothing(
    standin: StandIn, database: str
) -> None:
    standin.run(f"CREATE TABLE {database}.PUBLIC.CANARY (song VARCHAR)")
    for text in HOSTILE_TEXTS.values():
        escaped = text.replace('"', '""')
        for name in (text, f'"{escaped}"', f'"RAW"; DROP TABLE {database}.PUBLIC.CANARY; --'):
            try:
                SnowflakeSink.init(standin.settings(database, raw_schema=name))
            except EventReplayError as error:
                assert error.hint  # noqa: PT017 - either way out is right
            assert standin.run(f"SELECT COUNT(*) FROM {database}.PUBLIC.CANARY") == [(0,)]
