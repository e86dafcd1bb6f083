"""Generations: one set of tables is live, others are being built or are kept beside it in the same warehouse.

A generation's tables stand in schemas of its own, RAW_G1 beside RAW, until it is promoted; then it and the
live one change places, and what was live is kept under that suffix until it is rolled back to, or dropped.
What belongs to which generation is written down in the warehouse that holds them, by the sink.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

from attrs import frozen

from eventreplay.errors import ConfigError
from eventreplay.interfaces import Sink

State = Literal["building", "ready", "promoting", "live", "kept"]
"""`promoting`: some tables may have changed places; `promote` finishes it, `rollback` undoes it."""

FIRST = "first"
"""Name of the generation that was live before any other was promoted."""

_NAME = re.compile(r"[a-z][a-z0-9]{0,15}")


@frozen(kw_only=True)
class Generation:
    """What is known of one generation.

    Attributes:
        name: a word of lower-case letters and digits, at most 16; `first` is taken.
        state: see `State`.
        schemas: those that are its own, as they are called when live, RAW first if it is among them; a
            rebuild of dbt's models alone has no RAW and reads the live one.
        suffix: what stands behind these names where its tables are now; empty for the live one.
        plan: hex SHA-256 of the plan that it was begun by; empty for `first`.
        facts: JSON data that whoever built it wants to find again: fingerprints, counts.
        began: when it was begun, UTC; None for `first`.
        changed: when its state last changed, UTC; None for `first` before any promotion.
        keep_until: when a kept one may be dropped, UTC.
    """

    name: str
    state: State
    schemas: tuple[str, ...]
    suffix: str
    plan: str
    facts: Mapping[str, Any]
    began: datetime | None
    changed: datetime | None
    keep_until: datetime | None


@runtime_checkable
class SupportsGenerations(Protocol):
    """A sink that can hold a second set of tables beside the live one, and let the two change places.

    Everything may be called again after a crash at any point. Each raises `GenerationError` where the state
    forbids it, and `SinkUnavailableError` where trying again may help.
    """

    def generations(self) -> Sequence[Generation]:
        """All there are, the live one first; before any rebuild that is `first` alone."""

    def begin_generation(
        self, name: str, *, schemas: Sequence[str], plan: str, facts: Mapping[str, Any]
    ) -> Generation:
        """Make empty schemas beside the live ones, and the sink's tables in RAW's if that is among them.

        One of the same name and plan that is `building` or `ready` goes on as it is; the name under another
        plan is refused.
        """

    def shadow(self, name: str) -> Sink:
        """A sink over a generation's own RAW, with checkpoints of its own; to be closed before this one."""

    def note(self, name: str, *, state: Literal["building", "ready"], facts: Mapping[str, Any]) -> None:
        """Replace what is known of a generation that is being built."""

    def promote(
        self, name: str, *, keep_until: datetime, catch_up: Callable[[], None] | None = None
    ) -> Generation:
        """Let a ready generation and the live one change places: tables, views, checkpoints and rights.

        Args:
            name: the generation; one that is live already is left so.
            keep_until: of the one that was live.
            catch_up: called before anything moves, while no load can commit to the live RAW; it loads into
                the shadow what came since. Afterwards the shadow's checkpoints must not lie behind the
                live ones, or nothing is moved and loads go on.

        A reader never sees a table with rows of both. Where tables move one by one, a crash between two is
        finished by calling this again, or undone by `rollback`.
        """

    def rollback(self) -> Generation:
        """Undo the last promotion, finished or not; gives what was live before it and is so again."""

    def drop(self, name: str) -> None:
        """Remove a generation that is neither live nor being promoted, with its schemas. Idempotent."""


def checked_name(name: str) -> str:
    """`name`, if a generation may be called so.

    Raises:
        ConfigError: it may not.
    """
    if _NAME.fullmatch(name) is None or name == FIRST:
        raise ConfigError(
            f"{name[:80]!r} is no name for a generation.",
            hint=f"Lower-case letters and digits, beginning with a letter, at most 16, and not {FIRST!r}.",
        )
    return name


def suffix_of(name: str) -> str:
    """What stands behind the names of a generation's schemas while it is not live: `_G1`."""
    return f"_{checked_name(name).upper()}"
