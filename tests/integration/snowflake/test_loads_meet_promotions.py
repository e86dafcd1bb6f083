"""Loads go on while generations change places: nothing is missing and nothing doubled, in either one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

from eventreplay.capture import CaptureOptions, capture
from eventreplay.errors import (
    CheckpointConflictError,
    EventReplayError,
    GenerationError,
    SinkUnavailableError,
)
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.sinks.snowflake.session import Session
from eventreplay.testing import MemorySource, TickingClock
from eventreplay.verify import verify
from tests.hex_codec import HexCodec
from tests.integration.snowflake.loading import due, held, load
from tests.integration.snowflake.server import StandIn
from tests.integration.snowflake.turns import Turns
from tests.records import Record
from tests.tiers import tiered

KEEP_UNTIL = datetime(2027, 1, 1, tzinfo=UTC) + timedelta(days=7)
PLAN = "cd" * 32
COMMIT_RECORDS = 2


class Loader:
    """Captures two more records and loads them, over and over, each time by a sink of its own."""

    def __init__(self, folder: Path, settings: SnowflakeSettings) -> None:
        self.log, self._settings = Log.open(folder), settings
        self._records = 0
        self.refused = self.loaded = 0
        self._end = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def capture(self) -> None:
        self._records += COMMIT_RECORDS
        items = [Record("event", at, b"%d" % at).item() for at in range(self._records)]
        options = CaptureOptions(segment_positions=COMMIT_RECORDS)
        capture(MemorySource(items), self.log, "journal", options=options)

    def load(self) -> None:
        try:
            self.loaded += load(self.log, self._settings).read
        except SinkUnavailableError:
            self.refused += 1  # which a service tries again
        except CheckpointConflictError:
            self.refused += 1  # it had read the checkpoint of the table that was swapped away

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join(timeout=120)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while not self._end.is_set():
                refused = self.refused
                self.load()
                if self.refused == refused:  # else a catch-up would never reach the end of the log
                    self.capture()
        except BaseException as error:  # noqa: BLE001 - told where it is waited for
            self._failure = error


@pytest.mark.parametrize("share", tiered(range(1, 14), short=lambda _, share: share == 3))
def test_loads_between_every_two_statements_of_a_promotion_and_a_rollback(
    standin: StandIn,
    settings: SnowflakeSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    share: int,
) -> None:
    """So many statements of the loader after each one of the promoter: each share is another interleaving."""
    loader = Loader(tmp_path / "log", settings)
    loader.capture()
    loader.load()
    standin.run(
        f"CREATE SCHEMA {settings.database}.MART",
        f"CREATE TABLE {settings.database}.MART.FCT AS SELECT 'old' A",
    )
    with SnowflakeSink(settings, clock=TickingClock()) as sink:
        sink.begin_generation("g1", schemas=["RAW", "MART"], plan=PLAN, facts={})
        standin.run(f"CREATE TABLE {settings.database}.MART_G1.FCT AS SELECT 'new' A")

        def catch_up() -> None:
            with sink.shadow("g1") as shadow:
                replay(Log.open(tmp_path / "log"), shadow, HexCodec(), transaction_rows_min=1_000)

        catch_up()
        sink.note("g1", state="ready", facts={})
        with monkeypatch.context() as patch:
            turns = Turns(patch, share)
            loader.start()
            try:
                assert sink.promote("g1", keep_until=KEEP_UNTIL, catch_up=catch_up).state == "live"
                assert standin.run(f"SELECT A FROM {settings.database}.MART.FCT") == [("new",)]
                between = loader.loaded
                assert sink.rollback().name == "first"
            finally:
                turns.let_go()
                loader.stop()
        assert sum("SWAP WITH" in each for each in turns.promoter) == 2 * 4
        assert loader.refused > 1, "no load has met the promotion"
        assert between or share < 3, "nothing was loaded between promotion and rollback"
        loader.load()
        assert held(standin, settings.database) == due(loader.log)
        found = verify(loader.log, sink, codec=HexCodec())
        assert found.ok, found
        # What the other one holds is whole too: it goes on where its checkpoint says, and is complete then.
        catch_up()
        assert sink.promote("g1", keep_until=KEEP_UNTIL).name == "g1"
        assert held(standin, settings.database) == due(loader.log)


BEFORE_LOCK = 12
"""Statements of a load before it takes the lock, COPY the last of them."""
COMMITTED = 15
"""Statements of a load up to its COMMIT."""


class Interrupted:
    """A load during which something else happens, before its k-th statement."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int, action: Callable[[], None]) -> None:
        self.statements: list[str] = []
        self.happened = False
        self.refused: EventReplayError | None = None
        self._at, self._action, self._loading = at, action, False
        for name in ("run", "named"):
            plain = getattr(Session, name)

            def asked(session: Session, *args: Any, plain: Any = plain, **how: Any) -> Any:
                self._before(str(args[0]))
                return plain(session, *args, **how)

            patch.setattr(Session, name, asked)

    def load(self, log: Log, settings: SnowflakeSettings) -> None:
        self._loading = True
        with suppress(SinkUnavailableError, CheckpointConflictError):
            load(log, settings)
        self._loading = False

    def _before(self, statement: str) -> None:
        if not self._loading or self.happened:
            return
        if len(self.statements) == self._at:
            self.happened = True
            self._loading = False
            try:
                self._action()
            except (SinkUnavailableError, GenerationError) as error:
                self.refused = error
            self._loading = True
        self.statements.append(statement)


@frozen
class Met:
    """What a load and a change of generations left."""

    loader: Loader
    sink: SnowflakeSink
    catch_up: Callable[[], None]
    meeting: Interrupted


Meet = Callable[[int, Callable[[SnowflakeSink], None]], Met]


@pytest.fixture
def meet(settings: SnowflakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Meet]:
    """Beside a generation that is ready, a load; before its k-th statement something happens."""
    folder = tmp_path / "log"
    loader = Loader(folder, settings)
    loader.capture()
    loader.load()
    with SnowflakeSink(evolve(settings, lock_timeout_s=2), clock=TickingClock()) as sink:

        def catch_up() -> None:
            with sink.shadow("g1") as shadow:
                replay(Log.open(folder), shadow, HexCodec())

        sink.begin_generation("g1", schemas=["RAW"], plan=PLAN, facts={})
        catch_up()
        sink.note("g1", state="ready", facts={})
        loader.capture()

        def met(at: int, act: Callable[[SnowflakeSink], None]) -> Met:
            with monkeypatch.context() as patch:
                meeting = Interrupted(patch, at, lambda: act(sink))
                meeting.load(loader.log, settings)
            assert meeting.happened
            return Met(loader, sink, catch_up, meeting)

        yield met


def promote(sink: SnowflakeSink) -> None:
    sink.promote("g1", keep_until=KEEP_UNTIL)


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.parametrize("at", tiered(range(BEFORE_LOCK + 1), short=lambda _, at: at == BEFORE_LOCK))
def test_a_load_that_stands_still_while_generations_change_places_loses_nothing(
    standin: StandIn, settings: SnowflakeSettings, meet: Meet, at: int, times: int
) -> None:
    """Before any statement up to the lock, above all between COPY and the lock."""

    def change(sink: SnowflakeSink) -> None:
        promote(sink)
        if times > 1:
            sink.rollback()

    met = meet(at, change)
    assert met.meeting.refused is None
    if at == BEFORE_LOCK:
        assert "COPY INTO" in met.meeting.statements[-2]
        assert "CHECKPOINT_LOCK" in met.meeting.statements[-1]
    met.loader.load()
    assert held(standin, settings.database) == due(met.loader.log)
    if times > 1:
        met.catch_up()
        promote(met.sink)
    else:
        met.sink.rollback()
    met.loader.load()
    assert held(standin, settings.database) == due(met.loader.log)


@pytest.mark.long
@pytest.mark.parametrize(
    ("at", "refusal"),
    [
        (BEFORE_LOCK + 1, SinkUnavailableError),
        (BEFORE_LOCK + 2, SinkUnavailableError),
        (COMMITTED, GenerationError),
    ],
)
def test_a_promotion_waits_for_a_load_that_holds_the_lock_and_sees_what_it_committed(
    standin: StandIn, settings: SnowflakeSettings, meet: Meet, at: int, refusal: type[EventReplayError]
) -> None:
    met = meet(at, promote)
    assert isinstance(met.meeting.refused, refusal)
    assert held(standin, settings.database) == due(met.loader.log)
    with pytest.raises(GenerationError, match="behind"):
        promote(met.sink)
    met.catch_up()
    promote(met.sink)
    assert held(standin, settings.database) == due(met.loader.log)
