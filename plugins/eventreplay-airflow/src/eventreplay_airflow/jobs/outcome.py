"""What a piece of work hands back to its operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from airflow.sdk import Asset
from attrs import field, frozen

from eventreplay.log import Log

Report = Callable[[int, int | None], None]
"""Called with what is done and with what there is in all, if known; raises to end the work at a commit."""


@frozen(kw_only=True)
class Place:
    """A data set as OpenLineage names it, and how much of it was read or written."""

    namespace: str
    name: str
    rows: int | None = None
    bytes: int | None = None


@frozen(kw_only=True)
class Outcome:
    """What was done.

    Attributes:
        facts: plain JSON data: the task's return value.
        said: one sentence for the task's log.
        changed: whether anything was committed.
        noteworthy: whether it deserves a receipt though nothing was.
        assets: what changed, with the extra of its event.
        inputs: what was read.
        outputs: what was written.
    """

    facts: Mapping[str, Any]
    said: str
    changed: bool
    noteworthy: bool = False
    assets: Mapping[Asset, Mapping[str, Any]] = field(factory=dict)
    inputs: tuple[Place, ...] = ()
    outputs: tuple[Place, ...] = ()


class Work(Protocol):
    """One piece of work; `outcome` may be asked at any time, also after `run` raised."""

    @property
    def log(self) -> Log | None:
        """Where its receipt is kept; None: nowhere."""

    def run(self) -> None:
        """Do it."""

    def outcome(self) -> Outcome:
        """What was done so far."""
