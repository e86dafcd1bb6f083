"""Every DAG of dags/, over REST, against real ends: all green, and the marts are what the ledger says.

By default the stand-in sees the way from the ends to the marts, and DuckDB that and the checks; a rebuild,
which is dbt three times, and the checks on the stand-in are long.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.integration.airflow.conftest import EVENTS
from tests.integration.airflow.platform import Platform, Scene
from tools.airflow_platform.story import BACKFILL, DAG_IDS, DBT, LIVE, LOAD, QUALITY, REBUILD, ROLLBACK, Story

LAPTOP_EVENTS = 1_000
pytestmark = pytest.mark.timeout(1_200)
GREEN = {"success", "skipped"}


def see_green(story: Story) -> None:
    """Every task of every run is well; what was left out was left out on purpose.

    A load that met another one wrote nothing and was tried again; nothing else needed a second try.
    """
    for done in story.done:
        assert done.state.state == "success"
        for task in done.state.tasks:
            assert task.state == "success" or (task.state, task.task_id) == ("skipped", "docs")
            assert task.try_number <= 1 or task.task_id == "load"


def see_exact(scene: Scene, *, deliveries: int) -> None:
    """The marts are the ledger's; RAW and its quarantine hold every delivery of the log, once."""
    assert scene.differences() == []
    log = scene.log()
    heads = [log.reader(name).head() for name in log.partitions()]
    logged = sum(head.next_offset for head in heads if head is not None)
    refused = sum(head.next_quarantine_offset for head in heads if head is not None)
    assert logged + refused == deliveries
    assert scene.count("RAW.EVENTS") + scene.count("RAW.QUARANTINE") == deliveries


def test_the_way_from_the_ends_to_the_marts_is_green(told: Story) -> None:
    see_green(told)
    assert told.by("REST") == [BACKFILL, LIVE, LOAD, DBT]
    assert set(told.by("asset")) == {LOAD}
    assert told.airflow.import_errors() == {}
    assert set(DAG_IDS) <= set(told.airflow.dags())


def test_the_marts_equal_the_ledger_and_nothing_is_lost_or_doubled(told: Story) -> None:
    see_exact(told.scene, deliveries=2 * EVENTS)


def test_both_ways_in_left_their_partitions(told: Story) -> None:
    log = told.scene.log()
    assert Counter(name.rpartition("-")[0] for name in log.partitions()) == {"journal": 4, "live": 1}
    live = log.reader("live-0").head()
    assert live is not None
    assert live.next_offset + live.next_quarantine_offset == EVENTS


def test_loads_say_what_they_loaded_and_it_adds_up(told: Story) -> None:
    runs = [done.state.run for done in told.done if done.dag_id in {LOAD, LIVE}]
    receipts = [told.airflow.xcom(run, "load") for run in runs]
    assert sum(receipt["read"] for receipt in receipts) == 2 * EVENTS
    assert receipts[-1]["read"] == 0
    loads = [run for run in runs if run.dag_id == LOAD]
    assert all(told.airflow.xcom(run, "verify")["ok"] is True for run in loads)


@pytest.mark.long
def test_checks_and_a_rebuild_and_back_on_the_stand_in_change_nothing_that_readers_see(told: Story) -> None:
    told.check()
    told.rebuild()
    see_exact(told.scene, deliveries=2 * EVENTS)
    told.roll_back()
    see_green(told)
    assert told.by("REST")[-3:] == [QUALITY, REBUILD, ROLLBACK]
    see_exact(told.scene, deliveries=2 * EVENTS)


@pytest.fixture(scope="module")
def laptop(platform: Platform) -> Story:
    """The same without any server but Airflow; RAW's asset starts dbt."""
    scene = platform.embedded()
    scene.fill(LAPTOP_EVENTS)
    story = Story(platform, scene)
    story.ingest(ranges=1)
    story.transform_by_asset()
    return story


@pytest.mark.long
def test_on_a_laptop_the_same_dags_run_without_any_server(laptop: Story) -> None:
    laptop.check()
    see_green(laptop)
    assert laptop.by("REST") == [BACKFILL, LIVE, LOAD, LOAD, QUALITY]
    assert set(laptop.by("asset")) == {LOAD, DBT}
    see_exact(laptop.scene, deliveries=2 * LAPTOP_EVENTS)


@pytest.mark.long
def test_a_rebuild_on_a_laptop_asks_a_person_and_changes_nothing_that_readers_see(laptop: Story) -> None:
    airflow = laptop.airflow
    run = airflow.trigger(REBUILD, {"approve": True, "name": "asked"})
    for task_id in ("approve_plan", "approve_promotion"):
        airflow.wait_task(run, task_id, ("awaiting_input",), timeout_s=600)
        airflow.answer(run, task_id, "Approve")
    done = airflow.wait(run, 900)
    assert {task.state for task in done.tasks} == {"success"}
    plan = airflow.xcom(run, "plan")
    assert plan["plan"]["sha256"] == plan["sha256"]
    assert (airflow.xcom(run, "diff")["ok"], airflow.xcom(run, "verify")["ok"]) == (True, True)
    assert [each.name for each in laptop.scene.generations()] == ["asked", "first"]
    see_exact(laptop.scene, deliveries=2 * LAPTOP_EVENTS)


@pytest.mark.long
def test_a_rebuild_on_a_laptop_that_a_person_rejects_changes_nothing_and_is_no_failure(laptop: Story) -> None:
    airflow = laptop.airflow
    before = [(each.name, each.state) for each in laptop.scene.generations()]
    run = airflow.trigger(REBUILD, {"approve": True, "name": "rejected"})
    airflow.wait_task(run, "approve_plan", ("awaiting_input",), timeout_s=600)
    airflow.answer(run, "approve_plan", "Reject")
    assert airflow.wait(run).state == "success"
    assert {task.task_id for task in airflow.state(run).tasks if task.state == "success"} == {
        "plan", "approve_plan",
    }  # fmt: skip
    assert [(each.name, each.state) for each in laptop.scene.generations()] == before


@pytest.mark.long
def test_a_rollback_on_a_laptop_brings_back_what_was_live(laptop: Story) -> None:
    laptop.roll_back()
    see_green(laptop)
    assert laptop.by("REST")[-1] == ROLLBACK
    assert laptop.scene.generations()[0].name == "first"
    see_exact(laptop.scene, deliveries=2 * LAPTOP_EVENTS)
