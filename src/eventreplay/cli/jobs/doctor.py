"""The work of `doctor`: all ends are looked at side by side, each for a bounded time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import asdict, define, field

from eventreplay.cli.jobs import assembly
from eventreplay.cli.jobs.examinations import Examination, examinations, told
from eventreplay.cli.progress import duration_text
from eventreplay.cli.screen import print_json, print_line, print_table
from eventreplay.errors import EventReplayError
from eventreplay.finding import Finding
from eventreplay.redaction import redacted

WITHIN_S = 30.0
FAILED = 1
OK, MISSING, ADVICE = "ok", "missing", "advice"


def run(
    ends: list[str],
    log: str | None,
    sink: str | None,
    config: Path | None,
    *,
    within_s: float | None,
    as_json: bool,
) -> int:
    """Look, and say what was found; 1 if anything required is not there."""
    settings = assembly.settings_of(config, log_url=log, sink_url=sink)
    wanted = list(examinations(ends, settings, config))
    return report(wanted, within_s or WITHIN_S, as_json=as_json)


def report(wanted: Iterable[Examination], within_s: float, *, as_json: bool) -> int:
    """Look at all of `wanted`, and say what was found."""
    looks = [_Look(each) for each in wanted]
    for look in looks:
        look.thread.start()
    until_s = time.monotonic() + within_s
    facts = [_facts(look.examination, look.found(until_s, within_s)) for look in looks]
    all_ok = all(each["ok"] for each in facts)
    if as_json:
        print_json({"ok": all_ok, "ends": facts})
    else:
        for each in facts:
            _print(each)
        print_line(
            "Everything required is there." if all_ok else "Something required is missing; see above.",
            style="green" if all_ok else "bold red",
        )
    return 0 if all_ok else FAILED


@define
class _Look:
    """One examination at work, on a thread that does not keep the process alive."""

    examination: Examination
    thread: threading.Thread = field(init=False)
    _findings: list[Finding] | None = None

    def __attrs_post_init__(self) -> None:
        self.thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        try:
            self._findings = self.examination.look()
        except EventReplayError as error:
            self._findings = [told(error)]
        except Exception as error:  # noqa: BLE001 - one end must not hide what the others say
            # The text of an unforeseen error may quote a connection string, so only its kind is told.
            self._findings = [
                Finding(
                    name="examination",
                    ok=False,
                    detail=f"ended with an unexpected {type(error).__name__}",
                    hint="Please report it.",
                )
            ]

    def found(self, until_s: float, within_s: float) -> list[Finding]:
        self.thread.join(max(0.0, until_s - time.monotonic()))
        if self._findings is not None:
            return self._findings
        return [
            Finding(
                name="reachable",
                ok=False,
                detail=f"no answer within {duration_text(within_s)}",
                hint="Check host, port, firewall and proxy; --within gives it longer.",
            )
        ]


def _facts(examination: Examination, findings: list[Finding]) -> dict[str, Any]:
    shown = [
        {**asdict(each), "detail": redacted(each.detail), "hint": redacted(each.hint), "state": _state(each)}
        for each in findings
    ]
    return {
        "name": examination.name,
        "kind": examination.kind,
        "ok": all(each.ok or not each.required for each in findings),
        "settings": dict(examination.origins),
        "findings": shown,
    }


def _state(finding: Finding) -> str:
    if finding.ok:
        return OK
    return MISSING if finding.required else ADVICE


def _print(facts: dict[str, Any]) -> None:
    title = facts["name"] if facts["kind"] == facts["name"] else f"{facts['name']} ({facts['kind']})"
    rows = [(each["state"], each["name"], each["detail"], each["hint"]) for each in facts["findings"]]
    print_table(title, ("state", "what", "found", "what to do"), rows)
    if facts["settings"]:
        origins = "; ".join(f"{name} from {origin}" for name, origin in facts["settings"].items())
        print_line(f"Settings: {origins}.", style="dim")
    print_line()
