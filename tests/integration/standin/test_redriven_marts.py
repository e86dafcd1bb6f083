"""Our own dbt project on the stand-in: marts after a redrive are those of a build that never had the bug."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eventreplay.capture import CaptureOptions, capture
from eventreplay.codecs.router import codec_for
from eventreplay.demo import schemas
from eventreplay.demo.generator import GeneratedSource
from eventreplay.log import Log
from eventreplay.redrive import explain, redrive
from eventreplay.replay import replay
from eventreplay.secret import Secret
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.transform import project_folder, transform
from tests.integration.dbt.warehouse import Warehouse
from tests.integration.redrive.material import BuggyCodec, now
from tests.integration.standin.client import Client
from tests.integration.standin.test_own_project import normal

EVENTS = 400
TYPES = ("sportscards.orders.v1.OrderPlaced", "sportscards.orders.v2.OrderPlaced")
MARTS_MIN = 8


@pytest.mark.long
@pytest.mark.timeout(1200)  # dbt builds over the stand-in twice, and over DuckDB once
def test_marts_after_a_redrive_are_those_of_a_build_that_never_had_the_bug(
    client: Client, snowflake_database: dict[str, Any], tmp_path: Path
) -> None:
    given = {name: snowflake_database[name] for name in ("account", "user", "host", "port", "database")}
    settings = SnowflakeSettings(
        **given, password=Secret(snowflake_database["password"]), protocol="http", role="ACCOUNTADMIN",
        warehouse="COMPUTE_WH",
    )  # fmt: skip
    SnowflakeSink.init(settings)
    log = Log.open(tmp_path / "log")
    capture(GeneratedSource(7, EVENTS), log, "journal", options=CaptureOptions(segment_positions=128))
    mended = codec_for(schemas.load())
    bug = BuggyCodec(mended, TYPES, EVENTS // 2)
    with SnowflakeSink(settings, clock=now) as sink:
        replay(log, sink, bug)
    run(settings, tmp_path)
    wrong = marts(client.rows, names(client))
    with SnowflakeSink(settings, clock=now) as sink:
        told = explain(log, sink, mended).count("passes")
        assert redrive(log, sink, mended).moved == told > 0
    run(settings, tmp_path)
    clean = Warehouse.create(tmp_path / "duck")
    with DuckDBSink(clean.path, clock=now) as embedded:
        replay(log, embedded, mended)
    clean.succeed("run")
    tables = names(client)
    assert len(tables) >= MARTS_MIN
    due = marts(clean.rows, tables)
    assert wrong != due
    assert marts(client.rows, tables) == due


def run(settings: SnowflakeSettings, folder: Path) -> None:
    environment = SnowflakeSink.dbt_environment(settings)
    made = transform(project_folder(), "run", environment=environment, work=folder / "snow", target="prod")
    assert not made.failed


def names(client: Client) -> dict[str, list[str]]:
    """Columns of each mart, in order."""
    found: dict[str, list[str]] = {}
    for table, column in client.rows(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'MART'"
        " ORDER BY table_name, ordinal_position"
    ):
        found.setdefault(table, []).append(column)
    return found


def marts(rows: Any, tables: dict[str, list[str]]) -> dict[str, list[list[str]]]:
    """All rows of all marts, as text, in a stated order."""
    return {
        name: sorted(
            [normal(value) for value in row] for row in rows(f"SELECT {', '.join(columns)} FROM MART.{name}")
        )
        for name, columns in tables.items()
    }
