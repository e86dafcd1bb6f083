"""Two generations change places on Snowflake: table by table, and a second attempt swaps what is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eventreplay.capture import capture
from eventreplay.errors import TransformError
from eventreplay.event import Event
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSink
from eventreplay.sinks.snowflake.settings import SnowflakeSettings
from eventreplay.testing import MemorySource, TickingClock
from eventreplay.testing.examples import example_events
from eventreplay.transform import project_folder, transform
from tests.hex_codec import HexCodec
from tests.integration.standin.client import Client

pytestmark = pytest.mark.long


class Warehouse:
    """A RAW, dbt's operations over it, and a log to load it from."""

    def __init__(self, client: Client, login: dict[str, Any], folder: Path) -> None:
        names = ("account", "user", "host", "port", "protocol", "database", "role", "warehouse")
        self._given = {name: login[name] for name in names if name in login}
        self._password = Secret(login["password"])
        self.client, self._folder = client, folder
        self.log = Log.open(folder / "log")
        self._events: list[Event] = []

    def settings(self, raw_schema: str = "RAW") -> SnowflakeSettings:
        return SnowflakeSettings(**self._given, password=self._password, raw_schema=raw_schema)

    def captured(self, count: int) -> None:
        self._events += example_events(count, first=len(self._events))
        source = MemorySource(self._events, name="journal")
        capture(source, self.log, "journal")
        source.close()

    def loaded(self, raw_schema: str = "RAW", codec: HexCodec | None = None) -> int:
        with SnowflakeSink(self.settings(raw_schema), clock=TickingClock()) as sink:
            return replay(self.log, sink, codec or HexCodec()).read

    def operation(self, name: str, generation: str) -> None:
        transform(
            project_folder(),
            f"run-operation {name}",
            environment=SnowflakeSink.dbt_environment(self.settings()),
            work=self._folder / "dbt",
            arguments={"suffix": "_NEXT", "generation": generation},
        )

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        asked = {
            "mart": "SELECT a FROM MART.FCT", "kept": "SELECT a FROM MART_NEXT.FCT",
            "staging": "SELECT a FROM STAGING.STG", "raw": "SELECT count(*) FROM RAW.EVENTS",
            "codec": "SELECT DISTINCT fingerprint FROM RAW.CHECKPOINTS",
            "live": "SELECT generation, state FROM RAW.GENERATION",
        }  # fmt: skip
        return {name: self.client.rows(sql) for name, sql in asked.items()}


NEW = {
    "mart": [("new",)], "kept": [("old",)], "staging": [("new",)], "raw": [(5,)], "codec": [("hex-2",)],
    "live": [("g1", "live")],
}  # fmt: skip
OLD = {
    "mart": [("old",)], "kept": [("new",)], "staging": [("old",)], "raw": [(3,)], "codec": [("hex-1",)],
    "live": [("first", "live")],
}  # fmt: skip


@pytest.fixture
def rebuilt(connect: Callable[..., Client], snowflake_database: dict[str, Any], tmp_path: Path) -> Warehouse:
    """Three events live; beside them a generation of five, decoded otherwise."""
    client = connect()
    warehouse = Warehouse(client, snowflake_database, tmp_path)
    SnowflakeSink.init(warehouse.settings())
    warehouse.captured(3)
    assert warehouse.loaded() == 3
    client.run("CREATE ROLE IF NOT EXISTS ANALYST", "CREATE SCHEMA STAGING", "CREATE SCHEMA MART")
    client.run("CREATE TABLE STAGING.STG AS SELECT 'old' a", "CREATE TABLE MART.FCT AS SELECT 'old' a")
    client.run("COMMENT ON TABLE MART.FCT IS 'Facts'", "GRANT SELECT ON TABLE MART.FCT TO ROLE ANALYST")
    client.run("CREATE ROLE IF NOT EXISTS BUILDER", "GRANT ROLE BUILDER TO ROLE ACCOUNTADMIN")
    client.run("GRANT OWNERSHIP ON TABLE MART.FCT TO ROLE BUILDER COPY CURRENT GRANTS")
    warehouse.operation("begin_generation", "g1")
    warehouse.captured(2)
    assert warehouse.loaded("RAW_NEXT", HexCodec("hex-2")) == 5
    client.run("CREATE SCHEMA STAGING_NEXT", "CREATE SCHEMA MART_NEXT")
    client.run(
        "CREATE TABLE STAGING_NEXT.STG AS SELECT 'new' a", "CREATE TABLE MART_NEXT.FCT AS SELECT 'new' a"
    )
    client.run("CREATE TABLE MART_NEXT.ONLY_NEW AS SELECT 1 n")
    return warehouse


def test_a_promotion_that_died_half_way_is_finished_by_the_next_attempt(rebuilt: Warehouse) -> None:
    # In the way of a table that is new: the promotion breaks behind RAW, STAGING and MART.FCT.
    rebuilt.client.run("CREATE VIEW MART.ONLY_NEW AS SELECT 0 n")
    with pytest.raises(TransformError):
        rebuilt.operation("promote", "g1")
    half = rebuilt.state()
    assert (half["mart"], half["staging"]) == ([("new",)], [("new",)]), "it did not die half-way"
    assert half["live"] == [("first", "live")]
    rebuilt.client.run("DROP VIEW MART.ONLY_NEW")
    for _ in range(2):
        rebuilt.operation("promote", "g1")
        assert rebuilt.state() == NEW
    assert rebuilt.client.one("SELECT n FROM MART.ONLY_NEW") == 1
    for table in ("FCT", "ONLY_NEW"):
        rights = {(row[0], row[4]) for row in rebuilt.client.rows(f"SHOW GRANTS ON TABLE MART.{table}")}
        assert rights == {("SELECT", "ANALYST"), ("OWNERSHIP", "BUILDER")}, table
    rebuilt.captured(1)
    assert rebuilt.loaded(codec=HexCodec("hex-2")) == 1, "the next load goes on where the generation stands"


def test_the_old_generation_is_promoted_back(rebuilt: Warehouse) -> None:
    rebuilt.operation("promote", "g1")
    rebuilt.operation("promote", "first")
    assert rebuilt.state() == OLD
    assert rebuilt.loaded() == 2, "the old generation goes on where it stood"
    before = rebuilt.state()
    with pytest.raises(TransformError):
        rebuilt.operation("promote", "g7")
    assert rebuilt.state() == before, "there is no such generation"
