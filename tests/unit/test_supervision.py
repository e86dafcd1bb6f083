"""Supervision: what begins again, after how long, and what ends all."""

from __future__ import annotations

import threading
import time
from random import Random

import pytest

from eventreplay.errors import FenceError, LogUnavailableError, SinkUnavailableError
from eventreplay.supervision import BackOff, Pulse, Supervision
from eventreplay.testing import ManualSeconds
from tests.live_run import until


def away(name: str = "S3") -> LogUnavailableError:
    return LogUnavailableError(f"{name} is away.", hint="Wait.")


def test_waits_double_up_to_a_bound_and_begin_anew_once_something_was_committed() -> None:
    class Never(Random):
        def random(self) -> float:
            return 0.0

    back_off = BackOff(1.0, 10.0, Never())
    assert [back_off.next_s(got_on=False) for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    assert [back_off.next_s(got_on=got_on) for got_on in (True, False)] == [1, 2]
    assert BackOff(1.0, 10.0).next_s(got_on=False) <= 1.0


def test_waits_differ_so_that_many_do_not_come_at_once() -> None:
    waits = {BackOff(1.0, 10.0).next_s(got_on=False) for _ in range(20)}
    assert len(waits) == 20
    assert all(0.5 <= each <= 1.0 for each in waits)


def test_a_retryable_error_begins_that_part_again_and_no_other() -> None:
    supervision, ending = Supervision(time.monotonic, wait_max_s=0.01), threading.Event()
    begun: list[str] = []

    def failing(pulse: Pulse) -> None:
        begun.append("failing")
        if len(begun) < 5:
            raise away()
        pulse.committed(3)
        ending.wait(20)

    def steady(pulse: Pulse) -> None:
        begun.append("steady")
        pulse.beat()
        ending.wait(20)

    supervision.start("steady", steady, ending)
    supervision.start("failing", failing, ending)
    until(lambda: supervision.statuses()[1].commits == 1)
    assert begun.count("steady") == 1
    status = supervision.statuses()[1]
    assert (status.state, status.failures, status.rows) == ("running", 3, 3)
    assert status.failure is not None
    assert (status.failure.message, status.failure.retryable) == ("S3 is away.", True)
    ending.set()
    assert supervision.join(["steady", "failing"], time.monotonic() + 20) == []
    assert [each.state for each in supervision.statuses()] == ["ended", "ended"]
    assert supervision.error is None


def test_a_part_that_is_told_to_end_while_it_waits_gets_one_more_attempt() -> None:
    supervision, ending = Supervision(time.monotonic, wait_max_s=3600.0), threading.Event()
    attempts: list[bool] = []

    def failing(_: Pulse) -> None:
        attempts.append(ending.is_set())
        raise SinkUnavailableError("Away.", hint="Wait.")

    supervision.start("load", failing, ending)
    until(lambda: supervision.statuses()[0].state == "waiting")
    ending.set()
    assert supervision.join(["load"], time.monotonic() + 20) == []
    assert attempts == [False, True]
    assert supervision.statuses()[0].state == "ended"
    assert supervision.error is None


@pytest.mark.parametrize(
    "error", [FenceError("Taken over."), ValueError("row 17: secret"), KeyboardInterrupt()]
)
def test_any_other_error_ends_all_and_is_the_first_that_counts(error: BaseException) -> None:
    supervision, ending = Supervision(time.monotonic), threading.Event()

    def failing(_: Pulse) -> None:
        raise error

    def after(_: Pulse) -> None:
        supervision.failed.wait(20)
        raise FenceError("Later.")

    supervision.start("after", after, ending)
    supervision.start("failing", failing, ending)
    assert supervision.failed.wait(20)
    assert supervision.join(["failing", "after"], time.monotonic() + 20) == []
    assert supervision.error is error
    failure = supervision.statuses()[1].failure
    assert failure is not None
    assert "secret" not in failure.message
    assert not failure.retryable


def test_who_does_not_end_in_time_is_named() -> None:
    supervision, ending, hung = Supervision(time.monotonic), threading.Event(), threading.Event()

    def hanging(_: Pulse) -> None:
        hung.wait(20)

    supervision.start("hanging", hanging, ending)
    ending.set()
    assert supervision.join(["hanging"], time.monotonic() + 0.05) == ["hanging"]
    hung.set()
    assert supervision.join(["hanging"], time.monotonic() + 20) == []


def test_signs_of_life_have_an_age() -> None:
    clock = ManualSeconds()
    pulse = Pulse("load", clock)
    clock.advance(3)
    assert (pulse.status().beat_age_s, pulse.status().commit_age_s) == (3, None)
    pulse.committed(7)
    clock.advance(2)
    pulse.counted(4)
    clock.advance(1)
    status = pulse.status()
    assert (status.rows, status.commits, status.beat_age_s, status.commit_age_s) == (11, 1, 1, 3)
