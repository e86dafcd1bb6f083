"""What every server for tests can do: be killed, stopped, frozen, started again, ended.

A server is a class of its own, which says how it is reached and what tests get from it, over something that
runs: processes of this machine, or a container. One that an override names has nothing to run: it is somebody
else's, and whoever wants to stop it is refused.
"""

from __future__ import annotations

import json
import signal
from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Generic, Protocol, Self, TypeVar

from eventreplay.testing.services.container import MAIN
from eventreplay.testing.services.errors import NotOursError
from eventreplay.testing.services.guarded import Guarded

STOP_S_MAX = 60


class Backend(Protocol):
    """What runs a server."""

    @property
    def guarded(self) -> Guarded:
        """Its processes, folder and output."""

    @property
    def main(self) -> str:
        """The name of the process that answers."""

    def run(self) -> None:
        """Start it, with the data it has."""

    def running(self) -> bool:
        """Whether it was started and has not ended."""

    def stop(self) -> None:
        """Stop it as an administrator would, and wait."""

    def kill(self) -> None:
        """SIGKILL to all of it."""

    def pause(self) -> None:
        """Freeze all of it."""

    def resume(self) -> None:
        """Let go on what was frozen."""


class Processes(ABC):
    """A server as processes of this machine."""

    main: str = MAIN
    stop_signal: ClassVar[int] = signal.SIGTERM

    def __init__(self, guarded: Guarded) -> None:
        self.guarded = guarded

    @abstractmethod
    def run(self) -> None:
        """Start what has ended, or was never started."""

    def running(self) -> bool:
        """Whether the process that answers was started and has not ended."""
        return self.guarded.alive(self.main)

    def stop(self) -> None:
        """Ask the process that answers to stop, and wait."""
        self.guarded.signal(self.stop_signal, self.main)
        self.guarded.wait_for(lambda: self.guarded.status(self.main), f"{self.main} did not stop", STOP_S_MAX)

    def kill(self) -> None:
        """SIGKILL to every process."""
        self.guarded.kill()

    def pause(self) -> None:
        """Freeze every process."""
        self.guarded.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let go on every process."""
        self.guarded.signal(signal.SIGCONT)


B = TypeVar("B", bound=Backend)


class Server(ABC, Generic[B]):
    """A server for tests; a context manager.

    Args:
        backend: what runs it; None: somebody else does.
    """

    what: ClassVar[str]
    """What messages call it."""

    def __init__(self, backend: B | None) -> None:
        self._backend = backend

    @abstractmethod
    def wait_ready(self) -> None:
        """Wait until it answers."""

    @abstractmethod
    def _leave(self) -> None:
        """Remove what was made at a server that is somebody else's."""

    def kill(self) -> None:
        """SIGKILL to every process of the server, as when the machine's memory runs out."""
        self._ours().kill()

    def stop(self) -> None:
        """Stop as an administrator would: connections are ended, everything is written."""
        self._ours().stop()

    def restart(self) -> None:
        """Start again with the same data on the same ports; stops first if it runs."""
        backend = self._ours()
        if backend.running():
            backend.stop()
        backend.run()
        self.wait_ready()

    def pause(self) -> None:
        """Freeze every process of the server: connections stay open, nobody answers."""
        self._ours().pause()

    def resume(self) -> None:
        """Let go on what `pause` froze."""
        self._ours().resume()

    def log_tail(self) -> str:
        """The end of the server's log."""
        backend = self._ours()
        return backend.guarded.tail(backend.main)

    @property
    def guarded(self) -> Guarded:
        """Its processes, folder and output.

        Raises:
            NotOursError: somebody else started it.
        """
        return self._ours().guarded

    def close(self) -> None:
        """End the server and remove its data; somebody else's keeps running, what we made there goes."""
        if self._backend is None:
            self._leave()
        else:
            self._backend.guarded.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ours(self) -> B:
        if self._backend is None:
            raise NotOursError(
                f"This {self.what} was started by somebody else; it is not ours to stop.",
                hint=f"Tests that stop one start their own: {type(self).__name__}.start().",
            )
        return self._backend


def said_port(backend: Backend) -> int | None:
    """The port that a program of ours printed as a line of JSON when it listened; None: not yet."""
    lines = backend.guarded.log(backend.main).read_text("utf-8", "replace").splitlines()
    line = next((line for line in lines if line.startswith("{")), None)
    return None if line is None else int(json.loads(line)["port"])
