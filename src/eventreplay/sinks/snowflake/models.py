"""Comparing dbt's models, and two ways by which events came, with RAW inside Snowflake."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from eventreplay.capabilities.holding import Ask, Held, Holds, Seen
from eventreplay.capabilities.holding import holding as holding_of
from eventreplay.capabilities.holding import seen as seen_of
from eventreplay.capabilities.tally import DayTally
from eventreplay.capabilities.ways import Ways
from eventreplay.capabilities.ways import ways as ways_of
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import identifier, quoted
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.tables import Raw

_HEXADECIMAL = "X" * 16


class ComparesModels(ABC):
    """`SupportsHolding` and `SupportsWays`, on the session of the sink."""

    _raw: Raw

    @abstractmethod
    def _connected(self) -> Session: ...

    def days(self, partition: str, end: int) -> list[DayTally]:
        """Count and add up by day; see `SupportsDays`."""
        rows = self._connected().run(
            'SELECT CAST("OCCURRED_AT" AS DATE), COUNT(*), SUM("EVENT_HASH")'
            f' FROM {self._raw.table("EVENTS")} WHERE "LOG_PARTITION" = ? AND "LOG_OFFSET" < ?'
            " GROUP BY 1 ORDER BY 1",
            [partition, end],
            doing=self._raw.doing(f"Counting {self._raw.schema}.EVENTS by day", "EVENTS", "SELECT"),
        )
        return [DayTally(day=day, rows=int(count), hashes=int(total)) for day, count, total in rows]

    def seen(self, holds: Holds) -> Seen:
        """How far a model of deliveries is; see `SupportsHolding`."""
        ask = self._asking("Looking at", holds)
        return seen_of(SnowflakeWords(self._raw), ask, holds)

    def holding(self, holds: Holds, *, seen: datetime | None, samples_max: int) -> Held:
        """Compare a model with RAW; see `SupportsHolding`."""
        ask = self._asking("Comparing RAW with", holds)
        return holding_of(SnowflakeWords(self._raw), ask, holds, seen, samples_max)

    def ways(self, first: str, second: str, *, samples_max: int) -> Ways:
        """Compare events of two ways; see `SupportsWays`."""
        session = self._connected()
        doing = self._raw.doing(f"Comparing two ways in {self._raw.schema}", "EVENTS", "SELECT")

        def ask(sql: str) -> Sequence[Sequence[Any]]:
            return session.run(sql, doing=doing)

        return ways_of(SnowflakeWords(self._raw), ask, first, second, samples_max)

    def _asking(self, what: str, holds: Holds) -> Ask:
        session = self._connected()
        raw = self._raw
        table = SnowflakeWords(raw).table(holds.schema, holds.table)
        known = raw.doing("", "EVENTS", "SELECT")
        schema = quoted(raw.database, identifier(holds.schema, setting="holds"))
        to = known.grants[-1].rpartition(" TO ROLE ")[2]
        grants = (
            *known.grants,
            f"GRANT USAGE ON SCHEMA {schema} TO ROLE {to}",
            f"GRANT SELECT ON TABLE {table} TO ROLE {to}",
        )
        doing = Doing(f"{what} {holds.schema}.{holds.table}", grants)

        def ask(sql: str) -> Sequence[Sequence[Any]]:
            return session.run(sql, doing=doing)

        return ask


@frozen
class SnowflakeWords:
    """`holding.Words` of Snowflake: plain names of dbt's are upper case there."""

    raw: Raw

    def table(self, schema: str, name: str) -> str:
        """In the sink's database."""
        if schema == "RAW":
            return self.raw.table(name)
        names = (identifier(each, setting="holds") for each in (schema, name))
        return quoted(self.raw.database, *names)

    def column(self, name: str) -> str:
        """In upper case."""
        return quoted(name.upper())

    def payload(self, path: str) -> str:
        """A text of the VARIANT."""
        return f'"PAYLOAD":{path}::VARCHAR'

    def hashed(self, text: str) -> str:
        """Unsigned, in 38 digits."""
        return f"TO_NUMBER(LEFT(SHA2({text}, 256), 16), '{_HEXADECIMAL}')"
