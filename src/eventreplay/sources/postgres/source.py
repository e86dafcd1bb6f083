"""A journal table as a re-readable source: positions are its ids, the head is safe, reading is bulk."""

from __future__ import annotations

import hashlib
import select as io_select
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from attrs import evolve

from eventreplay.batch import Batch
from eventreplay.capabilities.tally import JournalTally, Span
from eventreplay.errors import SourceError, SourceUnavailableError
from eventreplay.event import Position
from eventreplay.finding import Finding
from eventreplay.interfaces import Gaps
from eventreplay.sources.postgres import drivers, holes, table, tallying
from eventreplay.sources.postgres.arrow import to_batches
from eventreplay.sources.postgres.check import check as check_settings
from eventreplay.sources.postgres.columns import Selection, select
from eventreplay.sources.postgres.fitness import check_fitness
from eventreplay.sources.postgres.horizon import Horizon
from eventreplay.sources.postgres.positions import parse_positions
from eventreplay.sources.postgres.reading import BulkReader
from eventreplay.sources.postgres.session import Session
from eventreplay.sources.postgres.settings import PostgresSettings, parse_table

_WAIT_MIN_S = 0.05
_WAIT_MAX_S = 2.0


class PostgresSource:
    """A `Source` over a journal; SELECT only. Connects when it is first asked something.

    Rows are taken as they are when they are read. A row that is changed or deleted after it was captured
    stays in the log as it was; `changes` counts what the server knows of such statements.
    """

    Settings: ClassVar[type] = PostgresSettings

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._session = Session(settings)
        self._opened = 0
        self._journal: table.Journal | None = None
        self._selection: Selection | None = None
        self._horizon: Horizon | None = None
        self._after: int | None = None
        self._told = False
        self._late_looked_s: float | None = None
        self._listening: Any = None

    @classmethod
    def check(cls, settings: PostgresSettings) -> list[Finding]:
        """What `doctor` prints of this journal; never raises for an end that cannot be reached."""
        return check_settings(settings)

    @property
    def name(self) -> str:
        """`postgres:schema.table`; a filter adds its hash, so that a partition cannot mix filters."""
        settings = self._settings
        base = f"postgres:{parse_table(settings.table)}"
        parts = [*settings.event_types, settings.since, settings.until, *settings.positions]
        if not any(parts):
            return base
        positions = parse_positions(settings.positions)
        kinds = sorted(settings.event_types)
        chosen = repr((kinds, settings.since, settings.until, positions)).encode()
        return f"{base}?filter={hashlib.sha256(chosen).hexdigest()[:16]}"

    def epoch(self) -> str:
        """System identifier, timeline, database and table: positions of others mean other events."""
        return table.epoch(self._session, self._open())

    def resume(self, after: Position | None) -> None:
        """Where the log stands: `head` looks for holes above only. Told by `capture`."""
        self._after = None if after is None else int(after)
        self._told = True

    def head(self) -> Position | None:
        """The highest id that has no undecided hole below; waits at most `hold_wait_s` for those who write.

        Raises:
            EpochError: the sequence went back below what was captured.
            SourceError: the journal cannot be captured without loss, or a right is missing.
            SourceUnavailableError: the server does not answer.
        """
        journal = self._open()
        asked = parse_positions(self._settings.positions)
        if asked:
            return Position(asked[-1][1])
        base = self._base(journal)
        horizon = self._horizon
        if horizon is None:
            raise SourceError("The journal was closed while it was read.")
        if self._told or horizon.is_new:
            horizon.resume(base if self._after is None else max(self._after, base))
            self._told = False
        position = horizon.advance(self._settings.hold_wait_s)
        if "foreign_ids" not in self._settings.allow:
            table.check_sequence(self._session, journal, horizon.highest_seen, known=self._after)
        return None if position <= base and self._after is None else Position(position)

    def begins_at(self) -> Position:
        """The lowest position that an event can have: where the sequence begins, or the first id there is."""
        return Position(self._base(self._open()) + 1)

    def holds(self) -> Sequence[holes.Hold]:
        """Who keeps the head of the last call below a hole; empty if nobody does."""
        return [] if self._horizon is None else list(self._horizon.held_by)

    def gaps(self) -> Sequence[Gaps]:
        """Holes that turned out dead for good above the position of `resume`, with the evidence."""
        return [] if self._horizon is None else list(self._horizon.decided)

    def late(self, gaps: Iterable[Gaps]) -> Sequence[int]:
        """Which positions of these gaps exist after all; looks every `late_check_s` at most."""
        now_s = time.monotonic()
        if self._late_looked_s is not None and now_s - self._late_looked_s < self._settings.late_check_s:
            return []
        self._open()
        selection = self._selected()
        found: list[int] = []
        for each in gaps:
            ranges = np.stack([each.first.to_numpy(), each.last.to_numpy()], axis=1)
            found += holes.present(self._session, selection.table, selection.id, selection.where, ranges)
        self._late_looked_s = None if found else now_s
        return sorted(set(found))

    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        """Events in (after, upto] in the order of their ids, by binary COPY with `readers` connections."""
        self._open()
        selection = self._selected()
        reader = BulkReader(self._settings)
        begin = -1 if after is None else int(after)
        for fetched in reader.read(self._statements(selection, begin, int(upto))):
            yield from to_batches(fetched, selection, self._settings.batch_rows_max)

    def journal_tally(self, spans: Sequence[Span]) -> Sequence[JournalTally]:
        """Count and add up on the server; see `SupportsJournalTally`."""
        self._open()
        return tallying.tally(self._session, self._selected(), spans)

    def journal_rows(self, span: Span, *, rows_max: int | None = None) -> Iterator[pa.RecordBatch]:
        """Records of a span with their hashes, made on the server."""
        self._open()
        return tallying.rows(self._session, self._selected(), span, rows_max)

    def only(self, positions: Sequence[str]) -> PostgresSource:
        """The same journal, of these positions alone; see `SupportsTargets`."""
        return type(self)(evolve(self._settings, positions=tuple(positions)))

    def changes(self) -> tuple[int, int]:
        """Rows updated and deleted since the server's statistics began; (0, 0) as it should be."""
        journal = self._open()
        rows = self._session.rows(
            "a look at its statistics",
            f"WITH RECURSIVE {table.TREE} SELECT coalesce(sum(n_tup_upd), 0)::bigint,"
            " coalesce(sum(n_tup_del), 0)::bigint FROM pg_stat_all_tables JOIN tree ON relid = tree.oid",
            {"table": journal.oid},
        )
        return int(rows[0][0]), int(rows[0][1])

    def wait(self, timeout_s: float) -> bool:
        """Block until there may be something new, or `timeout_s` is over; whether something is.

        With `notify_channel` a NOTIFY ends it at once; without, the highest id is asked for, ever less often.
        """
        deadline_s = time.monotonic() + timeout_s
        if self._settings.notify_channel is not None:
            return self._notified(self._settings.notify_channel, timeout_s)
        pause_s, idle = _WAIT_MIN_S, threading.Event()
        while True:
            if self._has_more():
                return True
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            idle.wait(min(pause_s, left_s))
            pause_s = min(2 * pause_s, _WAIT_MAX_S)

    def close(self) -> None:
        """Release the connections. Idempotent."""
        self._session.close()
        if self._listening is not None:
            listening, self._listening = self._listening, None
            listening.close()

    def _open(self) -> table.Journal:
        """The table as the catalogue has it; looked at anew on every new connection."""
        self._session.connection()
        if self._journal is None or self._opened != self._session.opened:
            journal = table.describe(self._session, self._settings)
            check_fitness(journal, self._settings)
            table.check_rights(journal)
            self._selection = select(journal, self._settings)
            self._journal, self._opened = journal, self._session.opened
            session, id_column = self._session, self._settings.id_column
            # What another connection was waiting for may have been lost with its server.
            self._horizon = Horizon(
                look=lambda after, upto: holes.look(session, journal, id_column, after, upto),
                list_writers=lambda: holes.writers(session, journal),
                is_decidable=not journal.is_replica,
            )
        return self._journal

    def _selected(self) -> Selection:
        if self._selection is None:
            raise SourceError("The journal was closed while it was read.")
        return self._selection

    def _base(self, journal: table.Journal) -> int:
        """The position below the lowest that can be: where the sequence begins, or the first id there is."""
        first = self._lowest(-(2**63), None)
        if first is not None and first < 0:
            raise SourceError(
                f"The journal has the id {first}.", hint="Positions are 0 or more; exclude such rows."
            )
        least = max(0, min((each.least for each in journal.sequences), default=2**62))
        return min(least, 2**62 if first is None else first) - 1

    def _lowest(self, after: int, upto: int | None) -> int | None:
        sql = drivers.psycopg2().sql
        selection = self._selected()
        limit = sql.SQL("" if upto is None else " AND {} <= {}").format(selection.id, sql.Literal(upto))
        statement = sql.SQL("SELECT min({id}) FROM {table} WHERE {id} > {after}{limit}").format(
            id=selection.id, table=selection.table, after=sql.Literal(after), limit=limit
        )
        found = self._session.rows("a look for the next id", statement)[0][0]
        return None if found is None else int(found)

    def _statements(self, selection: Selection, after: int, upto: int) -> Iterator[str]:
        """One statement per range of ids that holds any; a jump of the sequence costs nothing."""
        while True:
            first = self._lowest(after, upto)
            if first is None:
                return
            end = min(upto, first + self._settings.range_ids - 1)
            yield self._session.text(selection.between(first - 1, end))
            after = end

    def _has_more(self) -> bool:
        self._open()
        known = -1 if self._horizon is None else self._horizon.highest_seen
        if self._horizon is not None and self._horizon.held_by:
            waited = {hold.transaction for hold in self._horizon.held_by}
            now = {hold.transaction for hold in self._horizon.list_writers()}
            if waited - now:
                return True
        return self._lowest(max(known, -1 if self._after is None else self._after), None) is not None

    def _notified(self, channel: str, timeout_s: float) -> bool:
        """Whether a NOTIFY came; missed ones cannot be: the journal is looked at after LISTEN has begun."""
        driver = drivers.psycopg2()
        if self._listening is None or self._listening.closed:
            listening = Session(self._settings)
            with drivers.mapped("to listen"):
                connection = listening.connection()
                with connection.cursor() as cursor:
                    cursor.execute(driver.sql.SQL("LISTEN {}").format(driver.sql.Identifier(channel)))
            self._listening = connection
            if self._has_more():
                return True
        try:
            if self._listening.notifies or io_select.select([self._listening], [], [], timeout_s)[0]:
                self._listening.poll()
        except driver.Error:
            self._listening = None
            raise SourceUnavailableError("PostgreSQL broke off to listen.") from None
        came = bool(self._listening.notifies)
        self._listening.notifies.clear()
        return came or self._has_more()
