"""What a sink with generations must do when they change places; part of every `GenerationSuite`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from eventreplay.capabilities.generations import FIRST, Generation
from eventreplay.errors import EventReplayError, GenerationError
from eventreplay.testing.checks import check, check_equal, expect_error
from eventreplay.testing.crash import SimulatedCrash
from eventreplay.testing.examples import example_rows
from eventreplay.testing.generation_world import (
    KEEP_UNTIL,
    PLAN,
    REPLAY,
    GenerationSink,
    GenerationTarget,
    World,
    new_checkpoint,
)
from eventreplay.testing.sink_suite import checkpoint_at

_STAYS = "STAGING.ONLY_LIVE"
_LATER = timedelta(days=30)


class PromotionSuite(GenerationTarget):
    """Promote, roll back, and what a crash between leaves.

    Attributes:
        crash_points: statements of a promotion at which it is made to die; those behind its end are passed
            over. Empty for a target whose client cannot be made to die.
    """

    crash_points: Sequence[int] = ()

    def open_crashing(self, at: int) -> GenerationSink:
        """As `open_sink`, but its process dies (`SimulatedCrash`) before its `at`-th statement from now."""
        raise NotImplementedError(f"crash_points is not empty: give a sink that dies at {at}.")

    def test_promote_lets_everything_change_places(self) -> None:
        world = World(self)
        world.make_live()
        sink = world.make_shadow(ready=True)
        live, new = world.look(), world.look("_G1")
        promoted = sink.promote("g1", keep_until=KEEP_UNTIL)
        check_equal(world.look(), {**new, _STAYS: [7]}, "What is live")
        check_equal(world.look("_G1"), _without(live, _STAYS), "What is kept")
        check_equal(self.values("REPORTS", "MINE", "N"), [99], "A table of the user's")
        check_equal(
            self.values("REPORTS", "MY_TOTALS", "N"), [20, 21], "A view of the user's reads what is live"
        )
        check_equal((promoted.name, promoted.state, promoted.suffix), ("g1", "live", ""), "What was promoted")
        check_equal((promoted.plan, dict(promoted.facts)), (PLAN, {"codec": "f-2"}), "What was promoted")
        now, kept = sink.generations()
        check_equal(now, promoted, "What is live")
        check_equal((kept.name, kept.state, kept.suffix), (FIRST, "kept", "_G1"), "What is kept")
        check_equal((kept.schemas, kept.keep_until), (world.schemas, KEEP_UNTIL), "What is kept")
        check(kept.changed is not None, "What is kept says since when.")
        check_equal(list(self.open_generations().generations()), [now, kept], "All, after a restart")
        sink.close()

    def test_the_next_load_goes_on_where_the_promoted_one_stands(self) -> None:
        world = World(self)
        world.make_live()
        world.make_shadow(ready=True).promote("g1", keep_until=KEEP_UNTIL)
        sink = self.open_sink()
        check_equal(sink.begin(REPLAY), new_checkpoint(1), "The checkpoint after a promotion")
        sink.write(example_rows(range(6, 8)))
        sink.commit(new_checkpoint(2), expected=new_checkpoint(1))
        sink.close()
        check_equal(world.raw()[0], [0, 1, 2, 3, 4, 5, 6, 7], "Rows after the next load")
        check_equal(world.raw("_G1"), ([0, 1, 2, 3], [4, 5], [1]), "What is kept")

    def test_a_promotion_may_be_repeated(self) -> None:
        world = World(self)
        world.make_live()
        sink = world.make_shadow(ready=True)
        promoted = sink.promote("g1", keep_until=KEEP_UNTIL)
        live, kept = world.look(), world.look("_G1")
        calls: list[int] = []
        for each in (sink, self.open_generations()):
            again = each.promote("g1", keep_until=KEEP_UNTIL + _LATER, catch_up=lambda: calls.append(1))
            check_equal(again, promoted, "One that is live already")
        check_equal(calls, [], "Catching up with oneself")
        check_equal((world.look(), world.look("_G1")), (live, kept), "What stands where")
        check_equal(_named(sink, FIRST).keep_until, KEEP_UNTIL, "What is kept, until")
        sink.close()

    def test_only_one_that_is_ready_is_promoted(self) -> None:
        world = World(self)
        world.make_live()
        sink = world.make_shadow()
        live, other = world.look(), world.look("_G1")
        calls: list[int] = []
        for name in ("g1", "g2", FIRST):
            if name == FIRST:  # live already: nothing to do
                check_equal(sink.promote(name, keep_until=KEEP_UNTIL).state, "live", "The live one")
                continue
            with expect_error(GenerationError, f"A promotion of {name}, which is not ready"):
                sink.promote(name, keep_until=KEEP_UNTIL, catch_up=lambda: calls.append(1))
        check_equal((calls, world.look(), world.look("_G1")), ([], live, other), "Nothing has moved")
        sink.close()

    def test_it_catches_up_once_before_anything_moves_and_no_load_commits_meanwhile(self) -> None:
        world = World(self)
        world.make_live()
        sink = world.make_shadow(ready=True)
        live = world.look()
        calls: list[dict[str, Any]] = []

        def catch_up() -> None:
            calls.append(world.look())
            load = self.open_sink()
            try:  # it may be told so at its first call
                load.begin(REPLAY)
                load.write(example_rows(range(40, 42)))
                load.commit(checkpoint_at(2), expected=checkpoint_at(1))
            except EventReplayError as error:
                check(error.retryable, "A load that meets a promotion may try again.")
            else:
                check(condition=False, message="A load has committed while a promotion catches up.")
            finally:
                load.close()
            shadow = sink.shadow("g1")
            check_equal(shadow.begin(REPLAY), new_checkpoint(1), "The shadow's checkpoint")
            shadow.write(example_rows(range(6, 9)))
            shadow.commit(new_checkpoint(2), expected=new_checkpoint(1))
            shadow.close()

        sink.promote("g1", keep_until=KEEP_UNTIL, catch_up=catch_up)
        check_equal(calls, [live], "What was live while it caught up, once")
        check_equal(world.raw(), ([*range(9)], [], [2]), "RAW with what it has caught up with")
        check_equal(world.raw("_G1"), ([0, 1, 2, 3], [4, 5], [1]), "What is kept")
        sink.close()

    def test_an_error_of_catching_up_moves_nothing_and_loads_go_on(self) -> None:
        world = World(self)
        world.make_live()
        sink = world.make_shadow(ready=True)
        live, other = world.look(), world.look("_G1")

        def fails() -> None:
            raise LookupError("as a log would")

        with expect_error(LookupError, "An error of catching up"):
            sink.promote("g1", keep_until=KEEP_UNTIL, catch_up=fails)
        check_equal((world.look(), world.look("_G1")), (live, other), "Nothing has moved")
        check_equal(_named(sink, "g1").state, "ready", "Its state")
        world.load_live(2)
        sink.close()

    def test_one_that_lies_behind_is_refused_and_loads_go_on(self) -> None:
        world = World(self)
        world.make_live()
        sink = world.make_shadow(ready=True)
        world.load_live(2)
        self._refused(sink, world, "A shadow behind the live checkpoint")
        shadow = sink.shadow("g1")
        shadow.begin(REPLAY)
        shadow.commit(new_checkpoint(2), expected=new_checkpoint(1))
        shadow.close()
        other = self.open_sink()
        other.begin("suite/other")
        other.commit(checkpoint_at(0, source="other"), expected=None)
        other.close()
        self._refused(sink, world, "A shadow without one of the live checkpoints")
        shadow = sink.shadow("g1")
        shadow.begin("suite/other")
        shadow.commit(checkpoint_at(5, source="another"), expected=None)
        self._refused(sink, world, "A shadow of another source")
        shadow.begin("suite/other")
        shadow.commit(checkpoint_at(0, source="other"), expected=checkpoint_at(5, source="another"))
        shadow.close()
        sink.promote("g1", keep_until=KEEP_UNTIL)
        check_equal(sorted(world.raw()[2]), [0, 2], "The positions of what is live")
        sink.close()

    def _refused(self, sink: GenerationSink, world: World, what: str) -> None:
        live, other = world.look(), world.look("_G1")
        with expect_error(GenerationError, what):
            sink.promote("g1", keep_until=KEEP_UNTIL, catch_up=lambda: None)
        check_equal((world.look(), world.look("_G1")), (live, other), f"Nothing has moved: {what}")
        check_equal(_named(sink, "g1").state, "ready", f"The state: {what}")

    def test_a_load_that_was_on_its_way_commits_nothing_into_the_wrong_generation(self) -> None:
        world = World(self)
        world.make_live()
        sink = world.make_shadow(ready=True)
        load = self.open_sink()
        load.begin(REPLAY)
        load.write(example_rows(range(40, 42)))
        sink.promote("g1", keep_until=KEEP_UNTIL)
        with expect_error(EventReplayError, "A load that began before a promotion"):
            load.commit(checkpoint_at(2), expected=checkpoint_at(1))
        check_equal(load.begin(REPLAY), new_checkpoint(1), "What it finds when it begins again")
        check_equal(world.raw(), ([*range(6)], [], [1]), "What is live")
        check_equal(world.raw("_G1"), ([0, 1, 2, 3], [4, 5], [1]), "What is kept")
        load.close()
        sink.close()

    def test_rollback_gives_back_exactly_what_was_live(self) -> None:
        world = World(self)
        world.make_live()
        sink = world.make_shadow(ready=True)
        live, other, before = world.look(), world.look("_G1"), _named(sink, FIRST)
        sink.promote("g1", keep_until=KEEP_UNTIL)
        for each in (sink, self.open_generations()):
            back = each.rollback()
            check_equal((back.name, back.state, back.suffix), (FIRST, "live", ""), "What is live again")
            check_equal((back.schemas, back.keep_until), (before.schemas, None), "What is live again")
            check_equal((world.look(), world.look("_G1")), (live, other), "What stands where")
            undone = _named(sink, "g1")
            check_equal((undone.state, undone.suffix, undone.keep_until), ("ready", "_G1", None), "The other")
            check_equal(undone.schemas, world.schemas, "The other")
        check_equal(self.values("REPORTS", "MY_TOTALS", "N"), [10], "A view of the user's")
        sink.promote("g1", keep_until=KEEP_UNTIL)
        check_equal(world.look(), {**other, _STAYS: [7]}, "What is live, promoted once more")
        sink.close()

    def test_what_came_since_goes_with_the_promoted_one(self) -> None:
        world = World(self)
        world.make_live()
        sink = world.make_shadow(ready=True)
        live = world.look()
        sink.promote("g1", keep_until=KEEP_UNTIL)
        load = self.open_sink()
        load.begin(REPLAY)
        load.write(example_rows(range(6, 8)))
        load.commit(new_checkpoint(2), expected=new_checkpoint(1))
        load.close()
        self.make_table("STAGING", "SINCE", [77])
        sink.rollback()
        check_equal(
            world.look(), {**live, "STAGING.SINCE": [77]}, "What is live again, and a table made since"
        )
        check_equal(world.raw("_G1"), ([*range(8)], [], [2]), "The promoted one with what it has loaded")
        sink.close()

    def test_without_a_raw_of_its_own_the_live_one_stays(self) -> None:
        world = World(self)
        world.make_live()
        sink = self.open_generations()
        begun = sink.begin_generation("g1", schemas=["STAGING", "MART"], plan=PLAN, facts={})
        check_equal(begun.schemas, ("STAGING", "MART"), "Its schemas")
        check(self.names(self.raw + "_G1") is None, "It has no RAW.")
        with expect_error(GenerationError, "A shadow without RAW"):
            sink.shadow("g1")
        world.build_shadow()
        self.make_view("STAGING_G1", "RAW_VIEW", ("STAGING", "ONLY_LIVE"))
        sink.note("g1", state="ready", facts={})
        raw = world.raw()
        calls: list[int] = []
        sink.promote("g1", keep_until=KEEP_UNTIL, catch_up=lambda: calls.append(1))
        check_equal((world.raw(), calls), (raw, [1]), "RAW stays")
        check_equal(self.values("MART", "REPORT", "N"), self.values("STAGING", "LINES", "N"), "What is live")
        check_equal(self.values("STAGING", "RAW_VIEW", "N"), [7], "A view of what stays where it is")
        world.load_live(2)
        sink.rollback()
        check_equal(world.raw()[2], [2], "RAW stays")
        check_equal(self.values("STAGING", "BECAME_VIEW", "N"), [8], "What is live again")
        check_equal(self.values("STAGING_G1", "RAW_VIEW", "N"), [7], "A view of what stays where it is")
        sink.close()

    def test_a_schema_that_was_not_there_is_made(self) -> None:
        sink = self.open_generations()
        sink.begin_generation("g1", schemas=[self.raw, "STAGING", "MART"], plan=PLAN, facts={})
        World(self).build_shadow()
        sink.note("g1", state="ready", facts={})
        sink.promote("g1", keep_until=KEEP_UNTIL)
        check_equal(self.values("MART", "TOTALS", "N"), [20, 21], "What is live")
        check_equal(sorted(self.values("MART", "REPORT", "N") or ()), [1, 2, 3, 4], "What is live")
        sink.rollback()
        check_equal(self.values("MART", "TOTALS", "N"), None, "What was not live")
        check_equal(self.values("MART_G1", "TOTALS", "N"), [20, 21], "What is not live any more")
        sink.close()

    def test_what_is_kept_may_be_dropped_and_there_is_no_way_back_then(self) -> None:
        world = World(self)
        world.make_live()
        sink = world.make_shadow(ready=True)
        sink.promote("g1", keep_until=KEEP_UNTIL)
        live = world.look()
        with expect_error(GenerationError, "A drop of what is live"):
            sink.drop("g1")
        with expect_error(GenerationError, "A promotion of what is kept"):
            sink.promote(FIRST, keep_until=KEEP_UNTIL)
        for _ in range(2):
            sink.drop(FIRST)
        check_equal([each.name for each in sink.generations()], ["g1"], "All generations")
        check_equal(
            [self.names(each + "_G1") for each in world.schemas], [None] * 3, "Schemas of what was kept"
        )
        with expect_error(GenerationError, "A rollback to what was dropped"):
            sink.rollback()
        with expect_error(GenerationError, "A name that is live"):
            sink.begin_generation("g1", schemas=world.schemas, plan="e" * 64, facts={})
        check_equal(world.look(), live, "What is live")
        sink.close()

    def test_promotions_are_undone_one_by_one(self) -> None:
        world = World(self)
        world.make_live()
        sink = world.make_shadow(ready=True)
        live = world.look()
        sink.promote("g1", keep_until=KEEP_UNTIL)
        second = world.look()
        sink.begin_generation("g2", schemas=["STAGING", "MART"], plan=PLAN, facts={})
        self.make_table("STAGING_G2", "LINES", [6])
        self.make_table("MART_G2", "TOTALS", [60])
        sink.note("g2", state="ready", facts={})
        sink.promote("g2", keep_until=KEEP_UNTIL)
        found = [(each.name, each.state, each.suffix) for each in sink.generations()]
        check_equal(found[0], ("g2", "live", ""), "What is live")
        check_equal(sorted(found[1:]), [(FIRST, "kept", "_G1"), ("g1", "kept", "_G2")], "What is kept")
        check_equal(self.values("MART", "TOTALS", "N"), [60], "What is live")
        with expect_error(GenerationError, "A suffix under which something is kept"):
            sink.begin_generation("g2", schemas=["STAGING"], plan="e" * 64, facts={})
        for _ in range(2):  # a second call is a retry: it undoes no other promotion
            check_equal(sink.rollback().name, "g1", "What is live again")
            check_equal(world.look(), second, "What is live again")
        sink.drop("g2")
        check_equal(sink.rollback().name, FIRST, "What is live again")
        check_equal(world.look(), live, "What is live again")
        check_equal([each.name for each in sink.generations()], [FIRST, "g1"], "All generations")
        sink.close()

    def test_a_promotion_that_died_is_finished_by_the_next_one(self) -> None:
        for sink, world, live, other in self._interrupted():
            sink.promote("g1", keep_until=KEEP_UNTIL)
            check_equal(world.look(), {**other, _STAYS: [7]}, "What is live after a crash and a second call")
            check_equal(world.look("_G1"), _without(live, _STAYS), "What is kept after a crash")
            sink.rollback()
            check_equal((world.look(), world.look("_G1")), (live, other), "Rolled back after that")

    def test_a_promotion_that_died_is_undone_by_a_rollback(self) -> None:
        for sink, world, live, other in self._interrupted():
            states = {each.name: each.state for each in sink.generations()}
            if states["g1"] == "ready":  # nothing had happened yet
                continue
            check_equal(sink.rollback().name, FIRST, "What is live after a crash and a rollback")
            check_equal((world.look(), world.look("_G1")), (live, other), "What stands where after a crash")
            check_equal(_named(sink, "g1").state, "ready", "Its state")

    def _interrupted(self) -> Any:
        """A sink opened after a crash of a promotion, its world, and what stood where before."""
        world = World(self)
        if not self.crash_points:
            return
        world.make_live()
        world.make_shadow(ready=True).close()
        live, other = world.look(), world.look("_G1")
        for at in self.crash_points:
            dying = self.open_crashing(at)
            died = False
            try:
                dying.promote("g1", keep_until=KEEP_UNTIL)
            except SimulatedCrash:
                died = True
            with suppress(SimulatedCrash, EventReplayError):
                dying.close()
            self._see_no_mixture(live, other, f"after a crash at statement {at}")
            sink = self.open_generations()
            try:
                yield sink, world, live, other
            finally:
                sink.close()
            if not died:
                return

    def _see_no_mixture(self, live: dict[str, Any], other: dict[str, Any], when: str) -> None:
        """Each table holds the rows of one generation, and those of the other stand in the other place."""
        for name in ("RAW.EVENTS", "STAGING.LINES", "MART.TOTALS"):
            schema, table = name.split(".")
            schema, column = (self.raw, "LOG_OFFSET") if schema == "RAW" else (schema, "N")
            found = [self.values(schema + suffix, table, column) for suffix in ("", "_G1")]
            due = [each["RAW"][0] if table == "EVENTS" else each[name] for each in (live, other)]
            check(found in (due, due[::-1]), f"{name} {when}: {found}, not {due} in either order.")


def _named(sink: GenerationSink, name: str) -> Generation:
    return next(each for each in sink.generations() if each.name == name)


def _without(found: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key != name}
