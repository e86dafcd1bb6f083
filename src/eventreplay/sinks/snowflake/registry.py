"""RAW.GENERATIONS: which generations there are, where each one's tables stand, and what is under way.

Rows change only in a transaction that holds CHECKPOINT_LOCK, or while another session of ours holds it: so
two who build, promote or drop take turns, and no load commits meanwhile.

Columns beside those of `Generation`:
    PREVIOUS    what was live before it was promoted; kept after a rollback, so that a second call is a retry.
    JOURNAL     JSON of what is being moved, or dropped; of the live one, what to know for a rollback.
    LOADS       a word that a load into its own tables must find unchanged; see `gate`.
    PROMOTIONS  how many promotions and rollbacks there were when it was last changed; the same in all rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import frozen

from eventreplay.capabilities.generations import FIRST, Generation, State
from eventreplay.errors import GenerationError, SinkError
from eventreplay.sinks.snowflake import checkpoints
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import quoted
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.tables import GENERATIONS, Raw

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENTS = frozenset({"began", "changed", "keep_until"})
_JSON = frozenset({"schemas", "facts", "journal"})
_NAMES = tuple(column.name for column in GENERATIONS)


@frozen(kw_only=True)
class Entry:
    """One row."""

    generation: Generation
    previous: str | None
    journal: Mapping[str, Any] | None
    promotions: int

    @property
    def name(self) -> str:
        """Of the generation."""
        return self.generation.name

    @property
    def state(self) -> State:
        """Of the generation."""
        return self.generation.state

    @property
    def moving(self) -> bool:
        """Whether its tables may have changed places in part."""
        return self.state == "promoting" and self.journal is not None

    @property
    def dropping(self) -> bool:
        """Whether somebody has begun to remove it."""
        return self.journal is not None and bool(self.journal.get("dropping"))


class Registry:
    """The rows, over one session.

    Args:
        session: with the rights of who owns RAW.
        raw: the live RAW.
        holder: who holds the lock, for people who look at it.
    """

    def __init__(self, session: Session, raw: Raw, holder: str) -> None:
        self.session, self.raw, self.holder = session, raw, holder
        self._table = raw.table("GENERATIONS")

    def entries(self) -> list[Entry]:
        """All rows, the live one first, then as they were begun; `first` alone if there is none."""
        rows = self.session.run(
            f"SELECT {', '.join(_read(name) for name in _NAMES)} FROM {self._table}",
            doing=self._doing("Reading", "SELECT"),
        )
        made = [_entry(dict(zip(_NAMES, row, strict=True))) for row in rows]
        if not made:
            made = [Entry(generation=_first(self.raw), previous=None, journal=None, promotions=0)]
        return sorted(made, key=_order)

    @contextmanager
    def locked(self, *others: Raw) -> Iterator[None]:
        """A transaction that holds the lock, of the live RAW and then of others; committed at the end.

        Raises:
            SinkUnavailableError: somebody else held it for too long; or the COMMIT was not confirmed.
        """
        self.session.begin()
        try:
            for raw in (self.raw, *others):
                checkpoints.lock(self.session, raw, self.holder, 0)
            yield
            self.session.commit()
        except BaseException:
            # Ctrl-C too: the lock must not stay behind.
            with suppress(SinkError):
                self.session.rollback()
            raise

    def begin(self, generation: Generation, loads: str) -> None:
        """Add a row, and one for `first` if there is none yet."""
        if not self.session.run(
            f"SELECT 1 FROM {self._table} LIMIT 1", doing=self._doing("Reading", "SELECT")
        ):
            self._insert(_first(self.raw), "", 0)
        count = max(entry.promotions for entry in self.entries())
        self._insert(generation, loads, count)

    def change(self, name: str, **values: object) -> None:
        """Set columns of one row, by their lower-case names."""
        sets = ", ".join(f"{quoted(column.upper())} = {_bound(column)}" for column in values)
        rows = self.session.run(
            f'UPDATE {self._table} SET {sets} WHERE "NAME" = ?',
            [*(_plain(column, value) for column, value in values.items()), name],
            doing=self._doing("Writing", "SELECT", "UPDATE"),
        )
        if int(rows[0][0]) != 1:
            raise GenerationError(
                f"{self.raw.schema}.GENERATIONS has {int(rows[0][0])} rows for generation {name}.",
                hint="Something else than eventreplay wrote there: find out what.",
                generation=name,
            )

    def count(self) -> None:
        """One more promotion or rollback, in all rows: whoever removes some of them removes no count."""
        known = max(entry.promotions for entry in self.entries())  # under the lock nobody changes it
        self.session.run(
            f'UPDATE {self._table} SET "PROMOTIONS" = ?',
            [known + 1],
            doing=self._doing("Writing", "SELECT", "UPDATE"),
        )

    def remove(self, name: str) -> None:
        """Delete a row."""
        self.session.run(
            f'DELETE FROM {self._table} WHERE "NAME" = ?', [name], doing=self._doing("Writing", "DELETE")
        )

    def _insert(self, generation: Generation, loads: str, promotions: int) -> None:
        given = {
            "name": generation.name,
            "state": generation.state,
            "schemas": generation.schemas,
            "suffix": generation.suffix,
            "plan": generation.plan,
            "facts": generation.facts,
            "loads": loads,
            "promotions": promotions,
            "began": generation.began,
            "changed": generation.changed,
        }
        names = ", ".join(quoted(name.upper()) for name in given)
        self.session.run(
            f"INSERT INTO {self._table} ({names}) SELECT {', '.join(_bound(name) for name in given)}",
            [_plain(name, value) for name, value in given.items()],
            doing=self._doing("Writing", "SELECT", "INSERT"),
        )

    def _doing(self, what: str, *rights: str) -> Doing:
        whose = "" if rights == ("SELECT",) else ", as the owner's role does,"
        return self.raw.doing(f"{what} {self.raw.schema}.GENERATIONS{whose}", "GENERATIONS", *rights)


def live_of(entries: Sequence[Entry]) -> Entry:
    """The live one."""
    return next(entry for entry in entries if entry.state == "live")


def found(entries: Sequence[Entry], name: str) -> Entry:
    """A generation by its name.

    Raises:
        GenerationError: there is none.
    """
    for entry in entries:
        if entry.name == name:
            return entry
    raise GenerationError(
        f"There is no generation {name}.", hint="`eventreplay rebuild ls` shows all.", generation=name
    )


def _first(raw: Raw) -> Generation:
    return Generation(
        name=FIRST,
        state="live",
        schemas=(raw.schema,),
        suffix="",
        plan="",
        facts={},
        began=None,
        changed=None,
        keep_until=None,
    )


def _order(entry: Entry) -> tuple[bool, datetime, str]:
    return entry.state != "live", entry.generation.began or _EPOCH, entry.name


def _read(name: str) -> str:
    column = quoted(name.upper())
    # Whole microseconds: no session's or driver's idea of a time zone can move a moment.
    return f"DATE_PART(EPOCH_MICROSECOND, {column})" if name in _MOMENTS else column


def _bound(name: str) -> str:
    return "TO_TIMESTAMP_NTZ(?, 6)" if name in _MOMENTS else "?"


def _plain(name: str, value: object) -> object:
    if value is None:
        return None
    if isinstance(value, datetime):
        return (value.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
    return json.dumps(value, ensure_ascii=True) if name in _JSON else value


def _entry(row: Mapping[str, Any]) -> Entry:
    def moment(name: str) -> datetime | None:
        return None if row[name] is None else _EPOCH + timedelta(microseconds=int(row[name]))

    return Entry(
        generation=Generation(
            name=row["name"],
            state=row["state"],
            schemas=tuple(json.loads(row["schemas"])),
            suffix=row["suffix"],
            plan=row["plan"],
            facts=json.loads(row["facts"]),
            began=moment("began"),
            changed=moment("changed"),
            keep_until=moment("keep_until"),
        ),
        previous=row["previous"],
        journal=None if row["journal"] is None else json.loads(row["journal"]),
        promotions=int(row["promotions"]),
    )
