"""Kill a command at its N-th system call, for every N: what a run leaves when it dies anywhere.

The command is run once without a fault and traced; each call of the chosen kinds is a point at which it can
die. Then it is run again for each point, and strace kills it there (or lets that call fail), before the
kernel does what was asked. What must hold after each death is the caller's to check:

    sweep = KillSweep(["python", "job.py"], calls=("write", "fsync", "rename"), within=folder)
    for run in sweep.runs(before=empty_the_folder):
        assert run.killed
        resume()
        assert what_is_left() == what_an_undisturbed_run_leaves

strace counts each kind of call apart and each thread apart: a point is (kind, how many of that kind its
thread had made). A program whose threads race does not make its calls in the same order twice; its points
are found again by their numbers, and a run that did not reach its point says so (`reached`). Make such a
program deterministic, or check that most points were reached.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from eventreplay.errors import ConfigError, EventReplayError
from eventreplay.testing.services.tracing import provide_strace

DURABLE = (
    "write", "pwrite64", "writev", "pwritev", "pwritev2", "rename", "renameat", "renameat2", "link", "linkat",
    "fsync", "fdatasync", "sync_file_range", "unlink", "unlinkat", "ftruncate", "truncate", "fallocate",
    "mkdir", "mkdirat", "rmdir", "copy_file_range",
)  # fmt: skip
"""Calls that change what a machine keeps."""

SENDING = ("sendto", "sendmsg", "write", "writev")
"""Calls that speak to a server."""

RUN_S_MAX = 300
OUTPUT_CHARACTERS = 4000

# Begun calls only: one that another thread's interrupts is cut in two, and its begin has all we need.
_BEGUN = re.compile(r"^(\d+) +(\w+)\((.*)")
_HELD = re.compile(r"(\w+)<(/[^>]*)>")
_NAMED = re.compile(r'"([^"]+)"')
_SIGNAL = re.compile(r"^SIG[A-Z0-9]+$")

Hook = Callable[["Point"], None]


class SweepError(EventReplayError):
    """A sweep would show nothing: the undisturbed run failed, or made no call of the chosen kinds."""


@frozen
class Point:
    """One call of the undisturbed run.

    Attributes:
        number: from 1, over all chosen kinds, in the order of the trace.
        call: its kind.
        ordinal: how many of its kind its thread had made, this one included.
        text: its arguments as strace shows them, shortened; for messages.
    """

    number: int
    call: str
    ordinal: int
    text: str = field(eq=False)

    def __str__(self) -> str:
        return f"call {self.number} ({self.call} no. {self.ordinal})"


@frozen(kw_only=True)
class Run:
    """How one run with a fault ended.

    Attributes:
        point: where the fault was ordered.
        status: exit code; negative: the signal that ended it.
        reached: whether the trace shows that the fault fired.
        output: the end of what the command printed.
    """

    point: Point
    status: int
    reached: bool
    output: str

    @property
    def killed(self) -> bool:
        """Whether it died of the ordered signal's kind: SIGKILL."""
        return self.status == -signal.SIGKILL


class KillSweep:
    """Runs of one command, each with a fault at another call.

    Args:
        command: its words. It must do the same in each run, after `before`.
        calls: kinds of system calls; those that this machine's kernel does not know are left out.
        within: count only calls that name something below this folder (a path, taken from `cwd`, or an
            open file); None: all.
        fault: a signal (`SIGKILL`) or an error (`EIO`, `ENOSPC`) at the call.
        env: the command's environment; None: this process's.
        cwd: where it runs.
        seconds: after which a run is given up.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        calls: Sequence[str] = DURABLE,
        within: Path | None = None,
        fault: str = "SIGKILL",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        seconds: float = RUN_S_MAX,
    ) -> None:
        if not calls:
            raise ConfigError("A sweep needs kinds of system calls.", hint="DURABLE and SENDING name some.")
        self._command = list(command)
        self._calls = tuple(calls)
        self._within = within
        self._what = f"signal={fault[3:]}" if _SIGNAL.match(fault) else f"error={fault}"
        self._env = dict(os.environ if env is None else env)
        self._cwd = cwd
        self._seconds = seconds
        self._strace = provide_strace()

    def points(self, before: Hook | None = None, *, may_be_none: bool = False) -> list[Point]:
        """Run once without a fault; every point, in order.

        Args:
            before: called first, with a point of number 0.
            may_be_none: a run without any such call is no error: a recovery may have nothing to do.

        Raises:
            SweepError: the run failed, or made none of the calls.
        """
        start = Point(0, "start", 0, "")
        if before is not None:
            before(start)
        done, trace = self._trace([])
        if done.returncode != 0:
            raise SweepError(
                f"The undisturbed run ended with {done.returncode}: {_end(done.stdout)}",
                hint="Mend the command first: a sweep compares with a run that succeeds.",
                status=done.returncode,
            )
        found = self._read(trace)
        if not found and not may_be_none:
            raise SweepError(
                f"The undisturbed run made none of the calls {', '.join(self._calls)}.",
                hint="Choose other calls, or another folder in `within`.",
            )
        return found

    def runs(
        self,
        *,
        before: Hook | None = None,
        after: Hook | None = None,
        every: int = 1,
        points: Sequence[Point] | None = None,
    ) -> Iterator[Run]:
        """Run with the fault at each point, one after the other.

        Args:
            before: called before each run, the undisturbed one included: make the starting state.
            after: called after each run that was yielded, when its caller asks for the next.
            every: one point in so many; the first and the last are always among them.
            points: instead of running without a fault first.

        Yields:
            each run, before the next is begun; check what it left.
        """
        found = self.points(before) if points is None else list(points)
        chosen = found[::every] + ([found[-1]] if (len(found) - 1) % every else [])
        for point in chosen:
            if before is not None:
                before(point)
            yield self.run(point)
            if after is not None:
                after(point)

    def run(self, point: Point) -> Run:
        """One run with the fault at one point; the starting state is the caller's."""
        done, trace = self._trace(["-e", f"inject={point.call}:{self._what}:when={point.ordinal}"])
        there = any(each.call == point.call and each.ordinal == point.ordinal for each in self._read(trace))
        fired = "+++ killed by " in trace or "(INJECTED)" in trace
        return Run(point=point, status=done.returncode, reached=there and fired, output=_end(done.stdout))

    def twice(
        self,
        recovery: KillSweep,
        *,
        before: Hook | None = None,
        every: int = 1,
        every_second: int = 1,
    ) -> Iterator[tuple[Run, Run]]:
        """A second fault while what the first left is being repaired.

        For each point of this command, the recovery is run once without a fault to find its own points, and
        then with a fault at each of them, every time on the state that the first fault leaves.

        Args:
            recovery: what is run after the first fault.
            before: as in `runs`.
            every: one point of this command in so many.
            every_second: one point of the recovery in so many.

        Yields:
            both runs; what must hold now is that one more recovery makes everything whole.
        """
        found = self.points(before)
        for point in found[::every]:
            self._again(point, before)
            for second in recovery.points(may_be_none=True)[::every_second]:
                first = self._again(point, before)
                yield first, recovery.run(second)

    def _again(self, point: Point, before: Hook | None) -> Run:
        if before is not None:
            before(point)
        return self.run(point)

    def _trace(self, more: list[str]) -> tuple[subprocess.CompletedProcess[str], str]:
        with tempfile.TemporaryDirectory(prefix="eventreplay-sweep-") as folder:
            output = Path(folder) / "trace"
            kinds = ",".join(f"?{kind}" for kind in self._calls)
            words = [
                "-f",
                "-y",
                "-s",
                "0",
                "-o",
                str(output),
                "-e",
                f"trace={kinds}",
                *more,
            ]
            done = subprocess.run(
                [*self._strace, *words, "--", *self._command],
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=self._seconds,
                check=False,
            )
            return done, output.read_text("utf-8", "replace") if output.exists() else ""

    def _read(self, trace: str) -> list[Point]:
        numbers = itertools.count(1)
        seen: Counter[tuple[str, str]] = Counter()
        found: list[Point] = []
        for line in trace.splitlines():
            begun = _BEGUN.match(line)
            if begun is None:
                continue
            thread, kind, arguments = begun.groups()
            # strace counts every call of the kind, also those elsewhere; so must the ordinal.
            seen[thread, kind] += 1
            if self._inside(arguments):
                found.append(Point(next(numbers), kind, seen[thread, kind], arguments[:100]))
        return found

    def _inside(self, arguments: str) -> bool:
        if self._within is None:
            return True
        place = str(self._within.resolve())
        # Open files are shown with their path, but a path that the program names is shown as it names it.
        paths = [path for name, path in _HELD.findall(arguments) if name != "AT_FDCWD"]
        start = self._cwd or Path.cwd()
        paths += [os.path.normpath(start / named) for named in _NAMED.findall(arguments)]
        return any(path == place or path.startswith(place + "/") for path in paths)


def _end(output: str | None) -> str:
    return (output or "").strip()[-OUTPUT_CHARACTERS:]
