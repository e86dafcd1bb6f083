"""One container of an official image: created, started, killed and, at the end, removed by the guard."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from eventreplay.testing.services.errors import ServiceError
from eventreplay.testing.services.guarded import Guarded
from eventreplay.testing.services.ports import LOOPBACK

PULL_S_MAX = 600
STOP_S_MAX = 60
MAIN = "server"


@frozen(kw_only=True)
class Image:
    """What to create a container from.

    Attributes:
        name: with its tag; a version, never `latest`.
        ports: port in the container → port of the loopback here.
        volumes: path here → path in the container, read-only.
        environment: given through a file, so that no secret stands in a list of processes.
        entrypoint: instead of the image's own.
        words: what the image runs.
    """

    name: str
    ports: Mapping[int, int]
    volumes: Mapping[Path, str] = field(factory=dict)
    environment: Mapping[str, str] = field(factory=dict)
    entrypoint: str | None = None
    words: Sequence[str] = ()


class Container:
    """A container that lives as long as its guard, whatever happens to this process."""

    main: str = MAIN

    def __init__(self, guarded: Guarded, engine: str, image: Image) -> None:
        self.guarded = guarded
        self._engine = engine
        self._name = f"eventreplay-{guarded.service.lower()}-{secrets.token_hex(6)}"
        guarded.at_end([engine, "rm", "--force", "--volumes", self._name])
        secret = guarded.folder / "environment"
        secret.touch(0o600)
        secret.write_text("".join(f"{name}={value}\n" for name, value in image.environment.items()), "utf-8")
        command = [engine, "create", "--name", self._name, "--hostname", "server", "--shm-size", "256m"]
        command += ["--env-file", str(secret)]
        for inside, outside in image.ports.items():
            command += ["--publish", f"{LOOPBACK}:{outside}:{inside}"]
        for path, place in image.volumes.items():
            command += ["--volume", f"{path}:{place}:ro"]
        if image.entrypoint is not None:
            command += ["--entrypoint", image.entrypoint]
        guarded.run("create", [*command, image.name, *image.words], env=dict(os.environ))
        guarded.finish("create", PULL_S_MAX)
        secret.unlink()

    def run(self) -> None:
        """Start it; its output goes to the guard's log of `server`."""
        self.guarded.run(MAIN, [self._engine, "start", "--attach", self._name], env=dict(os.environ))

    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.guarded.alive(MAIN)

    def stop(self) -> None:
        """Ask it to stop, and wait."""
        self._do("stop", "--time", str(STOP_S_MAX))

    def kill(self) -> None:
        """SIGKILL to all of it."""
        self._do("kill", "--signal", "KILL")

    def pause(self) -> None:
        """Freeze all of it."""
        self._do("pause", ends=False)

    def resume(self) -> None:
        """Let go on what was frozen."""
        self._do("unpause", ends=False)

    def execute(self, words: Sequence[str], text: str = "") -> str:
        """Run a command inside; its output."""
        done = subprocess.run(
            [self._engine, "exec", "--interactive", self._name, *words],
            input=text,
            capture_output=True,
            text=True,
            timeout=STOP_S_MAX,
            check=False,
        )
        if done.returncode != 0:
            raise ServiceError(f"{self.guarded.service}: {words[0]} failed: {done.stderr.strip()[-500:]}")
        return done.stdout

    def _do(self, *words: str, ends: bool = True) -> None:
        self.guarded.run(words[0], [self._engine, *words, self._name], env=dict(os.environ))
        self.guarded.finish(words[0])
        if ends:
            self.guarded.wait_for(lambda: self.guarded.status(MAIN), "the container did not end", STOP_S_MAX)
