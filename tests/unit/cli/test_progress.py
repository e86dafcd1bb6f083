"""Progress: rate and estimate; plain lines only now and then."""

from __future__ import annotations

import pytest

from eventreplay.cli.progress import PLAIN_EVERY_S, Meter, StderrScreen, duration_text, plain_lines
from eventreplay.testing import ManualSeconds


def test_the_state_has_count_rate_and_estimate() -> None:
    clock = ManualSeconds()
    meter = Meter("capture", "events", clock)
    clock.advance(4)
    meter.note(2_000, 10_000)
    assert meter.state() == "capture: 2,000 of 10,000 events, 500/s, about 16 s left"
    meter.note(10_000, 10_000)
    assert meter.state() == "capture: 10,000 of 10,000 events, 2,500/s"
    assert meter.outcome() == "capture: 10,000 events in 4.0 s, 2,500/s"


def test_without_a_total_there_is_no_estimate() -> None:
    clock = ManualSeconds()
    meter = Meter("check", "events", clock)
    clock.advance(2)
    meter.note(10, None)
    assert meter.state() == "check: 10 events, 5/s"


def test_nothing_done_is_said_as_such() -> None:
    clock = ManualSeconds()
    meter = Meter("replay", "events", clock)
    clock.advance(90)
    assert meter.outcome() == "replay: done in 1 min 30 s"


def test_plain_lines_come_at_intervals_not_at_every_step() -> None:
    clock = ManualSeconds()
    said: list[str] = []
    with plain_lines(Meter("capture", "events", clock), said.append) as report:
        for done in range(1, 31):
            clock.advance(PLAIN_EVERY_S / 10)
            report(done, 30)
    assert [line.partition(" of")[0] for line in said] == ["capture: 10", "capture: 20", "capture: 30"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (42.4, "42 s"), (60, "1 min 0 s"), (3_725, "62 min 5 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_a_step_without_a_terminal_writes_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with StderrScreen().step("capture journal → log", "events") as report:
        report(5, 10)
        report(10, 10)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("capture journal → log: 10 events in ")
    assert said.err.count("\n") == 1


def test_a_failed_step_is_not_reported_as_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), StderrScreen().step("replay", "events"):
        raise RuntimeError
    assert capsys.readouterr().err == ""
