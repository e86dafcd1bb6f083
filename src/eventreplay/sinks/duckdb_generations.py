"""Generations of a DuckDB warehouse: a second set of tables in the same file, and the change of places.

Each change is one transaction: after a crash it has happened or it has not, and the state `promoting` is
never seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from attrs import evolve

from eventreplay.capabilities.generations import FIRST, Generation, checked_name, suffix_of
from eventreplay.errors import ConfigError, GenerationError, SinkError
from eventreplay.sinks.duckdb_places import Exchange, hidden
from eventreplay.sinks.duckdb_registry import Registry, Row
from eventreplay.sinks.duckdb_tables import TABLES, definition, driver_errors, schema_name, transaction
from eventreplay.sinks.duckdb_views import quoted

if TYPE_CHECKING:
    import duckdb

    from eventreplay.sinks.duckdb import DuckDBSink


class HoldsGenerations:
    """`SupportsGenerations` of a DuckDB sink; see there for what each method promises."""

    _schema: str
    _generation: str
    _clock: Callable[[], datetime]
    _open: Callable[[], duckdb.DuckDBPyConnection]
    _abandon: Callable[[], None]
    _again: Callable[..., DuckDBSink]

    def generations(self) -> Sequence[Generation]:
        """All there are, the live one first, the others in the order in which they began."""
        with self._looking() as registry:
            rows = registry.rows()
        return [row.known() for row in sorted(rows, key=lambda row: row.state != "live")]

    def begin_generation(
        self, name: str, *, schemas: Sequence[str], plan: str, facts: Mapping[str, Any]
    ) -> Generation:
        """Make the schemas and, if RAW is among them, empty tables for the shadow."""
        suffix = suffix_of(name)
        names = self._checked_schemas(schemas, suffix)
        _check_facts(facts)
        with self._changing(f"Beginning generation {name}") as registry:
            found = registry.find(name)
            if found is not None:
                if found.plan == plan and found.state in ("building", "ready"):
                    return found.known()
                raise GenerationError(
                    f"There is a generation {name} already; it is {found.state}.",
                    hint="Take another name, or drop it first.",
                    found=found.state,
                )
            self._refuse_others(registry, names, suffix)
            for schema in names:
                registry.connection.execute(f"CREATE SCHEMA {quoted(schema + suffix)}")
            if self._schema in names:
                self._make_tables(registry.connection, suffix)
            now = self._moment_now()
            row = Row(name, "building", names, suffix, names, plan, facts, began=now, changed=now)
            registry.add(row)
            return registry.row(name).known()

    def shadow(self, name: str) -> DuckDBSink:
        """A sink over the tables of a generation that is `building` or `ready`."""
        checked_name(name)
        with self._looking() as registry:
            row = registry.row(name)
        if row.state not in ("building", "ready"):
            raise GenerationError(f"Generation {name} is {row.state}: nothing is loaded beside it any more.")
        if self._schema not in row.schemas:
            raise GenerationError(f"Generation {name} has no RAW of its own.", hint="It reads the live one.")
        return self._again(generation=name)

    def note(self, name: str, *, state: Literal["building", "ready"], facts: Mapping[str, Any]) -> None:
        """Replace state and facts."""
        checked_name(name)
        _check_facts(facts)
        if state not in ("building", "ready"):
            raise ConfigError(f"A generation cannot be noted as {state!r}.", hint="It is building or ready.")
        with self._changing(f"Noting generation {name}") as registry:
            row = registry.row(name)
            if row.state not in ("building", "ready"):
                raise GenerationError(f"Generation {name} is {row.state}: it is built no more.")
            registry.set(name, state=state, facts=facts, changed=self._moment_now())

    def promote(
        self, name: str, *, keep_until: datetime, catch_up: Callable[[], None] | None = None
    ) -> Generation:
        """Change places with the live one, in one transaction."""
        if name != FIRST:
            checked_name(name)
        if keep_until.tzinfo is None:
            raise ConfigError("keep_until has no time zone.", hint="Pass e.g. a moment in datetime.UTC.")
        with self._looking() as registry:
            row = registry.row(name)
        if row.state == "live":
            return row.known()
        _see_ready(row)
        self._abandon()
        if catch_up is not None:
            with self._loads_shut_out():
                catch_up()
        with self._exchange(f"Promoting generation {name}", row) as (registry, exchange):
            row = registry.row(name)
            _see_ready(row)
            if exchange.has_raw:
                self._see_caught_up(registry.connection, row)
            moved = exchange.run()
            now, live = self._moment_now(), registry.live()
            promotions = 1 + max(each.promotions for each in registry.rows())
            registry.set(
                live.name,
                state="kept",
                suffix=row.suffix,
                places=row.schemas,
                changed=now,
                keep_until=keep_until,
            )
            registry.set(
                name,
                state="live",
                suffix="",
                previous=live.name,
                journal=moved,
                promotions=promotions,
                changed=now,
            )
            return registry.row(name).known()

    def rollback(self) -> Generation:
        """Undo the last promotion of a generation that still exists, in one transaction."""
        with self._looking() as registry:
            rows = registry.rows()
        last = max(rows, key=lambda row: row.promotions)
        if not last.promotions:
            raise GenerationError("No generation was promoted, so there is nothing to go back to.")
        if last.state != "live":  # undone already: this is a second attempt
            return next(row for row in rows if row.state == "live").known()
        before = next((row for row in rows if row.name == last.previous), None)
        if before is None:
            raise GenerationError(
                f"What was live before {last.name} is dropped.", hint="Rebuild by the former code instead."
            )
        self._abandon()
        there = evolve(last, suffix=before.suffix)
        with self._exchange(f"Rolling back generation {last.name}", there) as (registry, exchange):
            if registry.row(last.name) != last or registry.find(before.name) != before:
                raise GenerationError("Somebody else has just changed generations.", hint="Look again.")
            exchange.run(last.journal)
            now = self._moment_now()
            registry.set(last.name, state="ready", suffix=before.suffix, places=last.schemas, changed=now)
            registry.set(
                before.name,
                state="live",
                suffix="",
                places=before.schemas,
                changed=now,
                keep_until=None,
            )
            return registry.row(before.name).known()

    def drop(self, name: str) -> None:
        """Remove its schemas and its tables in RAW; `keep_until` is not looked at."""
        if name != FIRST:
            checked_name(name)
        with self._changing(f"Dropping generation {name}") as registry:
            row = registry.find(name)
            if row is None:
                return
            if row.state == "live":
                raise GenerationError(f"Generation {name} is live.", hint="Roll back first.")
            for schema in row.places:
                registry.connection.execute(f"DROP SCHEMA IF EXISTS {quoted(schema + row.suffix)} CASCADE")
            if self._schema in row.places:
                for table in TABLES:
                    place = f"{quoted(self._schema)}.{quoted(hidden(table, row.suffix))}"
                    registry.connection.execute(f"DROP TABLE IF EXISTS {place}")
            registry.delete(name)

    def _see_shadow(self) -> None:
        """Raise unless there are tables of the generation that this sink is over."""
        with driver_errors(f"Reading the layout of {self._schema}"):
            found = self._open().execute(
                "SELECT count(*) FROM duckdb_views() WHERE database_name = current_database()"
                " AND lower(schema_name) = lower(?) AND list_contains(?, view_name)",
                [self._schema, list(TABLES)],
            )
            there = found.fetchall() == [(len(TABLES),)]
        if not there:
            raise GenerationError(
                f"Generation {self._generation} has no tables of its own to be loaded.",
                hint="Begin it first.",
            )

    @contextmanager
    def _looking(self) -> Iterator[Registry]:
        """What is committed.

        Raises:
            SinkError: this sink is over a generation's own tables, or closed.
        """
        connection = self._open()
        if self._generation:
            raise SinkError(
                "This sink is over a generation's own tables.", hint="Ask one over the live ones."
            )
        with driver_errors(f"Reading the generations of {self._schema}"), connection.cursor() as cursor:
            yield Registry(cursor, self._schema)

    @contextmanager
    def _changing(self, what: str) -> Iterator[Registry]:
        """A transaction of its own."""
        with self._looking() as registry, driver_errors(what), transaction(registry.connection):
            yield registry

    @contextmanager
    def _exchange(self, what: str, row: Row) -> Iterator[tuple[Registry, Exchange]]:
        """A transaction in which the tables of a generation and the live ones are nobody else's."""
        with self._looking() as outside, self._changing(what) as registry:
            exchange = Exchange(
                registry.connection, outside.connection, self._schema, row.schemas, row.suffix
            )
            exchange.claim()
            yield registry, exchange

    @contextmanager
    def _loads_shut_out(self) -> Iterator[None]:
        """Nobody commits into the live RAW: a transaction has altered its tables, and is then undone."""
        with self._open().cursor() as cursor:
            with driver_errors(f"Shutting loads out of {self._schema}"):
                cursor.execute("BEGIN")
                for table in TABLES:
                    place = f"{quoted(self._schema)}.{table}"
                    cursor.execute(f"COMMENT ON TABLE {place} IS 'a generation is being promoted'")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")

    def _checked_schemas(self, schemas: Sequence[str], suffix: str) -> tuple[str, ...]:
        """The schemas of a generation, RAW first and as this sink calls it."""
        names = [schema_name(schema) for schema in schemas]
        names = [self._schema if name.lower() == self._schema.lower() else name for name in names]
        everywhere = [schema_name(each).lower() for name in names for each in (name, name + suffix)]
        if not names or len(set(everywhere)) != len(everywhere):
            raise ConfigError(
                f"{', '.join(names) or 'Nothing'} cannot be the schemas of one generation.",
                hint="Name each schema once, as it is called when live, e.g. RAW, STAGING, MART.",
                setting="schemas",
            )
        return tuple(sorted(names, key=lambda name: name != self._schema))

    def _refuse_others(self, registry: Registry, names: Sequence[str], suffix: str) -> None:
        """Raise if anything stands where a generation would."""
        for row in registry.rows():
            if row.suffix == suffix:
                raise GenerationError(
                    f"Generation {row.name} is kept under {suffix}.", hint="Take another name, or drop it."
                )
        hiding = [hidden(table, suffix).lower() for table in TABLES] if self._schema in names else []
        found = registry.connection.execute(
            "SELECT schema_name FROM duckdb_schemas() WHERE database_name = current_database() AND"
            " list_contains(?, lower(schema_name)) UNION ALL SELECT table_name FROM duckdb_tables() WHERE"
            " database_name = current_database() AND lower(schema_name) = lower(?) AND"
            " list_contains(?, lower(table_name)) ORDER BY 1",
            [[(name + suffix).lower() for name in names], self._schema, hiding],
        ).fetchall()
        if found:
            raise GenerationError(
                f"{', '.join(name for (name,) in found)} is there already, and belongs to no generation.",
                hint="Take another name for the generation, or remove it.",
                found=[name for (name,) in found],
            )

    def _make_tables(self, connection: duckdb.DuckDBPyConnection, suffix: str) -> None:
        """The tables of a shadow: in the live RAW under other names, so that a promotion copies no row."""
        for table, columns in TABLES.items():
            place = f"{quoted(self._schema)}.{quoted(hidden(table, suffix))}"
            connection.execute(f"CREATE TABLE {place} ({definition(table, columns)})")
            view = f"{quoted(self._schema + suffix)}.{quoted(table)}"
            connection.execute(f"CREATE VIEW {view} AS SELECT * FROM {place}")

    def _see_caught_up(self, connection: duckdb.DuckDBPyConnection, row: Row) -> None:
        """Raise if a checkpoint of the live RAW is ahead of the shadow's."""
        raw = quoted(self._schema)
        found = connection.execute(
            f"SELECT replay_id, live.position, beside.position FROM {raw}.CHECKPOINTS AS live"
            f" LEFT JOIN {raw}.{quoted(hidden('CHECKPOINTS', row.suffix))} AS beside USING (replay_id)"
            " WHERE beside.position IS NULL OR beside.position < live.position"
            " OR beside.source <> live.source OR beside.epoch <> live.epoch ORDER BY replay_id"
        ).fetchall()
        if found:
            replay_id, live, beside = found[0]
            raise GenerationError(
                f"Generation {row.name} lies behind the live one: for {replay_id[:80]!r} it has"
                f" {'nothing' if beside is None else beside}, the live one {live}; nothing was moved.",
                hint="Load what came since into it, then promote it.",
                behind=[replay_id for replay_id, _, _ in found],
            )

    def _moment_now(self) -> datetime:
        moment = self._clock()
        if moment.tzinfo is None:
            raise SinkError("The sink's clock has no time zone.", hint="Pass e.g. lambda: datetime.now(UTC).")
        return moment


def _see_ready(row: Row) -> None:
    if row.state != "ready":
        hint = "Roll back to it instead." if row.state == "kept" else "Finish building it."
        raise GenerationError(f"Generation {row.name} is {row.state}, not ready.", hint=hint, state=row.state)


def _check_facts(facts: Mapping[str, Any]) -> None:
    try:
        json.dumps(facts, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError("Facts of a generation are no JSON data.", hint="See the cause above.") from error
