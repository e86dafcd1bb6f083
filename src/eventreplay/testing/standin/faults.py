"""Faults on order: cut a reply, answer 503, wait, die - at a statement that matches."""

import re
import threading
from dataclasses import dataclass
from typing import Any

KINDS = ("cut", "cut_before", "status", "delay", "kill", "kill_after")
FOR_EVER = -1


@dataclass
class Fault:
    """One order: at which statements, what, how often.

    `cut`: the statement runs,
    its reply is lost. `cut_before`: lost before it runs. `status`: an HTTP status instead
    of running it. `delay`: waits `seconds` first. `kill` / `kill_after`: SIGKILL to the server,
    before it runs or after.
    """

    kind: str
    match: str = "."
    passes: int = 0  # matching statements that pass first
    times: int = 1  # matching requests it strikes, retries included; -1: all
    status: int = 503
    seconds: float = 0.0
    seen: int = 0
    struck: int = 0
    for_good: bool = False  # strike every retry of a struck request too: the reply is lost for good


class Faults:
    """The orders in force."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lost: dict[str, Fault] = {}
        self._lock = threading.Lock()

    def order(self, given: dict[str, Any]) -> None:
        """Add one; ValueError where it is not understood."""
        fault = Fault(**{"passes" if name == "skip" else name: value for name, value in given.items()})
        if fault.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}")
        re.compile(fault.match)
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Forget all orders."""
        with self._lock:
            self._faults.clear()
            self._lost.clear()

    def report(self) -> list[dict[str, Any]]:
        """Each order with how often it was seen and struck, so that a test can prove it fired."""
        with self._lock:
            return [vars(fault).copy() for fault in self._faults]

    def strike(self, request_id: str, sql: str) -> Fault | None:
        """The fault that strikes this request, if any."""
        with self._lock:
            if request_id in self._lost:
                self._lost[request_id].struck += 1
                return self._lost[request_id]
            for fault in self._faults:
                if fault.times == 0 or re.search(fault.match, sql, re.IGNORECASE | re.DOTALL) is None:
                    continue
                fault.seen += 1
                if fault.seen <= fault.passes:
                    continue
                fault.struck += 1
                if fault.times > 0:
                    fault.times -= 1
                if fault.for_good:
                    self._lost[request_id] = fault
                return fault
        return None
