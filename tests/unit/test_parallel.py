"""Work ahead, results in order: the order, the bound, the errors, and who advances the tasks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from eventreplay.parallel import ordered


def test_results_come_in_the_order_of_tasks_whichever_is_done_first() -> None:
    second_done = threading.Event()

    def work(task: int) -> int:
        if task == 0:
            assert second_done.wait(timeout=30)
        if task == 1:
            second_done.set()
        return task * 10

    with ThreadPoolExecutor(2) as executor:
        assert list(ordered(executor, work, range(4), ahead_max=2)) == [(0, 0), (1, 10), (2, 20), (3, 30)]


@pytest.mark.parametrize("ahead_max", [1, 2, 5])
def test_no_more_tasks_are_taken_than_the_bound_allows(ahead_max: int) -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for task in range(20):
            taken.append(task)
            yield task

    with ThreadPoolExecutor(3) as executor:
        for done, (task, _) in enumerate(ordered(executor, lambda task: task, tasks(), ahead_max=ahead_max)):
            assert task == done
            assert len(taken) <= done + 1 + ahead_max


def test_an_error_is_raised_where_its_result_would_have_come() -> None:
    def work(task: int) -> int:
        if task == 2:
            raise ValueError(task)
        return task

    seen: list[int] = []
    with ThreadPoolExecutor(4) as executor, pytest.raises(ValueError, match="2"):
        seen.extend(task for task, _ in ordered(executor, work, range(6), ahead_max=4))
    assert seen == [0, 1]


def test_an_error_of_the_tasks_themselves_is_raised_and_what_has_not_started_is_cancelled() -> None:
    hold, begun = threading.Event(), []

    def work(task: int) -> int:
        begun.append(task)
        assert hold.wait(timeout=30)
        return task

    def tasks() -> Iterator[int]:
        yield from range(3)
        hold.set()
        raise RuntimeError("the source broke")

    with ThreadPoolExecutor(1) as executor, pytest.raises(RuntimeError, match="the source broke"):
        list(ordered(executor, work, tasks(), ahead_max=5))
    assert len(begun) <= 3


def test_tasks_are_advanced_on_the_callers_thread() -> None:
    threads: set[int] = set()

    def tasks() -> Iterator[int]:
        for task in range(8):
            threads.add(threading.get_ident())
            yield task

    with ThreadPoolExecutor(2) as executor:
        assert len(list(ordered(executor, lambda task: task, tasks(), ahead_max=2))) == 8
    assert threads == {threading.get_ident()}


def test_no_tasks_no_results() -> None:
    with ThreadPoolExecutor(1) as executor:
        assert list(ordered(executor, lambda task: task, (), ahead_max=1)) == []
