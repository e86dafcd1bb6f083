"""We changed how revenue is computed: plan, run, diff, promote, roll back, while events keep coming.

The diff is held against plain SQL, the marts after the promotion against a build from scratch, those after
the rollback against what they were. Few events and the models of orders first; then all models and a million
events, on DuckDB and on the Snowflake stand-in.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from attrs import define

from eventreplay.capabilities.generations import FIRST
from eventreplay.rebuild import generations
from eventreplay.rebuild.difference import Difference
from eventreplay.testing.services import StandInServer
from tests.integration.rebuild import material
from tests.integration.rebuild.expected import KEYS, Keys
from tests.integration.rebuild.telling import NAME, SUFFIX, Story
from tests.integration.rebuild.worlds import Cloud, Embedded, World

EVENTS = 8_000
EVENTS_LONG = 1_000_000
EVENTS_STANDIN = 4_000
EVENTS_STANDIN_LONG = 1_000_000
pytestmark = pytest.mark.timeout(3_600)
SAMPLES_MAX = 3_000
"""Rows of each kind that a comparison gives; the default story has fewer that differ."""


@define
class Told:
    """What a story left to look at."""

    story: Story
    difference: Difference
    affected: dict[str, Keys]
    differing: dict[str, tuple[Keys, Keys]]
    unequal: set[str]
    old: dict[str, str]
    old_during: dict[str, str]
    new: dict[str, str]
    kept: dict[str, str]
    back: dict[str, str]
    scratch: dict[str, str]
    clean: tuple[bool, bool]
    rows: tuple[int, int]
    states: list[list[tuple[str, str]]]


def tell(world: World, folder: Path, events: int, *, whole: bool = True) -> Told:
    """The story, from the first event to the rollback."""
    story = Story(world, folder, events, segment_positions=max(512, events // 20), whole=whole)
    before, changed = material.codec_before(), material.codec_changed()
    states: list[list[tuple[str, str]]] = []

    def stand() -> None:
        states.append([(each.name, each.state) for each in generations(world.open_sink)])

    with story.timed("first load and build"):
        story.happened(0.6)
        story.loaded(before)
        story.built(story.dbt(changed=False))
    old_at_first = world.bytes_of()
    story.happened(0.62)  # so the two generations are made of unlike loads
    story.loaded(before)
    with story.timed("plan"):
        story.planned()

    def meanwhile(opened: int) -> None:
        if opened in {2, 4}:
            story.happened(0.65 + opened / 40)
            story.loaded(before)

    with story.timed("run"):
        story.ran(meanwhile=meanwhile)
    old_during = {"first": old_at_first, "now": world.bytes_of()}
    stand()
    story.built(story.dbt(changed=False))
    old = world.bytes_of()
    with story.timed("diff"):
        difference = story.compared(SAMPLES_MAX)
    affected, differing, unequal = story.oracle()
    story.happened(1.0)
    story.loaded(before)
    with story.timed("promote"):
        story.promoted()
    stand()
    new, kept = world.bytes_of(), world.bytes_of(SUFFIX)
    clean = story.verified().ok
    rows = world.count("RAW.EVENTS") + world.count("RAW.QUARANTINE")
    assert story.loaded(changed).read == 0, "the promotion caught up"
    with story.timed("rollback"):
        story.rolled_back()
    stand()
    back = world.bytes_of()
    clean_again = story.verified().ok
    return Told(
        story=story,
        difference=difference,
        affected=affected,
        differing=differing,
        unequal=unequal,
        old=old,
        old_during=old_at_first if old_during["first"] == old_during["now"] else {},
        new=new,
        kept=kept,
        back=back,
        scratch=story.from_scratch(changed, changed=True),
        clean=(clean, clean_again),
        rows=(rows, events),
        states=states,
    )


def see_the_diff_names_the_oracles_rows(told: Told) -> None:
    """Key by key, in each table that the oracle speaks of; and no other table differs."""
    for table, keys in told.affected.items():
        assert told.differing[table] == (keys, keys), f"the oracle contradicts itself on {table}"
    assert all(told.affected[table] for table in KEYS if table != "STAGING.int_orders__state")
    found = {one.difference.before: one for one in told.difference.tables}
    models = {
        f"{place.schema}.{place.table}".lower(): one
        for place, one in found.items()
        if place is not None and not one.is_raw
    }
    for table, keys in told.affected.items():
        counts = models[table.lower()].difference.counts
        assert (counts.added, counts.removed, counts.changed) == (0, 0, len(keys)), table
        samples = models[table.lower()].difference.samples
        named = {tuple(str(sample.key[name]) for name in KEYS[table]) for sample in samples}
        assert named == keys if len(keys) <= SAMPLES_MAX else named <= keys, table
    differ = {name for name, one in models.items() if not one.difference.equal}
    made = {table.lower() for table in told.unequal if not table.startswith("RAW.")}
    assert made - differ == set(), "a table differs, and the diff does not say so"
    assert differ - made == set(), "the diff says that tables differ which are equal"


def see_the_story(told: Told) -> None:
    """Everything but the diff's rows."""
    assert told.difference.ok, told.difference.unexplained
    assert told.difference.undecided == ()
    assert told.old_during, "a rebuild changed the live marts"
    assert told.states[0] == [(FIRST, "live"), (NAME, "ready")]
    assert told.states[1] == [(NAME, "live"), (FIRST, "kept")]
    assert told.states[2][0] == (FIRST, "live")
    assert told.new == told.scratch, "after the promotion the marts are a build from scratch"
    assert told.new != told.old
    assert told.kept == told.old, "what was live is kept as it was"
    assert told.back == told.old, "after the rollback the marts are what they were"
    assert told.clean == (True, True)
    assert told.rows[0] == told.rows[1], "an event that came meanwhile is missing"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("story")
    return tell(Embedded(folder), folder, EVENTS, whole=False)


@pytest.mark.long
def test_the_diff_names_exactly_the_rows_that_plain_sql_names(told: Told) -> None:
    see_the_diff_names_the_oracles_rows(told)


@pytest.mark.long
def test_promoted_the_marts_are_a_build_from_scratch_and_rolled_back_what_they_were(told: Told) -> None:
    see_the_story(told)


@pytest.mark.long
@pytest.mark.parametrize("events", [EVENTS_STANDIN, EVENTS_STANDIN_LONG])
def test_the_same_on_the_stand_in(snowflake_standin: StandInServer, tmp_path: Path, events: int) -> None:
    told = tell(Cloud(snowflake_standin), tmp_path, events, whole=events == EVENTS_STANDIN_LONG)
    sys.stdout.write(f"\n{events:,} events on the stand-in, seconds: {told.story.took}\n")
    see_the_diff_names_the_oracles_rows(told)
    see_the_story(told)


@pytest.mark.long
def test_the_same_with_a_million_events(tmp_path: Path) -> None:
    told = tell(Embedded(tmp_path), tmp_path, EVENTS_LONG)
    sys.stdout.write(f"\n{EVENTS_LONG:,} events on DuckDB, seconds: {told.story.took}\n")
    see_the_diff_names_the_oracles_rows(told)
    see_the_story(told)
