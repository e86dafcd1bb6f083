"""Generations in Snowflake: begun beside the live tables, promoted table by table, rolled back, dropped.

A promotion in four parts; each may be the last before a crash, and whoever comes next goes on from it:

1. Under the lock of loads the state becomes `promoting` and the count of promotions grows: `gate` now keeps
   loads away from the live tables.
2. The shadow is loaded up to the end of the log.
3. Under the locks of both generations' loads, held by a session of its own, the checkpoints are compared, the
   journal is written, and tables and views change places (`exchange`).
4. In the transaction that holds the lock the rows say what is live and what is kept.

Two who promote at once take turns by that lock; what a dead one left running is cancelled first.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Literal

from attrs import evolve, frozen

from eventreplay.capabilities.generations import FIRST, Generation, checked_name, suffix_of
from eventreplay.errors import ConfigError, GenerationError, SinkError, SinkUnavailableError
from eventreplay.sinks.snowflake.exchange import Exchange, planned
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import plain_identifier
from eventreplay.sinks.snowflake.objects import Objects
from eventreplay.sinks.snowflake.registry import Entry, Registry, found, live_of
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.tables import MOVING, Raw, lock_row_statement

_SHOWN_MAX = 5


@frozen(kw_only=True)
class Generations:
    """What a sink's methods of `SupportsGenerations` do.

    Attributes:
        session: of the sink, in no transaction.
        raw: the live RAW.
        open_session: another login with the same settings.
        now: the moment, timezone-aware.
        holder: who holds locks, for people who look at them.
    """

    session: Session
    raw: Raw
    open_session: Callable[[], Session]
    now: Callable[[], datetime]
    holder: str

    @property
    def registry(self) -> Registry:
        """Over the sink's session."""
        return Registry(self.session, self.raw, self.holder)

    @property
    def objects(self) -> Objects:
        """Over the sink's session."""
        return Objects(self.session, self.raw)

    def all(self) -> list[Generation]:
        """See `SupportsGenerations.generations`."""
        return [entry.generation for entry in self.registry.entries()]

    def begin(self, name: str, schemas: Sequence[str], plan: str, facts: Mapping[str, Any]) -> Generation:
        """See `SupportsGenerations.begin_generation`."""
        suffix, wanted = suffix_of(name), self._schemas(name, schemas)
        moment = self.now()
        made = Generation(
            name=name, state="building", schemas=wanted, suffix=suffix, plan=plan, facts=dict(facts),
            began=moment, changed=moment, keep_until=None,
        )  # fmt: skip
        with self.registry.locked():
            entries = self.registry.entries()
            known = next((entry for entry in entries if entry.name == name), None)
            if known is None:
                self._check_free(entries, suffix, wanted)
                self.registry.begin(made, secrets.token_hex(8))
        if known is not None:
            if known.dropping or known.state not in ("building", "ready") or known.generation.plan != plan:
                raise _refused(known, "begun under this plan", "Take another name, or drop it first.")
            made = known.generation
        if made.state == "building":
            self._make(made)
        return made

    def _schemas(self, name: str, schemas: Sequence[str]) -> tuple[str, ...]:
        made = [
            each if each == self.raw.schema else plain_identifier(each, setting="schemas") for each in schemas
        ]
        taken = {each + suffix_of(name) for each in made}
        if not made or len(set(made)) != len(made) or taken & set(made):
            raise ConfigError(
                "The schemas of a generation are at least one, and no two of them the same.",
                hint="Name them as they are called when live: RAW, STAGING, MART.",
                setting="schemas",
            )
        return tuple(sorted(made, key=lambda each: each != self.raw.schema))

    def _check_free(self, entries: Sequence[Entry], suffix: str, schemas: Sequence[str]) -> None:
        held = next((entry.name for entry in entries if entry.generation.suffix == suffix), None)
        if held is not None:
            raise GenerationError(
                f"Under {suffix} stand the tables of generation {held}.",
                hint=f"Take another name, or drop {held} first.",
                generation=held,
            )
        there = sorted({each + suffix for each in schemas} & self.objects.schemas().keys())
        if there:
            raise GenerationError(
                f"The schema {there[0]} is there, and is no generation's.",
                hint="Take another name, or drop it if nobody needs it.",
                schemas=there,
            )

    def _make(self, generation: Generation) -> None:
        """Schemas like the live ones, and the sink's tables; whatever is there stays."""
        objects, there = self.objects, self.objects.schemas()
        for schema in generation.schemas:
            objects.create_schema(schema + generation.suffix, there.get(schema, ""))
        if self.raw.schema not in generation.schemas:
            return
        raw = evolve(self.raw, schema=self.raw.schema + generation.suffix)
        live = objects.listed([self.raw.schema])
        for table in (*MOVING, "CHECKPOINT_LOCK"):
            transient = "TRANSIENT " if live[self.raw.schema, table].transient else ""
            objects.define(
                f"CREATE {transient}TABLE IF NOT EXISTS {raw.table(table)} LIKE {self.raw.table(table)}",
                f"Creating {raw.schema}.{table}",
                self.raw.doing("", table, "SELECT").grants[-1],
            )
        objects.define(lock_row_statement(raw), f"Creating {raw.schema}.CHECKPOINT_LOCK")

    def shadow_of(self, name: str) -> Generation:
        """The generation, if a sink over its own RAW may be opened.

        Raises:
            GenerationError: there is none, it is live, or it has no RAW.
        """
        entry = found(self.registry.entries(), checked_name(name))
        if entry.dropping or entry.state not in ("building", "ready", "promoting"):
            raise _refused(entry, "loaded", "Only one that is being built is.")
        if self.raw.schema not in entry.generation.schemas:
            raise _refused(entry, "loaded", f"It has no {self.raw.schema}, and reads the live one.")
        return entry.generation

    def note(self, name: str, state: Literal["building", "ready"], facts: Mapping[str, Any]) -> None:
        """See `SupportsGenerations.note`."""
        with self.registry.locked():
            entry = found(self.registry.entries(), name)
            if entry.dropping or entry.state not in ("building", "ready"):
                raise _refused(entry, "noted", "Only one that is being built is.")
            self.registry.change(name, state=state, facts=dict(facts), changed=self.now())

    def drop(self, name: str) -> None:
        """See `SupportsGenerations.drop`."""
        entries = self.registry.entries()
        if name not in {entry.name for entry in entries}:
            if name != FIRST:
                checked_name(name)
            return
        with self.registry.locked():
            entries = self.registry.entries()
            entry = next((entry for entry in entries if entry.name == name), None)
            if entry is None:
                return
            if entry.state in ("live", "promoting"):
                raise _refused(entry, "dropped", "Promote another one, or roll back, first.")
            # From here on it can be neither loaded nor promoted nor rolled back to, only dropped.
            self.registry.change(
                name, journal={"dropping": True}, loads=secrets.token_hex(8), changed=self.now()
            )
        for schema in entry.generation.schemas:
            self.objects.drop_schema(schema + entry.generation.suffix)
        with self.registry.locked():
            self.registry.remove(name)

    def promote(self, name: str, keep_until: datetime, catch_up: Callable[[], None] | None) -> Generation:
        """See `SupportsGenerations.promote`."""
        entry = self._closed(name)
        if entry.state == "live":
            return entry.generation
        if not entry.moving:
            try:
                if catch_up is not None:
                    catch_up()
                with self._guarded(entry) as (registry, holds):
                    self._check_not_behind(entry)
                    self._plan(entry, kind="promote")
                    self._finish(registry, holds, name, keep_until)
            except BaseException:
                # Ctrl-C too: loads stay away until somebody says that nothing has moved.
                self._reopened(name)
                raise
        else:
            with self._guarded(entry) as (registry, holds):
                self._finish(registry, holds, name, keep_until)
        return found(self.registry.entries(), name).generation

    def rollback(self) -> Generation:
        """See `SupportsGenerations.rollback`."""
        with self.registry.locked():
            entry = self._to_undo()
            if entry is None:
                return live_of(self.registry.entries()).generation
            if entry.state == "promoting" and entry.journal is None:
                self.registry.change(entry.name, state="ready", changed=self.now())
                return live_of(self.registry.entries()).generation
            self.registry.count()
            if entry.state == "live":
                entry = self._undoing(entry)
        with self._guarded(entry) as (registry, holds):
            self._finish(registry, holds, entry.name, None)
        return live_of(self.registry.entries()).generation

    def _closed(self, name: str) -> Entry:
        """Keep loads away from the live tables, if `name` is to be promoted."""
        with self.registry.locked():
            entries = self.registry.entries()
            entry = found(entries, name)
            if entry.state == "live":
                return entry
            other = next((each.name for each in entries if each.state == "promoting"), name)
            if entry.dropping or entry.state not in ("ready", "promoting") or other != name:
                raise _refused(entry, "promoted", f"Finish {other} first." if other != name else "Build it.")
            self.registry.count()
            self.registry.change(name, state="promoting", previous=live_of(entries).name, changed=self.now())
        return entry

    def _reopened(self, name: str) -> None:
        """Back to `ready`, unless something may have moved; by a new session: the old one may be gone."""
        with suppress(SinkError):
            session = self.open_session()
            try:
                registry = Registry(session, self.raw, self.holder)
                with registry.locked():
                    entry = found(registry.entries(), name)
                    if entry.state == "promoting" and entry.journal is None:
                        registry.change(name, state="ready", previous=None, changed=self.now())
            finally:
                session.close()

    def _to_undo(self) -> Entry | None:
        """What a rollback undoes; None: it is undone already."""
        entries = self.registry.entries()
        live = live_of(entries)
        for entry in entries:
            if entry.state == "promoting":
                return entry
        if any(entry.state in ("ready", "building") and entry.previous == live.name for entry in entries):
            return None
        if live.previous is None:
            raise GenerationError("Nothing was promoted that could be undone.", generation=live.name)
        former = next((entry for entry in entries if entry.name == live.previous), None)
        if former is None or former.state != "kept" or former.dropping:
            raise GenerationError(
                f"What was live before {live.name} has been dropped: there is no way back to it.",
                hint="Rebuild: the log has everything.",
                generation=live.previous,
            )
        return live

    def _undoing(self, entry: Entry) -> Entry:
        """Say that a finished promotion is being undone, and write down what has to move."""
        journal, former = dict(entry.journal or {}), str(entry.previous)
        fresh = [(str(each[0]), str(each[1])) for each in journal.get("fresh", ())]
        suffix = suffix_of(entry.name)
        made = planned(self.objects, entry.generation.schemas, suffix, fresh)
        made |= {"kind": "rollback", "fresh": journal.get("fresh", []), "schemas": journal["schemas"]}
        self.registry.change(
            entry.name, state="promoting", suffix=suffix, journal=made, loads=secrets.token_hex(8),
            changed=self.now(),
        )  # fmt: skip
        self.registry.change(
            former, state="live", suffix="", schemas=journal["schemas"], keep_until=None, changed=self.now()
        )
        return found(self.registry.entries(), entry.name)

    def _plan(self, entry: Entry, kind: str) -> None:
        there = self.objects.schemas()
        generation = entry.generation
        for schema in generation.schemas:
            if schema not in there:
                self.objects.create_schema(schema, there.get(schema + generation.suffix, ""))
        made = planned(self.objects, generation.schemas, generation.suffix)
        former = live_of(self.registry.entries()).generation
        fresh = [[each["schema"], each["name"]] for each in made["objects"] if each["live"] is None]
        made |= {"kind": kind, "fresh": fresh, "schemas": list(former.schemas)}
        self.registry.change(entry.name, journal=made, loads=secrets.token_hex(8), changed=self.now())

    @contextmanager
    def _guarded(self, entry: Entry) -> Iterator[tuple[Registry, Callable[[], None]]]:
        """Another session holds the lock of the live tables' loads, and of the others', until the end."""
        session = self.open_session()
        try:
            registry = Registry(session, self.raw, self.holder)
            others = [evolve(self.raw, schema=self.raw.schema + suffix_of(entry.name))]
            with registry.locked(*(others if self.raw.schema in entry.generation.schemas else ())):
                number = _transaction(session)

                def holds() -> None:
                    if _transaction(session) != number:
                        raise SinkUnavailableError(
                            "Snowflake ended the transaction that keeps loads away.",
                            hint="Run it again: it goes on where it was.",
                        )

                yield registry, holds
        finally:
            session.close()

    def _finish(
        self, registry: Registry, holds: Callable[[], None], name: str, keep_until: datetime | None
    ) -> None:
        """Let things change places, wherever they are, and say so. `keep_until`: of a promotion."""
        entry = found(self.registry.entries(), name)
        if not entry.moving:
            return  # another process has finished meanwhile
        journal = dict(entry.journal or {})
        self._cancel(journal.get("session"))
        journal["session"] = _session(self.session)
        self.registry.change(name, journal=journal)
        forward = keep_until is not None
        suffix, schemas = suffix_of(name), entry.generation.schemas

        def keep(made: dict[str, Any]) -> None:
            self.registry.change(name, journal=made)

        exchange = Exchange(self.objects, schemas, suffix, journal, keep, holds)
        exchange.drive(exchanged=forward == (journal["kind"] == "promote"))
        former, moment = str(entry.previous), self.now()
        if forward:
            kept = {"fresh": journal["fresh"], "schemas": journal["schemas"]}
            registry.change(name, state="live", suffix="", journal=kept, changed=moment)
            registry.change(
                former,
                state="kept",
                suffix=suffix,
                schemas=list(schemas),
                keep_until=keep_until,
                changed=moment,
            )
        else:
            registry.change(name, state="ready", suffix=suffix, journal=None, changed=moment)

    def _cancel(self, session: str | None) -> None:
        """What a dead predecessor left running must not swap anything after we have looked."""
        if session is None or session == _session(self.session):
            return
        try:
            self.session.run(
                f"SELECT SYSTEM$CANCEL_ALL_QUERIES({int(session)})",
                doing=Doing("Ending what an interrupted promotion left running"),
            )
        except SinkUnavailableError:
            raise
        except SinkError:
            return  # there is no such session any more, and nothing runs in it

    def _check_not_behind(self, entry: Entry) -> None:
        if self.raw.schema not in entry.generation.schemas:
            return
        shadow = evolve(self.raw, schema=self.raw.schema + entry.generation.suffix)
        rows = self.session.run(
            f'SELECT L."REPLAY_ID" FROM {self.raw.table("CHECKPOINTS")} AS L'
            f' LEFT JOIN {shadow.table("CHECKPOINTS")} AS S ON S."REPLAY_ID" = L."REPLAY_ID"'
            ' AND S."SOURCE" = L."SOURCE" AND S."EPOCH" = L."EPOCH" AND S."POSITION" >= L."POSITION"'
            ' WHERE S."REPLAY_ID" IS NULL ORDER BY 1',
            doing=self.raw.doing("Comparing the checkpoints", "CHECKPOINTS", "SELECT"),
        )
        if rows:
            behind = [str(row[0]) for row in rows]
            raise GenerationError(
                f"Generation {entry.name} lies behind the live tables: {', '.join(behind[:_SHOWN_MAX])}.",
                hint="Let it catch up with the log, then promote it.",
                generation=entry.name,
                behind=behind,
            )


def _refused(entry: Entry, what: str, hint: str) -> GenerationError:
    state = "being dropped" if entry.dropping else entry.state
    return GenerationError(
        f"Generation {entry.name} is {state}: it cannot be {what}.", hint=hint, generation=entry.name
    )


def _transaction(session: Session) -> str:
    return str(session.run("SELECT CURRENT_TRANSACTION()", doing=Doing("Holding the lock of loads"))[0][0])


def _session(session: Session) -> str:
    return str(session.run("SELECT CURRENT_SESSION()", doing=Doing("Reading the session"))[0][0])
