"""A whole rebuild beside the live tables, against the first load and build of the same log."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from eventreplay.capture import capture
from eventreplay.codecs.router import codec_for
from eventreplay.demo import schemas
from eventreplay.demo.generator import GeneratedSource
from eventreplay.log import Log
from eventreplay.rebuild import Dbt, drop, plan, promote, run
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.transform import project_folder

WORKERS = (1, 2)


def measure(events: int) -> dict[str, float]:
    """Events per second: RAW loaded and all models built, first, and then beside what is live.

    Once each: what is measured takes minutes, and grows with the log. dbt's parsing is in none of the times.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = Log.open(folder / "log")
        source = GeneratedSource(7, events)
        capture(source, log, "journal")
        source.close()
        return _Measured(log, folder, events).figures()


class _Measured:
    """One log, one DuckDB file, and what is done to it."""

    def __init__(self, log: Log, folder: Path, events: int) -> None:
        self._log, self._events = log, events
        self._path = folder / "warehouse.duckdb"
        self._codec = codec_for(schemas.load())
        # A copy: a plan holds only as long as nobody changes the project.
        project = shutil.copytree(project_folder(), folder / "project")
        self._dbt = Dbt(
            project=project,
            environment=DuckDBSink.dbt_environment(self._path),
            work=folder / "dbt",
        )

    def figures(self) -> dict[str, float]:
        """All of them."""
        found: dict[str, float] = {"events": self._events}
        self._dbt.run("parse")
        found["first: load"] = self._rate(self._load)
        build_s = _seconds(lambda: self._dbt.run("build"))
        found["first: load and build"] = self._events / (self._events / found["first: load"] + build_s)
        for number, workers in enumerate(WORKERS):
            how = "a thread" if workers == 1 else f"{workers} processes"
            self._rebuilt(f"g{number}", workers, how, found)
        return found

    def _rebuilt(self, name: str, workers: int, how: str, found: dict[str, float]) -> None:
        made = plan(
            self._log, self._open, self._codec, self._dbt, name=name, sink_url="duckdb://", force_raw=True
        )
        begun = time.perf_counter()
        done = run(made, self._log, self._open, self._codec, self._dbt, workers=workers)
        ran_s = time.perf_counter() - begun
        assert (done.state, done.read) == ("ready", self._events)
        switched = promote(made, self._log, self._open, self._codec, self._dbt, keep=timedelta(0))
        promoted_s = time.perf_counter() - begun
        assert switched.before is not None
        drop(self._open, switched.before, force=True)
        found[f"rebuild, {how}: load"] = self._events / done.load_seconds
        found[f"rebuild, {how}: load and build"] = self._events / ran_s
        found[f"rebuild, {how}: load, build and promote"] = self._events / promoted_s

    def _load(self) -> None:
        with self._open() as sink:
            replay(self._log, sink, self._codec)

    def _open(self) -> DuckDBSink:
        return DuckDBSink(self._path, clock=lambda: datetime.now(UTC))

    def _rate(self, work: Callable[[], object]) -> float:
        return self._events / _seconds(work)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
