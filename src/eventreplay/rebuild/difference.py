"""What `diff` found, as a value."""

from __future__ import annotations

from typing import Any

from attrs import asdict, frozen

from eventreplay.capabilities.comparison import TableDifference
from eventreplay.rebuild.explaining import TypeChange, Verdict


@frozen(kw_only=True)
class Standing:
    """How far both generations have read one partition of the log, as numbers of commits.

    Attributes:
        partition: its name.
        before: the live side's checkpoint; 0: nothing is loaded.
        after: the other side's; None: it has no RAW of its own.
        built: up to where the other side's models were built; None: never, or not known.
        compared_below: offset of the first event that was not compared.
        beyond: events that only one side has read, and that are compared with nothing.
    """

    partition: str
    before: int
    after: int | None
    built: int | None
    compared_below: int
    beyond: int


@frozen(kw_only=True)
class Compared:
    """One table and what is to be thought of it.

    Attributes:
        name: of the model, or `SCHEMA.TABLE` of RAW.
        is_raw: whether it is one of RAW's.
        difference: how the two sides differ.
        verdict: why.
        note: what else a reader has to know; empty if nothing.
    """

    name: str
    is_raw: bool
    difference: TableDifference
    verdict: Verdict
    note: str = ""


@frozen(kw_only=True)
class Difference:
    """What would change, and why.

    Attributes:
        generation: name of the one that was built.
        plan: hex SHA-256 of its plan.
        log: its URL.
        sink: the warehouse, without secrets.
        is_partial: whether only a part of the rows was taken.
        tables: RAW's first, then models, each behind what it is made of.
        types: event types of which rows of RAW differ.
        standings: how far either side is.
        others: tables beside the models' that stand on one side only, as `SCHEMA.TABLE`.
        notes: what a reader should know.
    """

    generation: str
    plan: str
    log: str
    sink: str
    is_partial: bool
    tables: tuple[Compared, ...]
    types: tuple[TypeChange, ...]
    standings: tuple[Standing, ...]
    others: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def unexplained(self) -> tuple[str, ...]:
        """Names of tables, and event types in RAW, with a change that nothing explains."""
        types = (f"RAW, {one.type}" for one in self.types if one.verdict.state == "unexplained")
        tables = (one.name for one in self.tables if one.verdict.state == "unexplained" and not one.is_raw)
        layouts = (one.name for one in self.tables if one.is_raw and not one.difference.same_layout)
        return (*types, *layouts, *tables)

    @property
    def undecided(self) -> tuple[str, ...]:
        """Names of tables that differ, and of which nothing can be said: the sides have read unlike parts."""
        return tuple(one.name for one in self.tables if one.verdict.state == "undecided")

    @property
    def ok(self) -> bool:
        """Whether nothing is unexplained."""
        return not self.unexplained

    @property
    def equal(self) -> bool:
        """Whether nothing differs at all."""
        return all(one.difference.equal for one in self.tables)

    def brief(self) -> dict[str, Any]:
        """For a receipt, as plain JSON data: counts of what differs and why, and no row of it."""
        return {
            "action": "diff",
            "name": self.generation,
            "plan": self.plan,
            "log": self.log,
            "sink": self.sink,
            "ok": self.ok,
            "equal": self.equal,
            "compared": len(self.tables),
            "unexplained": list(self.unexplained),
            "undecided": list(self.undecided),
            "standings": [asdict(one) for one in self.standings],
            "tables": {
                f"{one.name} {one.note}".strip(): {
                    **asdict(one.difference.counts),
                    "columns": dict(one.difference.columns),
                    "state": one.verdict.state,
                }
                for one in self.tables
                if not one.difference.equal
            },
        }

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data; decimals as text."""
        return {
            "generation": self.generation,
            "plan": self.plan,
            "log": self.log,
            "sink": self.sink,
            "partial": self.is_partial,
            "ok": self.ok,
            "equal": self.equal,
            "unexplained": list(self.unexplained),
            "undecided": list(self.undecided),
            "standings": [asdict(one) for one in self.standings],
            "types": [
                {
                    "type": one.type,
                    "state": one.verdict.state,
                    "why": list(one.verdict.why),
                    "events": asdict(one.events),
                    "quarantine": asdict(one.refused),
                    "to_quarantine": one.to_quarantine,
                    "from_quarantine": one.from_quarantine,
                }
                for one in self.types
            ],
            "tables": [
                {
                    "name": one.name,
                    "raw": one.is_raw,
                    "state": one.verdict.state,
                    "why": list(one.verdict.why),
                    "note": one.note,
                    **one.difference.to_json(),
                }
                for one in self.tables
            ],
            "others": list(self.others),
            "notes": list(self.notes),
        }
