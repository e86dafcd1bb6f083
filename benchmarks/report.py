"""What a measurement found, as tables for people and as JSON for scripts."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence

from attrs import asdict, frozen

Report = dict[str, object]

WIDTH = 92
"""Characters for the name of a ratio, so that their figures stand below one another."""


@frozen(kw_only=True)
class Measured:
    """One way of doing the work, over its turns.

    Attributes:
        title: what it is called; ratios name it.
        events: events per turn.
        turns: how often it was measured.
        rate, rate_slowest, rate_fastest: events per second: median, and the extremes.
        cpu_us: CPU microseconds per event of the process itself, not of the server; median.
        peak_mb: peak resident memory, the largest of the turns, MB.
        load: the machine's one-minute load average before a turn, the largest.
        note: anything a reader of the figures has to know.
    """

    title: str
    events: int
    turns: int
    rate: float
    rate_slowest: float
    rate_fastest: float
    cpu_us: float
    peak_mb: float
    load: float
    note: str = ""


@frozen(kw_only=True)
class Ratio:
    """One figure over another, and what we want it to be; `target` is text, because nothing is asserted."""

    title: str
    value: float
    target: str = ""


def ratio(found: Sequence[Measured], ours: str, peer: str, target: str = "") -> Ratio:
    """Events per second of one way over those of another."""
    rates = {each.title: each.rate for each in found}
    return Ratio(title=f"{ours} / {peer}", value=rates[ours] / rates[peer], target=target)


def rates(found: Sequence[Measured], ratios: Sequence[Ratio], notes: Sequence[str] = ()) -> Report:
    """The report of a contest."""
    return {
        "measured": [asdict(each) for each in found],
        "ratios": [asdict(each) for each in ratios],
        "notes": [*notes, *(f"{each.title}: {each.note}" for each in found if each.note)],
    }


def machine() -> dict[str, object]:
    """Where the figures come from, and how busy it is now."""
    return {
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": [round(each, 2) for each in os.getloadavg()],
    }


def say(text: str) -> None:
    """Progress, beside the report."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


def table(name: str, report: Report) -> str:
    """One measurement as text."""
    lines = [name]
    for group, content in report.items():
        if group == "measured":
            lines += _contest(_rows(content))
        elif group == "ratios" and isinstance(content, list):
            lines += _ratios(_rows(content))
        elif group == "notes":
            lines += [f"  note: {each}" for each in _texts(content)]
        elif isinstance(content, dict):
            lines += [
                f"  {group}",
                *(f"    {title:<{WIDTH}} {_number(value):>10}" for title, value in content.items()),
            ]
    return "\n".join(lines) + "\n"


def summary(reports: dict[str, Report]) -> str:
    """Every ratio of a run with its target: the last thing printed."""
    lines = ["all ratios"]
    for name, report in reports.items():
        content = report.get("ratios", [])
        if isinstance(content, dict):
            content = [{"title": title, "value": value, "target": ""} for title, value in content.items()]
        for each in _rows(content):
            target = f"  (target: {each['target']})" if each["target"] else ""
            lines.append(f"  {name:<10} {each['title']:<{WIDTH}} {_number(each['value']):>10}{target}")
    return "\n".join(lines) + "\n"


def _contest(rows: list[dict[str, object]]) -> list[str]:
    head = ("events/s", "slowest", "fastest", "CPU µs/event", "peak MB", "events", "turns", "load")
    keys = ("rate", "rate_slowest", "rate_fastest", "cpu_us", "peak_mb", "events", "turns", "load")
    width = max(len(str(row["title"])) for row in rows)
    lines = [f"  {'':<{width}}" + "".join(f"{each:>14}" for each in head)]
    lines += [
        f"  {row['title']:<{width}}" + "".join(f"{_number(row[key]):>14}" for key in keys) for row in rows
    ]
    return lines


def _ratios(rows: list[dict[str, object]]) -> list[str]:
    lines = ["  ratios"]
    for row in rows:
        target = f"  (target: {row['target']})" if row["target"] else ""
        lines.append(f"    {row['title']:<{WIDTH}} {_number(row['value']):>10}{target}")
    return lines


def _rows(content: object) -> list[dict[str, object]]:
    return [row for row in content if isinstance(row, dict)] if isinstance(content, list) else []


def _texts(content: object) -> list[str]:
    return [str(each) for each in content] if isinstance(content, list) else []


def _number(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"
