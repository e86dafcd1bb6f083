"""What a sink must do that offers `SupportsGenerations`: a second set of tables, and the change of places.

The world of each test: RAW with rows and checkpoints, STAGING and MART with tables and views made by hand,
and a schema of the user's that is none of this. Beside it generation g1, whose every row is another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from eventreplay.capabilities.generations import FIRST, suffix_of
from eventreplay.errors import (
    CheckpointConflictError,
    ConfigError,
    EventReplayError,
    GenerationError,
    SinkError,
)
from eventreplay.testing.checks import check, check_equal, expect_error
from eventreplay.testing.examples import example_rows
from eventreplay.testing.generation_world import KEEP_UNTIL, PLAN, REPLAY, World
from eventreplay.testing.promotion_suite import PromotionSuite
from eventreplay.testing.sink_suite import checkpoint_at

_STATES: tuple[Literal["building"], Literal["ready"]] = ("building", "ready")
_HOSTILE = ("", "../g1", 'g"1', "g'1", "g 1", "G1", "1g", "a" * 17, "gé", "g1\n", "g;1", "x\x00", FIRST)
_HOSTILE_SCHEMAS = ("", "../STAGING", 'STAGING"; DROP SCHEMA RAW; --', "STA'GING", "A B", "1A", "A.B", "Ä")


class GenerationSuite(PromotionSuite):
    """Begin, load, note, drop; with what it inherits, promote and roll back. Empty when a test begins."""

    def test_before_any_rebuild_the_first_generation_is_alone(self) -> None:
        sink = self.open_generations()
        (first,) = sink.generations()
        check_equal((first.name, first.state, first.suffix, first.plan), (FIRST, "live", "", ""), "The first")
        check_equal((first.schemas, first.began, first.changed), ((self.raw,), None, None), "The first")
        with expect_error(GenerationError, "A rollback without a promotion"):
            sink.rollback()
        sink.drop("g1")
        sink.close()

    def test_a_generation_begins_empty_beside_the_live_one(self) -> None:
        world = World(self)
        world.make_live()
        live = world.look()
        sink = self.open_generations()
        begun = sink.begin_generation("g1", schemas=world.schemas, plan=PLAN, facts={"codec": "f-2", "n": 1})
        check_equal((begun.name, begun.state, begun.suffix), ("g1", "building", "_G1"), "What was begun")
        check_equal((begun.schemas, begun.plan), (world.schemas, PLAN), "What was begun")
        check_equal(dict(begun.facts), {"codec": "f-2", "n": 1}, "Its facts")
        check(begun.began is not None and begun.began.tzinfo is not None, "It says when, in UTC.")
        check_equal((begun.changed, begun.keep_until), (begun.began, None), "Its moments")
        for schema in world.schemas:
            check(self.names(schema + "_G1") is not None, f"{schema}_G1 has to be there.")
        check_equal(world.raw("_G1"), ([], [], []), "RAW of what was begun")
        check_equal(world.look(), live, "What is live")
        check_equal([each.name for each in sink.generations()], [FIRST, "g1"], "All generations")
        check_equal(
            list(self.open_generations().generations()), list(sink.generations()), "All, after a restart"
        )
        sink.close()

    def test_begun_again_it_goes_on_and_under_another_plan_it_is_refused(self) -> None:
        world = World(self)
        world.make_live()
        sink = world.make_shadow()
        before = world.look("_G1")
        for state in _STATES:
            sink.note("g1", state=state, facts={"at": state})
            again = sink.begin_generation("g1", schemas=world.schemas, plan=PLAN, facts={"other": True})
            check_equal((again.state, dict(again.facts)), (state, {"at": state}), "One that goes on")
            check_equal(world.look("_G1"), before, "What it has loaded")
        with expect_error(GenerationError, "The same name under another plan"):
            sink.begin_generation("g1", schemas=world.schemas, plan="f" * 64, facts={})
        check_equal(world.look("_G1"), before, "What it has loaded")
        sink.close()

    def test_names_that_are_none_are_refused(self) -> None:
        World(self).make_live()
        sink = self.open_generations()
        for name in _HOSTILE:
            with expect_error(EventReplayError, f"The name {name!r}"):
                sink.begin_generation(name, schemas=[self.raw], plan=PLAN, facts={})
            with expect_error(EventReplayError, f"A shadow {name!r}"):
                sink.shadow(name)
            with expect_error(EventReplayError, f"A note on {name!r}"):
                sink.note(name, state="ready", facts={})
            if name != FIRST:  # it is live
                with expect_error(EventReplayError, f"A promotion of {name!r}"):
                    sink.promote(name, keep_until=KEEP_UNTIL)
            with expect_error(EventReplayError, f"A drop of {name!r}"):
                sink.drop(name)
        for schema in _HOSTILE_SCHEMAS:
            with expect_error(ConfigError, f"The schema {schema!r}"):
                sink.begin_generation("g1", schemas=[self.raw, schema], plan=PLAN, facts={})
        for schemas in ([], ["STAGING", "STAGING"], ["STAGING", "STAGING_G1"]):
            with expect_error(ConfigError, f"The schemas {schemas}"):
                sink.begin_generation("g1", schemas=schemas, plan=PLAN, facts={})
        check_equal([each.name for each in sink.generations()], [FIRST], "All generations")
        sink.close()

    def test_schemas_that_somebody_else_made_are_left_alone(self) -> None:
        world = World(self)
        world.make_live()
        self.make_table("MART_G1", "MINE", [1])
        sink = self.open_generations()
        with expect_error(GenerationError, "A schema of its name that is there"):
            sink.begin_generation("g1", schemas=world.schemas, plan=PLAN, facts={})
        check_equal([each.name for each in sink.generations()], [FIRST], "All generations")
        check_equal(self.values("MART_G1", "MINE", "N"), [1], "The table that was there")
        check(self.names(self.raw + "_G1") is None, "Nothing may be left of what was refused.")
        sink.close()

    def test_a_shadow_is_a_sink_of_its_own(self) -> None:
        world = World(self)
        world.make_live()
        live = world.look()
        sink = self.open_generations()
        sink.begin_generation("g1", schemas=world.schemas, plan=PLAN, facts={})
        shadow = sink.shadow("g1")
        check(shadow.begin(REPLAY) is None, "Its checkpoints are its own: it begins at the start.")
        shadow.write(example_rows(range(2)))
        shadow.commit(checkpoint_at(0), expected=None)
        shadow.write(example_rows(range(2, 3)))
        with expect_error(CheckpointConflictError, "A checkpoint that is not the shadow's"):
            shadow.commit(checkpoint_at(9), expected=checkpoint_at(1))
        check_equal(shadow.begin(REPLAY), checkpoint_at(0), "Its checkpoint")
        shadow.close()
        again = sink.shadow("g1")
        check_equal(again.begin(REPLAY), checkpoint_at(0), "Its checkpoint after a restart")
        again.write(example_rows(range(2, 4)))
        again.commit(checkpoint_at(1), expected=checkpoint_at(0))
        again.close()
        check_equal(self.values(self.raw + "_G1", "EVENTS", "LOG_OFFSET"), [0, 1, 2, 3], "Its rows")
        check_equal(world.look(), live, "What is live")
        world.load_live(2)
        check_equal(self.values(self.raw + "_G1", "EVENTS", "LOG_OFFSET"), [0, 1, 2, 3], "Its rows")
        with expect_error(EventReplayError, "A shadow of what is not there"):
            sink.shadow("g2")
        sink.close()

    def test_what_is_noted_is_found_again(self) -> None:
        world = World(self)
        world.make_live()
        sink = self.open_generations()
        sink.begin_generation("g1", schemas=world.schemas, plan=PLAN, facts={"old": 1})
        facts = {
            "types": {"a.v1.B": "ff"},
            "positions": [1, None, True],
            "text": 'O\'Neil \\ "Zoë" \u2028 🃏 %s',
        }
        sink.note("g1", state="ready", facts=facts)
        found = next(each for each in self.open_generations().generations() if each.name == "g1")
        check_equal((found.state, dict(found.facts)), ("ready", facts), "What was noted")
        check(found.began is not None and found.changed is not None, "It says when.")
        check(found.changed > found.began, "A change of state has a later moment.")  # type: ignore[operator]
        with expect_error(EventReplayError, "A note on what is not there"):
            sink.note("g2", state="ready", facts={})
        with expect_error(EventReplayError, "A note on what is live"):
            sink.note(FIRST, state="ready", facts={})
        sink.close()

    def test_drop_leaves_nothing_and_keeps_what_is_live(self) -> None:
        world = World(self)
        world.make_live()
        sink = world.make_shadow()
        live = world.look()
        with expect_error(GenerationError, "A drop of what is live"):
            sink.drop(FIRST)
        for _ in range(2):
            sink.drop("g1")
            check_equal([each.name for each in sink.generations()], [FIRST], "All generations")
            check_equal([self.names(each + "_G1") for each in world.schemas], [None] * 3, "Its schemas")
        check_equal(world.look(), live, "What is live")
        begun = sink.begin_generation("g1", schemas=world.schemas, plan="e" * 64, facts={})
        check_equal((begun.state, world.raw("_G1")), ("building", ([], [], [])), "The name, used again")
        sink.close()

    def test_two_may_be_built_at_a_time(self) -> None:
        world = World(self)
        world.make_live()
        sink = world.make_shadow()
        other = sink.begin_generation("g2", schemas=[self.raw], plan="e" * 64, facts={})
        check_equal(other.suffix, suffix_of("g2"), "Its suffix")
        shadow = sink.shadow("g2")
        check(shadow.begin(REPLAY) is None, "Each has checkpoints of its own.")
        shadow.close()
        check_equal([each.name for each in sink.generations()], [FIRST, "g1", "g2"], "All generations")
        sink.drop("g2")
        check_equal(self.names(self.raw + "_G2"), None, "Schemas of what was dropped")
        check_equal(world.raw("_G1")[0], list(world.shadow_offsets), "Rows of what was not dropped")
        sink.close()

    def test_a_closed_sink_says_so(self) -> None:
        sink = self.open_generations()
        sink.close()
        calls: Sequence[Any] = (
            sink.generations,
            sink.rollback,
            lambda: sink.begin_generation("g1", schemas=[self.raw], plan=PLAN, facts={}),
            lambda: sink.promote("g1", keep_until=KEEP_UNTIL),
            lambda: sink.shadow("g1"),
            lambda: sink.drop("g1"),
        )
        for call in calls:
            with expect_error(SinkError, "A closed sink"):
                call()
