"""Runs of the pipeline in children that die where they are told, and what must be left of them.

A *call* is a system call that changes the run's folder. The undisturbed run is traced once, with all its
threads; its calls, in order, are the points at which a child can be killed. strace counts each kind of call
apart and each thread apart, and only calls on the paths it is given: so a point is (kind, how many of that
kind before it), and a killed run proves where it died by its own trace, which must be the beginning of the
undisturbed one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
from attrs import field, frozen

from tests.strace import attached

KINDS = (
    "write", "pwrite64", "writev", "pwritev", "pwritev2", "rename", "renameat", "renameat2", "link", "linkat",
    "symlink", "symlinkat", "fsync", "fdatasync", "sync_file_range", "unlink", "unlinkat", "rmdir",
    "ftruncate", "truncate", "fallocate", "mkdir", "mkdirat", "copy_file_range", "sendfile", "open", "openat",
    "creat",
)  # fmt: skip
OPENING = ("open", "openat")
WALL_CLOCK = {"EVENTS": "inserted_at", "QUARANTINE": "quarantined_at", "CHECKPOINTS": "updated_at"}
ANSWER_S_MAX = 60

# `-f` writes one file: a call that another thread's interrupts is cut in two, and its begin has all we need.
_BEGUN = re.compile(r"(\d+) +(\w+)\((.*)")


@frozen
class Call:
    """One system call on the run's folder.

    Attributes:
        kind: its name.
        paths: relative to the folder, with `PID` for the process id.
        ordinal: how many of its kind its thread had made on the traced paths, this one included.
        elsewhere: whether another thread than the first made it.
    """

    kind: str
    paths: tuple[str, ...]
    ordinal: int = field(eq=False)
    elsewhere: bool = field(eq=False)

    def fault(self, what: str) -> str:
        """strace's `inject=` for `what` at this call, and at no other."""
        return f"{self.kind}:{what}:when={self.ordinal}"

    def __str__(self) -> str:
        return f"{self.kind} {' '.join(self.paths)}"


@frozen
class Trace:
    """What one run did to its folder, in order, over all its threads."""

    calls: list[Call]

    @property
    def paths(self) -> list[str]:
        return sorted({path for call in self.calls for path in call.paths})


@frozen
class Ended:
    """How a child ended: killed, or by itself and what it then said."""

    status: int
    outcome: dict[str, Any] | None

    @property
    def killed(self) -> bool:
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL

    def see_done(self) -> None:
        assert self.outcome == {"done": True}, self.outcome


class Zygote:
    """The process that forks children; one per test module, used by one test at a time."""

    def __init__(self, scratch: Path) -> None:
        program = Path(__file__).with_name("zygote.py")
        # numpy's OpenBLAS and Arrow's jemalloc start threads when they are imported, which a fork would lose.
        quiet = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
        environment = {**os.environ, **quiet, "PYTHONDONTWRITEBYTECODE": "1"}
        self._outcome = scratch / "outcome.json"
        self._process = subprocess.Popen(
            [sys.executable, str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def spawn(self, folder: Path, threads: int | None = 1) -> int:
        """A child that stands still before its first step; `threads` are those of its warehouse."""
        self._outcome.unlink(missing_ok=True)
        answer = self._ask({"run": str(folder), "outcome": str(self._outcome), "threads": threads})
        assert answer["stopped"], "The child ended before it began."
        return int(answer["pid"])

    def finish(self, pid: int) -> Ended:
        """Let the child go on, and wait for its end."""
        os.kill(pid, signal.SIGCONT)
        status = int(self._ask({"wait": pid})["status"])
        said = self._outcome.read_text("utf-8") if self._outcome.exists() else None
        return Ended(status, None if said is None else json.loads(said))

    def run(self, folder: Path) -> Ended:
        """One run without a tracer."""
        return self.finish(self.spawn(folder))

    def _ask(self, order: dict[str, object]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        ready, _, _ = select.select([stdout], [], [], ANSWER_S_MAX)
        assert ready, f"No answer to {order} within {ANSWER_S_MAX} s."
        line = stdout.readline()
        assert line, f"The zygote ended with {self._process.wait()}; see its message above."
        answer: dict[str, Any] = json.loads(line)
        return answer


class Tracer:
    """Runs children under strace.

    Args:
        strace: the words its command starts with.
        zygote: makes the children.
        scratch: for traces.
    """

    def __init__(self, strace: list[str], zygote: Zygote, scratch: Path) -> None:
        self._strace = strace
        self._zygote = zygote
        self._scratch = scratch

    def run(
        self, folder: Path, *, paths: Sequence[str] = (), fault: str | None = None, threads: int | None = 1
    ) -> tuple[Ended, Trace]:
        """One run in `folder`, traced on `paths` (relative to it; none: all), with `fault` injected.

        Args:
            folder: the run's folder; must exist.
            paths: as in a `Trace`.
            fault: as of strace's `inject=`.
            threads: of the warehouse; None: as many as it wants.
        """
        pid = self._zygote.spawn(folder, threads)
        output = self._scratch / "trace.txt"
        kinds = ",".join(f"?{kind}" for kind in KINDS)
        arguments = ["-y", "-s", "0", "-o", str(output), "-e", f"trace={kinds}"]
        if fault is not None:
            arguments += ["-e", f"inject={fault}"]
        for path in paths:
            arguments += ["-P", str(folder / path.replace("PID", str(pid)))]
        with attached(self._strace, pid, arguments):
            ended = self._zygote.finish(pid)
        return ended, read_trace(output.read_text("utf-8", "replace"), pid, folder)


def read_trace(text: str, pid: int, folder: Path) -> Trace:
    """strace's output as calls that change `folder`; opening one that is there changes nothing."""
    begun: list[tuple[str, str, tuple[str, ...], bool]] = []
    for line in text.splitlines():
        found = _BEGUN.match(line)
        if found is not None:
            thread, kind, arguments = found.groups()
            inside = re.findall(rf'[<"]{re.escape(str(folder))}(?:/([^>"]*))?[>"]', arguments)
            named = tuple(dict.fromkeys(re.sub(rf"\.{pid}(?=[-.])", ".PID", path) for path in inside))
            opens = kind in OPENING and "O_CREAT" not in arguments
            begun.append((thread, kind, named, bool(named) and not opens))
    # strace counts what it is told to look at: all calls on these paths, also those that change nothing.
    watched = {path for _, _, paths, changes in begun if changes for path in paths}
    seen: Counter[tuple[str, str]] = Counter()
    calls: list[Call] = []
    for thread, kind, paths, changes in begun:
        if watched.isdisjoint(paths):
            continue
        seen[thread, kind] += 1
        if changes:
            calls.append(Call(kind, paths, seen[thread, kind], thread != str(pid)))
    return Trace(calls)


def chosen(calls: Sequence[Call], every: int) -> list[int]:
    """Places of calls that stand for all: each that does what none before it did, and one in `every` more.

    Two calls do the same if they are of one kind, on the same paths but for numbers and hashes in them.
    """
    places: list[int] = []
    seen: set[tuple[str, ...]] = set()
    for place, call in enumerate(calls):
        shape = (call.kind, *(re.sub(r"[0-9a-f]{16,}|[0-9]+", "#", path) for path in call.paths))
        if shape not in seen or place % every == 0:
            places.append(place)
        seen.add(shape)
    return places


def tree(folder: Path) -> dict[str, str]:
    """Every file and folder below `folder`, with the SHA-256 of a file's bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
    }


def rows(warehouse: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of RAW in their order, but for the moments at which they were written."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return {
            table: connection.execute(
                f"SELECT * EXCLUDE ({moment}) FROM RAW.{table} ORDER BY rowid"
            ).fetchall()
            for table, moment in WALL_CLOCK.items()
        }


@frozen
class Left:
    """What a run leaves: the log byte for byte, the tables row for row, and nothing beside them."""

    log: dict[str, str]
    tables: dict[str, list[tuple[Any, ...]]]
    beside: list[str]

    @classmethod
    def of(cls, folder: Path) -> Left:
        return cls(
            tree(folder / "log"),
            rows(folder / "warehouse.duckdb"),
            sorted(path.name for path in folder.iterdir()),
        )


@contextmanager
def fresh(scratch: Path, like: Path | None = None) -> Iterator[Path]:
    """A folder for one run, empty or a copy, gone afterwards."""
    folder = scratch / "run"
    shutil.rmtree(folder, ignore_errors=True)
    if like is None:
        folder.mkdir()
    else:
        shutil.copytree(like, folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
