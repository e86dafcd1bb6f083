"""Several ways to do one piece of work, measured in turns: first each once, then each again in reverse.

Turns, because a shared machine is fast in one minute and slow in the next, and both sides of a ratio have to
see the same minutes. The median of the turns counts. Every turn is a process of its own, so that peak memory
is that of one way alone and nobody warms up anybody else's caches but the server's.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import field, frozen

from benchmarks.report import Measured, say

METER = Path(__file__).with_name("meter.py")
TURN_S_MAX = 3600.0


@frozen(kw_only=True)
class Contestant:
    """One way to do the work.

    Attributes:
        title: what the report calls it.
        command: the process. If the last line it prints is a JSON object with `seconds`, that is its time
            (imports and start-up left out); else the time from start to end. A `note` there is reported;
            `events` there replaces the number below.
        events: events it moves in one turn.
        turns_max: upper bound of its turns; None: as many as the others. For a peer that takes minutes.
        prepare: called before each turn, not timed; what it returns is added to the environment.
        secrets: environment variables of the process that no command line may show.
    """

    title: str
    command: Sequence[str]
    events: int
    turns_max: int | None = None
    prepare: Callable[[], dict[str, str]] = field(default=dict)
    secrets: dict[str, str] = field(factory=dict, repr=False)


class ContestError(RuntimeError):
    """A contestant failed; without it there is no ratio, so the measurement ends."""


def contest(contestants: Sequence[Contestant], turns: int) -> list[Measured]:
    """Medians over `turns` turns of each, in alternating order."""
    found: dict[str, list[dict[str, float | str]]] = {each.title: [] for each in contestants}
    for turn in range(turns):
        order = list(contestants) if turn % 2 == 0 else list(reversed(contestants))
        for each in order:
            if each.turns_max is None or len(found[each.title]) < each.turns_max:
                say(f"  turn {turn + 1} of {turns}: {each.title}")
                found[each.title].append(_turn(each))
    return [_median(each, found[each.title]) for each in contestants]


def child(module: str, function: str, *arguments: object) -> list[str]:
    """The command that calls `benchmarks.<module>.<function>` in a process of its own."""
    return [sys.executable, "-m", "benchmarks", "--child", module, function, *map(str, arguments)]


def _turn(contestant: Contestant) -> dict[str, float | str]:
    more = {**contestant.secrets, **contestant.prepare()}
    load_before = os.getloadavg()[0]
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(METER), *contestant.command],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=TURN_S_MAX,
        env={**os.environ, **more},
        cwd=METER.parents[1],
    )
    report = json.loads(done.stdout)
    if report["exit"] != 0:
        raise ContestError(f"{contestant.title!r} ended with {report['exit']}; what it said stands above.")
    own = _last_object(report["output"])
    seconds = float(own.get("seconds", report["wall_s"]))
    events = float(own.get("events", contestant.events))
    return {
        "seconds": seconds,
        "rate": events / seconds,
        # A process that times itself also knows the CPU of that time; start-up is no part of the work.
        "cpu_us": float(own.get("cpu_s", report["cpu_s"])) / events * 1e6,
        "peak_mb": float(report["peak_mb"]),
        "load": load_before,
        "note": str(own.get("note", "")),
    }


def _last_object(output: str) -> dict[str, float | str]:
    lines = output.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {}
    found: dict[str, float | str] = json.loads(lines[-1])
    return found


def _median(contestant: Contestant, turns: list[dict[str, float | str]]) -> Measured:
    def of(name: str) -> list[float]:
        return [float(turn[name]) for turn in turns]

    return Measured(
        title=contestant.title,
        events=contestant.events,
        turns=len(turns),
        rate=statistics.median(of("rate")),
        rate_slowest=min(of("rate")),
        rate_fastest=max(of("rate")),
        cpu_us=statistics.median(of("cpu_us")),
        peak_mb=max(of("peak_mb")),
        load=max(of("load")),
        note=str(turns[-1]["note"]),
    )
