"""What the steps of a rebuild work with: a way to open the sink, dbt over it, and somebody who is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from attrs import Factory, frozen

from eventreplay.capabilities.generations import SupportsGenerations
from eventreplay.errors import GenerationError
from eventreplay.interfaces import Sink
from eventreplay.retrying import Told, retried
from eventreplay.secret import Secret
from eventreplay.transform import Transformation, transform

OpenSink = Callable[[], Sink]
"""Opens the sink. Called again and again: a warehouse that locks others out is let go between two steps."""
Progress = Callable[[int, int | None], None]
Result = TypeVar("Result")

ATTEMPTS_MAX = 9
WAIT_MAX_S = 15.0
"""1 + 2 + 4 + 8 + 4 x 15 s, and some jitter: a minute and a quarter for a warehouse that others use."""


class Screen(Protocol):
    """Where a run shows how far it is."""

    def step(self, title: str, unit: str) -> AbstractContextManager[Progress]:
        """Announce a step; the progress it gives takes (done, total or None)."""


class Quiet:
    """A screen that shows nothing."""

    @contextmanager
    def step(self, title: str, unit: str) -> Iterator[Progress]:  # noqa: ARG002 - as the protocol has it
        """Announce nothing."""
        yield lambda _done, _total: None


def wait(seconds: float) -> None:
    """Wait so long; an interrupt ends it."""
    threading.Event().wait(seconds)


@frozen(kw_only=True)
class Patience:
    """How busy or unreachable ends are waited for; see `retried`.

    Attributes:
        attempts_max: how often something is tried.
        wait_max_s: longest wait between two tries.
        told: learns of every failure that is followed by another try.
        sleep: how to wait.
    """

    attempts_max: int = ATTEMPTS_MAX
    wait_max_s: float = WAIT_MAX_S
    told: Told | None = None
    sleep: Callable[[float], None] = wait

    def of(self, run: Callable[[], Result]) -> Result:
        """Call `run` until it returns, while its errors are retryable."""
        return retried(
            run,
            attempts_max=self.attempts_max,
            wait_max_s=self.wait_max_s,
            told=self.told,
            sleep=self.sleep,
        )


@frozen(kw_only=True)
class Dbt:
    """How dbt is run: the project, and how it reaches the warehouse.

    Attributes:
        project: folder of the project.
        environment: what its profile reads, as a sink's `dbt_environment` gives it; live names.
        work: folder for dbt's log and artifacts; each environment gets one of its own in it.
        target: output of the profile; None: as that says.
        threads: nodes at a time; None: as the profile says.
        variables: dbt's `--vars`; never a secret.
    """

    project: Path
    environment: Mapping[str, str | Secret]
    work: Path
    target: str | None = None
    threads: int | None = None
    variables: Mapping[str, object] = Factory(dict)

    def run(
        self,
        command: str,
        *,
        environment: Mapping[str, str] | None = None,
        place: str = "live",
        full_refresh: bool = False,
        progress: Progress | None = None,
    ) -> Transformation:
        """One command of dbt; see `transform`.

        Args:
            command: e.g. `build`.
            environment: goes before that of the profile: names of the schemas.
            place: folder in `work`; artifacts of two environments must not mix.
            full_refresh: make incremental models from all of RAW.
            progress: told (nodes done, nodes in all).
        """
        return transform(
            self.project,
            command,
            environment={**self.environment, **(environment or {})},
            work=self.work / place,
            target=self.target,
            full_refresh=full_refresh,
            variables=dict(self.variables) or None,
            threads=self.threads,
            progress=progress,
        )


@contextmanager
def opened(open_sink: OpenSink) -> Iterator[tuple[Sink, SupportsGenerations]]:
    """The sink, open, twice: as what rows go to, and as what keeps generations.

    Raises:
        GenerationError: it keeps none.
    """
    sink = open_sink()
    try:
        if not isinstance(sink, SupportsGenerations):
            raise GenerationError(
                "This sink holds one generation of its tables, and cannot build another beside it.",
                hint="Rebuilding beside the live tables works on duckdb and snowflake.",
            )
        yield sink, sink
    finally:
        sink.close()


@contextmanager
def opened_raw(open_sink: OpenSink, generation: str | None) -> Iterator[Sink]:
    """A sink over the live RAW (None), or over that of a generation that stands beside it.

    Raises:
        GenerationError: the sink keeps no generations, or this one has no RAW of its own there.
    """
    if generation is None:
        with closing(open_sink()) as sink:
            yield sink
        return
    with opened(open_sink) as (_, kept):
        shadow = kept.shadow(generation)
        try:
            yield shadow
        finally:
            shadow.close()
