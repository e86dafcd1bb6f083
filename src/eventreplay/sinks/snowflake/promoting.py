"""`SupportsGenerations` of a Snowflake sink: `generations` does the work, on the session of the sink."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal, Self

from eventreplay.capabilities.generations import Generation
from eventreplay.errors import GenerationError, SinkUnavailableError
from eventreplay.sinks.snowflake.generations import Generations
from eventreplay.sinks.snowflake.session import Session, check_context
from eventreplay.sinks.snowflake.settings import SnowflakeSettings
from eventreplay.sinks.snowflake.tables import Raw


class PromotesGenerations(ABC):
    """A second set of tables beside the live ones; the role has to own both, see docs/guides/snowflake.md."""

    _settings: SnowflakeSettings
    _live: Raw
    _generation: str | None
    _sink_id: str

    @abstractmethod
    def _connected(self) -> Session: ...

    @abstractmethod
    def _disconnect(self) -> None: ...

    @abstractmethod
    def _now(self) -> datetime: ...

    @abstractmethod
    def _beside(self, generation: str) -> Self: ...

    def generations(self) -> Sequence[Generation]:
        """See `SupportsGenerations`; also the methods below."""
        with self._held() as held:
            return held.all()

    def begin_generation(
        self, name: str, *, schemas: Sequence[str], plan: str, facts: Mapping[str, Any]
    ) -> Generation:
        """Schemas as the live ones are, transient or with managed access; in RAW's the sink's tables.

        There is no stage in it: its loads stage where those of the live one do.
        """
        with self._held() as held:
            return held.begin(name, schemas, plan, facts)

    def shadow(self, name: str) -> Self:
        """A sink over a generation's own RAW."""
        with self._held() as held:
            held.shadow_of(name)
        return self._beside(name)

    def note(self, name: str, *, state: Literal["building", "ready"], facts: Mapping[str, Any]) -> None:
        """Replace what is known of one that is being built."""
        with self._held() as held:
            held.note(name, state, facts)

    def promote(
        self, name: str, *, keep_until: datetime, catch_up: Callable[[], None] | None = None
    ) -> Generation:
        """Table by table, each at once; loads wait until it is over, and go on with what is live then."""
        with self._held() as held:
            return held.promote(name, keep_until, catch_up)

    def rollback(self) -> Generation:
        """The same in the other direction."""
        with self._held() as held:
            return held.rollback()

    def drop(self, name: str) -> None:
        """Its schemas, with all that is in them, and its row in GENERATIONS."""
        with self._held() as held:
            held.drop(name)

    @contextmanager
    def _held(self) -> Iterator[Generations]:
        """The generations over the sink's session, which is given up when it gives no answer."""
        session = self._connected()
        if self._generation is not None:
            raise GenerationError(
                f"This sink is over the tables of generation {self._generation}.",
                hint="Ask the sink that it came from.",
                generation=self._generation,
            )
        try:
            yield Generations(
                session=session,
                raw=self._live,
                open_session=self._another_session,
                now=self._now,
                holder=f"generations by {self._sink_id}",
            )
        except SinkUnavailableError:
            # Whatever is still running there must not outlive what we know of it.
            self._disconnect()
            raise

    def _another_session(self) -> Session:
        session = Session(self._settings)
        try:
            check_context(session, self._settings)
        except BaseException:
            # Ctrl-C too: nobody else has the session yet.
            session.close()
            raise
        return session
