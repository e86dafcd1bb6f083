"""Comparing dbt's models, and two ways by which events came, with RAW inside a DuckDB file.

A comparison has a cursor and a transaction of its own: all its queries see the same committed rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from attrs import frozen

from eventreplay.capabilities.holding import Ask, Held, Holds, Seen
from eventreplay.capabilities.holding import holding as holding_of
from eventreplay.capabilities.holding import seen as seen_of
from eventreplay.capabilities.tally import DayTally
from eventreplay.capabilities.ways import Ways
from eventreplay.capabilities.ways import ways as ways_of
from eventreplay.sinks.duckdb_tables import driver_errors, one_state
from eventreplay.sinks.duckdb_views import quoted

if TYPE_CHECKING:
    import duckdb


class ComparesModels(ABC):
    """`SupportsHolding` and `SupportsWays`, on the connection of the sink."""

    _schema: str

    @abstractmethod
    def _open(self) -> duckdb.DuckDBPyConnection: ...

    def days(self, partition: str, end: int) -> list[DayTally]:
        """Count and add up by day; see `SupportsDays`."""
        what = f"Counting {self._schema}.EVENTS by day"
        with driver_errors(what), self._open().cursor() as cursor:
            rows = cursor.execute(
                "SELECT CAST(occurred_at AS DATE), count(*), sum(event_hash::HUGEINT)"
                f" FROM {self._schema}.EVENTS WHERE log_partition = ? AND log_offset < ?"
                " GROUP BY 1 ORDER BY 1",
                [partition, end],
            ).fetchall()
        return [DayTally(day=day, rows=int(count), hashes=int(total)) for day, count, total in rows]

    def seen(self, holds: Holds) -> Seen:
        """How far a model of deliveries is; see `SupportsHolding`."""
        with _asking(self._open(), f"Looking at {holds.schema}.{holds.table}") as ask:
            return seen_of(DuckDBWords(self._schema), ask, holds)

    def holding(self, holds: Holds, *, seen: datetime | None, samples_max: int) -> Held:
        """Compare a model with RAW; see `SupportsHolding`."""
        with _asking(self._open(), f"Comparing {holds.schema}.{holds.table} with {self._schema}") as ask:
            return holding_of(DuckDBWords(self._schema), ask, holds, seen, samples_max)

    def ways(self, first: str, second: str, *, samples_max: int) -> Ways:
        """Compare events of two ways; see `SupportsWays`."""
        with _asking(self._open(), f"Comparing two ways in {self._schema}") as ask:
            return ways_of(DuckDBWords(self._schema), ask, first, second, samples_max)


@frozen
class DuckDBWords:
    """`holding.Words` of DuckDB; `raw` is the sink's own schema."""

    raw: str

    def table(self, schema: str, name: str) -> str:
        """Names fold as DuckDB's do."""
        return f"{quoted(self.raw if schema == 'RAW' else schema)}.{quoted(name)}"

    def column(self, name: str) -> str:
        """As it is."""
        return quoted(name)

    def payload(self, path: str) -> str:
        """A text of the JSON."""
        return f"json_extract_string(\"payload\", '$.{path}')"

    def hashed(self, text: str) -> str:
        """Unsigned, in 128 bits."""
        return f"('0x' || left(sha256({text}), 16))::UBIGINT::HUGEINT"


@contextmanager
def _asking(connection: duckdb.DuckDBPyConnection, doing: str) -> Iterator[Ask]:
    with driver_errors(doing), connection.cursor() as cursor, one_state(cursor):

        def ask(sql: str) -> Sequence[Sequence[Any]]:
            return cursor.execute(sql).fetchall()

        yield ask
