"""A folder's writer dies at any system call, and is started again: the same tree of bytes, every time."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from eventreplay.event import Checkpoint
from eventreplay.log import EncodedSegment, Log, encode_events, encode_rejects
from eventreplay.log import folder as folder_module

Build = Callable[[int, int], pa.RecordBatch]
COMMITS = 3


class KilledError(BaseException):
    """The process is gone: no handler of the code under test may run anything after this."""


class MortalOs:
    """`os` of a process that dies at its n-th call, before or after the call has its effect.

    Once dead, every further call dies too: clean-up code in a `finally` does not run in a killed
    process. What the kernel does for the dead is done here: open files are closed (which drops locks).
    """

    CALLS = frozenset({"open", "write", "fsync", "link", "rename", "unlink", "mkdir"})

    def __init__(self, lives: int, *, effect: bool) -> None:
        self.left = lives
        self._effect = effect
        self._open: set[int] = set()
        self.dead = False

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name == "close":
            return self._close
        return functools.partial(self._mortal, name, real) if name in self.CALLS else real

    def _mortal(self, name: str, real: Callable[..., Any], *args: Any) -> Any:
        self._die_if_dead()
        self.left -= 1
        if self.left < 0 and not self._effect:
            self._die()
        # A sync proves nothing in a test that keeps the machine running, and costs milliseconds.
        result: Any = None if name == "fsync" else real(*args)
        if name == "open":
            self._open.add(result)
        if self.left < 0:
            self._die()
        return result

    def _close(self, handle: int) -> None:
        if handle in self._open:
            self._open.discard(handle)
            os.close(handle)
        self._die_if_dead()

    def _die_if_dead(self) -> None:
        if self.dead:
            raise KilledError

    def _die(self) -> None:
        self.dead = True
        for handle in self._open:
            os.close(handle)
        self._open.clear()
        raise KilledError


@pytest.fixture
def encoded(events: Build, rejects: Build) -> list[tuple[EncodedSegment, EncodedSegment]]:
    """Segments of each commit; encoding touches no disk, so it is done once."""
    return [
        (encode_events(events(turn * 10, 2), turn * 2), encode_rejects(rejects(turn * 10 + 2, 1), turn))
        for turn in range(COMMITS)
    ]


def capture(root: Path, encoded: list[tuple[EncodedSegment, EncodedSegment]], token: str) -> None:
    """What a capture does: go on behind the checkpoint, open a writer only if there is something left."""
    log = Log.open(root, token_source=lambda: token)
    known = log.reader("journal").checkpoint()
    first = 0 if known is None else known.position // 10 + 1
    if first == COMMITS:
        return
    with log.writer("journal", segment_positions=10) as writer:
        for turn in range(first, COMMITS):
            checkpoint = Checkpoint(source="journal", epoch="e", position=turn * 10 + 9)
            writer.commit([encoded[turn][0]], [encoded[turn][1]], checkpoint)


def tree(root: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")
    }


def deaths(effect: bool) -> Iterator[MortalOs]:  # noqa: FBT001
    for lives in range(10_000):
        mortal = MortalOs(lives, effect=effect)
        yield mortal
        if not mortal.dead:
            return


@pytest.mark.parametrize("effect", [False, True])
def test_a_killed_and_restarted_run_leaves_the_same_bytes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    encoded: list[tuple[EncodedSegment, EncodedSegment]],
    *,
    effect: bool,
) -> None:
    capture(tmp_path / "undisturbed", encoded, "one")
    expected = tree(tmp_path / "undisturbed")
    died = 0
    for number, mortal in enumerate(deaths(effect)):
        root = tmp_path / str(number)
        with monkeypatch.context() as patch:
            patch.setattr(folder_module, "os", mortal)
            try:
                capture(root, encoded, "first")
            except KilledError:
                died += 1
        # What a reader sees now is a whole prefix of the history, and nothing damaged.
        log = Log.open(root)
        assert log.check().ok
        offsets = [commit.next_offset for commit in log.reader("journal").commits()]
        assert offsets == [2, 4, 6][: len(offsets)]
        with monkeypatch.context() as patch:
            patch.setattr(folder_module, "os", MortalOs(10_000, effect=False))
            capture(root, encoded, "second")
        assert tree(root) == expected, f"killed at call {number}"
    assert died > 100  # each of the calls of three commits


def test_a_second_kill_during_recovery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: list[tuple[EncodedSegment, EncodedSegment]]
) -> None:
    capture(tmp_path / "undisturbed", encoded, "one")
    expected = tree(tmp_path / "undisturbed")
    for number in range(7, 100, 13):
        for again in range(3, 90, 11):
            root = tmp_path / f"{number}-{again}"
            for lives, token in ((number, "first"), (again, "second"), (10_000, "third")):
                with monkeypatch.context() as patch:
                    patch.setattr(folder_module, "os", MortalOs(lives, effect=bool(again % 2)))
                    try:
                        capture(root, encoded, token)
                    except KilledError:
                        assert lives < 10_000
            assert tree(root) == expected
