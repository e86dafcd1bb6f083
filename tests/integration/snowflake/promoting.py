"""A small world with two generations, and how far a promotion of it has come."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import TickingClock
from tests.hex_codec import HexCodec
from tests.integration.snowflake.loading import small_log
from tests.integration.snowflake.server import StandIn

KEEP_UNTIL = datetime(2027, 1, 1, tzinfo=UTC)
PLAN = "cd" * 32
OLD, NEW = HexCodec("hex-1"), HexCodec("hex-2")
Rows = list[tuple[Any, ...]]


def opened(settings: SnowflakeSettings) -> SnowflakeSink:
    return SnowflakeSink(settings, clock=TickingClock())


def begin(settings: SnowflakeSettings, folder: Path) -> None:
    """Generation g1, loaded by the new codec, and ready."""
    with opened(settings) as sink:
        sink.begin_generation("g1", schemas=["RAW", "MART"], plan=PLAN, facts={})
        with sink.shadow("g1") as shadow:
            replay(Log.open(folder), shadow, NEW, transaction_rows_min=1_000)
        sink.note("g1", state="ready", facts={})


def promote(settings: SnowflakeSettings) -> None:
    with opened(settings) as sink:
        sink.promote("g1", keep_until=KEEP_UNTIL)


def rollback(settings: SnowflakeSettings) -> None:
    with opened(settings) as sink:
        sink.rollback()


def drop(settings: SnowflakeSettings) -> None:
    with opened(settings) as sink:
        sink.drop("g1")


class World:
    """RAW, MART with two tables and a view, and generation g1 beside them."""

    def __init__(self, standin: StandIn, settings: SnowflakeSettings, folder: Path) -> None:
        self._standin, self._settings, self._database = standin, settings, settings.database
        self.folder = folder
        small_log(folder, records=16)
        with opened(settings) as sink:
            replay(Log.open(folder), sink, OLD, transaction_rows_min=1_000)
        self._tables("MART", "old")

    def _tables(self, schema: str, word: str) -> None:
        place = f"{self._database}.{schema}"
        self._standin.run(
            f"CREATE SCHEMA IF NOT EXISTS {place}",
            f"CREATE OR REPLACE TABLE {place}.FCT AS SELECT '{word}' A",
            f"CREATE OR REPLACE TABLE {place}.DIM AS SELECT '{word}' A",
            f"CREATE OR REPLACE VIEW {place}.V AS SELECT A || ' by {word}' A FROM {place}.FCT",
        )

    def build(self) -> None:
        """The other generation's tables, as dbt would."""
        self._tables("MART_G1", "new")

    def seen(self, suffix: str = "") -> dict[str, Rows]:
        """What a reader finds under a suffix."""
        asked = {
            "events": f"SELECT COUNT(*), COUNT(DISTINCT LOG_OFFSET) FROM {self._database}.RAW{suffix}.EVENTS",
            "codec": f"SELECT DISTINCT FINGERPRINT FROM {self._database}.RAW{suffix}.CHECKPOINTS",
            "fct": f"SELECT A FROM {self._database}.MART{suffix}.FCT",
            "dim": f"SELECT A FROM {self._database}.MART{suffix}.DIM",
            "view": f"SELECT A FROM {self._database}.MART{suffix}.V",
        }
        return {name: self._standin.run(sql) for name, sql in asked.items()}

    def next_load(self, codec: HexCodec) -> int:
        """Rows that a load finds to do: none, where the checkpoint fits the rows."""
        with opened(self._settings) as sink:
            return replay(Log.open(self.folder), sink, codec).read

    def check(self, live: HexCodec, before: dict[str, dict[str, Rows]]) -> None:
        """The generation of a codec is live and whole, and the other one stands where it belongs."""
        there = {"": "_G1", "_G1": ""} if live is NEW else {"": "", "_G1": "_G1"}
        for suffix, former in there.items():
            assert self.seen(suffix) == before[former], f"under {suffix or 'no suffix'}"
        assert self.next_load(live) == 0

    def see_no_mixture(self, before: dict[str, dict[str, Rows]]) -> None:
        """Whatever has moved: each table is of one generation, and the other one's stands in its place."""
        now = {suffix: self.seen_tables(suffix) for suffix in ("", "_G1")}
        for name in now[""]:
            pair = [now[suffix][name] for suffix in ("", "_G1")]
            due = [before[suffix][name] for suffix in ("", "_G1")]
            assert pair in (due, due[::-1]), f"{name}: {pair}"

    def seen_tables(self, suffix: str) -> dict[str, Rows]:
        """As `seen`, without the view: it may be between two texts."""
        return {name: rows for name, rows in self.seen(suffix).items() if name != "view"}
