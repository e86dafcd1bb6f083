"""The wait: none if there are commits, else a trigger that blocks nobody and can be made again anywhere."""

from __future__ import annotations

import asyncio
import threading
from importlib import import_module
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from eventreplay.errors import LogUnavailableError
from eventreplay_airflow import CaptureOperator, WaitForCommitsOperator
from eventreplay_airflow.jobs import heads
from eventreplay_airflow.jobs.heads import beyond
from eventreplay_airflow.triggers import CommitsTrigger


@pytest.fixture
def log(tmp_path: Any) -> str:
    return str(tmp_path / "log")


@pytest.fixture
def capture(orders: str, log: str, runs: Any) -> Any:
    def captured(partition: str) -> None:
        operator = CaptureOperator(
            task_id="capture", source=orders, log=log, partition=partition, segment_positions=5
        )
        operator.execute(runs().context)

    return captured


def waiting(log: str, **given: Any) -> WaitForCommitsOperator:
    return WaitForCommitsOperator(task_id="wait", log=log, pause_max_s=0.01, **given)


def again(trigger: CommitsTrigger) -> CommitsTrigger:
    """As another triggerer makes it."""
    path, kwargs = trigger.serialize()
    module, _, name = path.rpartition(".")
    made: CommitsTrigger = getattr(import_module(module), name)(**kwargs)
    return made


@pytest.mark.parametrize("given", [{"journal": 1}, '{"journal": 1}', "{'journal': 1}", {"journal": "1"}])
def test_what_is_there_already_is_not_waited_for(capture: Any, log: str, run: Any, given: Any) -> None:
    capture("journal")
    assert waiting(log, beyond=given).execute(run.context) == {"journal": 2}


def test_nothing_asked_for_is_there_already(log: str, run: Any) -> None:
    assert waiting(log, beyond={}).execute(run.context) == {}


@pytest.mark.parametrize("given", [{"journal": -1}, {"journal": "x"}, "[1]", "x"])
def test_what_is_no_commit_number_is_refused(log: str, run: Any, given: Any) -> None:
    with pytest.raises(AirflowFailException, match="beyond"):
        waiting(log, beyond=given).execute(run.context)


def test_every_named_partition_must_be_beyond_or_any_if_none_is_named() -> None:
    found = {"a": 3, "b": 1}
    assert not beyond(found, {"a": 2, "b": 1, "c": 0}, every=True)
    assert beyond(found, {"a": 2, "b": 0}, every=True)
    assert beyond(found, {"a": 3}, every=False), "a partition that is new counts"
    assert not beyond(found, found, every=False)


@pytest.mark.parametrize(
    ("given", "found"),
    [({"live-0": 1}, [{"live-0": 2}]), (None, [{"journal": 2, "live-0": n} for n in (1, 2)])],
)
def test_deferred_it_fires_for_commits_that_come_later(
    capture: Any, log: str, run: Any, given: Any, found: list[dict[str, int]]
) -> None:
    capture("journal")
    with pytest.raises(TaskDeferred) as caught:
        waiting(log, beyond=given, timeout="30").execute(run.context)
    assert caught.value.timeout is not None
    trigger = again(caught.value.trigger)

    async def scenario() -> Any:
        loop_thread = threading.get_ident()
        looks = asyncio.Event()
        loop = asyncio.get_running_loop()
        look = heads.Heads.look

        def seen(self: heads.Heads) -> dict[str, int]:
            loop.call_soon_threadsafe(looks.set)
            assert threading.get_ident() != loop_thread, "the log is asked beside the loop, not in it"
            return look(self)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(heads.Heads, "look", seen)
            events = trigger.run()
            first = asyncio.ensure_future(anext(events))
            await looks.wait()
            assert not first.done()
            await asyncio.to_thread(capture, "live-0")
            return (await asyncio.wait_for(first, 30)).payload

    payload = asyncio.run(scenario())
    assert payload["heads"] in found
    assert waiting(log).execute_complete(run.context, payload) == payload["heads"]


def test_a_store_that_is_away_is_asked_again_and_a_final_error_ends_the_wait(
    capture: Any, log: str, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    capture("journal")
    look, fails = heads.Heads.look, [LogUnavailableError("The store did not answer.")]

    def failing(self: heads.Heads) -> dict[str, int]:
        if fails:
            raise fails.pop()
        return look(self)

    monkeypatch.setattr(heads.Heads, "look", failing)
    trigger = CommitsTrigger(log=log, log_conn_id=None, marks={"journal": 1}, every=True, pause_max_s=0.01)

    async def first(trigger: CommitsTrigger) -> Any:
        return (await anext(trigger.run())).payload

    assert asyncio.run(first(trigger)) == {"heads": {"journal": 2}}
    assert fails == []
    wrong = CommitsTrigger(log="s3://user:MARKER@bucket/log", log_conn_id="", marks={}, every=False)
    payload = asyncio.run(first(wrong))
    assert "MARKER" not in payload["error"]
    with pytest.raises(AirflowFailException, match="ConfigError"):
        waiting(log).execute_complete(run.context, payload)


def test_ended_it_fires_nothing(log: str) -> None:
    trigger = CommitsTrigger(log=log, log_conn_id=None, marks={"journal": 0}, every=True, pause_max_s=60)

    async def scenario() -> list[Any]:
        task = asyncio.ensure_future(_all(trigger))
        await trigger.cleanup()
        return await asyncio.wait_for(task, 30)

    async def _all(trigger: CommitsTrigger) -> list[Any]:
        return [event async for event in trigger.run()]

    assert asyncio.run(scenario()) == []
