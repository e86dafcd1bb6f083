"""kill -9 all over begin, promote, rollback and drop: the next call comes to the same end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventreplay.sinks.snowflake import SnowflakeSink
from eventreplay.testing.services import StandInServer
from tests.integration.snowflake import promoting
from tests.integration.snowflake.promoting import NEW, OLD, World
from tests.integration.snowflake.server import StandIn
from tests.integration.snowflake.test_killed import Killer

OPENING = 6
"""Statements before a promotion does anything: context and five layouts."""


class Scene:
    """A server of its own, since the dead leave transactions open: a restart ends them now."""

    def __init__(self, root: Path, folder: Path, server: StandInServer) -> None:
        self.server, self.standin = server, StandIn(server)
        self.settings = self.standin.settings(server.database())
        SnowflakeSink.init(self.settings)
        self.world = World(self.standin, self.settings, folder)
        self.killer = Killer(
            root, folder, server, self.settings, module="tests.integration.snowflake.promoting_child"
        )
        promoting.begin(self.settings, folder)
        self.world.build()
        self.before = {suffix: self.world.seen(suffix) for suffix in ("", "_G1")}

    def killed(self, verb: str, k: int, when: str) -> bool:
        """Whether the verb died, and did not end before its k-th statement."""
        ended = self.killer.kill_at(f"{verb} {k}", when)
        if ended:
            assert ended == signal.SIGKILL
            self.server.restart()
        return bool(ended)


@pytest.fixture
def scene(root: Path, tmp_path: Path) -> Iterator[Scene]:
    with StandInServer.start() as server:
        made = Scene(root, tmp_path / "log", server)
        try:
            yield made
        finally:
            made.killer.close()


def change(scene: Scene, verb: str, k: int, when: str, *, finish: bool) -> bool:
    """Promote, or roll back, die, and finish it or undo it; at the end the old generation is live again."""
    if verb == "rollback":
        promoting.promote(scene.settings)
    died = scene.killed(verb, k, when)
    if died:
        scene.world.see_no_mixture(scene.before)
    towards = NEW if (verb == "promote") == finish else OLD
    if towards is NEW:
        promoting.promote(scene.settings)
    else:
        with promoting.opened(scene.settings) as sink:
            if sink.generations()[0].name != "first" or sink.generations()[1].state == "promoting":
                sink.rollback()
    scene.world.check(towards, scene.before)
    if towards is NEW:
        promoting.rollback(scene.settings)
        scene.world.check(OLD, scene.before)
    return died


@pytest.mark.long
def test_kill_9_amid_a_promotion_and_amid_a_rollback(scene: Scene) -> None:
    assert change(scene, "promote", OPENING + 54, "after", finish=True)
    assert change(scene, "rollback", OPENING + 48, "before", finish=False)


STEP = 5
"""Every so many statements in each of the four sweeps, which begin at four different ones."""


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("first", "verb", "finish"),
    [(1, "promote", True), (2, "promote", False), (3, "rollback", True), (4, "rollback", False)],
)
def test_kill_9_all_over_a_promotion_and_a_rollback(
    scene: Scene, first: int, verb: str, *, finish: bool
) -> None:
    points = 0
    for k in range(first, 1_000, STEP):
        if not change(scene, verb, k, "before" if k % 2 else "after", finish=finish):
            break
        points += 1
    assert points > 50 // STEP, "it ended sooner than it can"


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_kill_9_all_over_begin_and_drop(scene: Scene) -> None:
    promoting.drop(scene.settings)
    for verb in ("begin", "drop"):
        k = 1
        while scene.killed(verb, k := k + 3, "before" if k % 2 else "after"):
            scene.world.next_load(OLD)
            if verb == "begin":
                promoting.begin(scene.settings, scene.world.folder)
                scene.world.build()
                assert scene.world.seen("_G1") == scene.before["_G1"]
                promoting.drop(scene.settings)
            else:
                promoting.drop(scene.settings)
                with promoting.opened(scene.settings) as sink:
                    assert [each.name for each in sink.generations()] == ["first"]
                promoting.begin(scene.settings, scene.world.folder)
            assert scene.world.seen() == scene.before[""]
        assert k > OPENING
        if verb == "begin":
            promoting.begin(scene.settings, scene.world.folder)
