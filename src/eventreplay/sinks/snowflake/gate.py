"""What keeps loads and promotions apart: a mark that a load reads first, and finds unchanged under its lock.

A definition (SWAP, RENAME) ends the transaction that it is made in, and a lock ends with its session: no lock
alone can keep loads away until a promotion is over. RAW.GENERATIONS says whether one is under way, and how
many there have been:

- A load reads the mark in the statement that reads its checkpoint, before it copies anything, and is refused
  while tables may be moving.
- A promotion or a rollback changes the mark before it moves anything, under the lock that a commit takes.
- A load's commit takes the lock and then compares the mark, in the statement that moves the checkpoint.

So a load commits before the mark is changed, into tables that nobody has moved, or never. That nothing is
under way at the end is not enough: a COPY belongs to a table and not to its name, and the table may have been
swapped away in between. Therefore the mark counts.
"""

from __future__ import annotations

from attrs import frozen

from eventreplay.errors import SinkUnavailableError
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import literal
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.tables import Raw


@frozen
class Gate:
    """Where the mark of one set of tables stands.

    Attributes:
        raw: the live RAW, which holds GENERATIONS.
        generation: whose own tables a load is for; None: the live ones.
    """

    raw: Raw
    generation: str | None = None

    @property
    def mark(self) -> str:
        """The mark, as a query of one value."""
        table = self.raw.table("GENERATIONS")
        if self.generation is None:
            return f'SELECT TO_VARCHAR(COALESCE(MAX("PROMOTIONS"), 0)) FROM {table}'
        return f'SELECT MAX("LOADS") FROM {table} WHERE "NAME" = {literal(self.generation)}'

    @property
    def now(self) -> str:
        """The mark and whether loads are refused, as a query of one row with the columns MARK and REFUSED."""
        table = self.raw.table("GENERATIONS")
        if self.generation is None:
            return (
                'SELECT TO_VARCHAR(COALESCE(MAX("PROMOTIONS"), 0)) AS "MARK",'
                f' COUNT(CASE WHEN "STATE" = \'promoting\' THEN 1 END) AS "REFUSED" FROM {table}'
            )
        # While its tables move there is a journal, and before that the last events are still loaded.
        return (
            'SELECT MAX("LOADS") AS "MARK", 1 - COUNT(CASE WHEN "JOURNAL" IS NULL'
            " AND \"STATE\" IN ('building', 'ready', 'promoting') THEN 1 END) AS \"REFUSED\""
            f' FROM {table} WHERE "NAME" = {literal(self.generation)}'
        )

    @property
    def doing(self) -> Doing:
        """For errors."""
        what = f"Reading {self.raw.schema}.GENERATIONS"
        return self.raw.doing(what, "GENERATIONS", "SELECT")

    def admitted(self, mark: object, refused: object) -> str:
        """The mark that a load keeps until its commit.

        Raises:
            SinkUnavailableError: tables may be moving.
        """
        if int(str(refused)) or mark is None:
            raise self.closed()
        return str(mark)

    def check(self, session: Session, mark: str) -> None:
        """Raise unless the mark is still the one that was read first. Call it with the lock held.

        Raises:
            SinkUnavailableError: tables have moved since, or are about to.
        """
        found = session.run(self.mark, doing=self.doing)
        if found[0][0] != mark:
            raise self.closed()

    def check_open(self, session: Session) -> None:
        """Raise if tables may be moving. For who takes the lock first and so needs no mark.

        Raises:
            SinkUnavailableError: a promotion or a rollback is under way.
        """
        self.admitted(*session.run(self.now, doing=self.doing)[0])

    def closed(self) -> SinkUnavailableError:
        """What a load is told that has to begin again."""
        whose = "The live tables" if self.generation is None else f"The tables of {self.generation}"
        return SinkUnavailableError(
            f"{whose} are changing places with those of another generation, or did since this load began.",
            hint="Nothing of this transaction was written. Start again: a load waits until the promotion is"
            " over. `eventreplay rebuild ls` shows one that was interrupted: promote or rollback ends it.",
            generation=self.generation,
        )
