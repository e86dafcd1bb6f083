"""Why a table differs: by what is known of how both generations were made. Pure.

A change in a model is explained if the model itself is made otherwise, or if something that it is made of has
an explained change: another model, or rows of RAW of an event type that is decoded otherwise. Otherwise it is
unexplained: nothing is known of how the live one was made, somebody changed rows, or the same code gave two
results. What differs because one side has read further in the log is neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from attrs import field, frozen

from eventreplay.capabilities.comparison import Counts, TableDifference
from eventreplay.rebuild.parts import OTHER_TYPES, Built, Model

State = Literal["equal", "explained", "unexplained", "undecided"]
"""`undecided`: the two sides were not made of the same part of the log."""

NO_TYPE = "(no type)"
"""Stands for rows whose event type is null."""
_CAUSES_SHOWN_MAX = 5


@frozen(kw_only=True)
class Verdict:
    """What is to be thought of a difference.

    Attributes:
        state: see `State`.
        why: a sentence each; empty if nothing differs.
    """

    state: State
    why: tuple[str, ...] = ()


EQUAL = Verdict(state="equal")


@frozen(kw_only=True)
class TypeChange:
    """Rows of RAW of one event type that differ.

    Attributes:
        type: `NO_TYPE` for those that have none.
        events: in EVENTS.
        refused: in QUARANTINE.
        verdict: why.
    """

    type: str
    events: Counts
    refused: Counts
    verdict: Verdict

    @property
    def to_quarantine(self) -> int:
        """Rows that one side has decoded and the other has refused: each of the log is in one of the two."""
        return min(self.events.removed, self.refused.added)

    @property
    def from_quarantine(self) -> int:
        """The other way round."""
        return min(self.events.added, self.refused.removed)


def explained_type(event_type: str | None, before: Built | None, after: Built) -> Verdict:
    """Why rows of one event type differ in RAW.

    Args:
        event_type: None: records without one, which no codec saw.
        before: the codec that made the live rows; None: not known.
        after: the one that made the others.
    """
    if event_type is None:
        return Verdict(
            state="unexplained", why=("records without an event type differ, which no codec looks into",)
        )
    if before is None:
        return Verdict(state="unexplained", why=("nothing is known of the codec that made the live rows",))
    if before.types is None or after.types is None:
        if before.fingerprint == after.fingerprint:
            return Verdict(state="unexplained", why=("both were made by the same codec",))
        return Verdict(
            state="explained",
            why=("the codec is another one; what of it concerns this type is not known",),
        )
    there = before.types.get(event_type, before.types.get(OTHER_TYPES))
    here = after.types.get(event_type, after.types.get(OTHER_TYPES))
    if there != here:
        return Verdict(
            state="explained",
            why=(f"the codec of {event_type} is another one: {_short(there)}, now {_short(here)}",),
        )
    return Verdict(state="unexplained", why=(f"both were made by the same codec of {event_type}",))


@frozen(kw_only=True)
class Explaining:
    """Explains the differences of models from the top down.

    Args:
        models: what the project makes now, by name.
        before: fingerprints of what made the live ones; None: nothing is known.
        compared: how the models differ, by name; one that is missing was not compared.
        raw: verdict of each table of RAW, by `SCHEMA.TABLE` in upper case.
        reads_otherwise: why both were not made of the same part of the log; empty if they were.
        lagging: why the live one has not seen all of the live RAW, by model; see `lagging`.
    """

    models: Mapping[str, Model]
    before: Mapping[str, str] | None
    compared: Mapping[str, TableDifference]
    raw: Mapping[str, Verdict]
    reads_otherwise: str = ""
    lagging: Mapping[str, str] = field(factory=dict)
    _known: dict[str, Verdict] = field(factory=dict, init=False, eq=False, repr=False)

    def verdict(self, name: str) -> Verdict:
        """Of one model that was compared."""
        if name not in self._known:
            self._known[name] = self._of(name)
        return self._known[name]

    def _of(self, name: str) -> Verdict:
        difference = self.compared[name]
        if difference.equal:
            return EQUAL
        own = self._own_change(name)
        if own:
            return Verdict(state="explained", why=(own,))
        causes, doubts = self._above(name)
        if causes:
            shown = causes[:_CAUSES_SHOWN_MAX]
            more = [f"and {len(causes) - len(shown)} more"] if len(causes) > len(shown) else []
            return Verdict(state="explained", why=(*shown, *more))
        if self.reads_otherwise:
            return Verdict(state="undecided", why=(self.reads_otherwise,))
        if self.before is None or name not in self.before:
            return Verdict(state="unexplained", why=("nothing is known of how the live one was made",))
        if doubts:
            return Verdict(state="unexplained", why=tuple(doubts[:_CAUSES_SHOWN_MAX]))
        behind = self._lag(name)
        if behind:
            return Verdict(state="undecided", why=(behind,))
        return Verdict(
            state="unexplained",
            why=("it is made as before, of what is as before: rows were changed, or it is not reproducible",),
        )

    def _own_change(self, name: str) -> str:
        """Why the model itself would give another result; empty if it would not, or if that is not known."""
        there = self.before.get(name) if self.before is not None else None
        here = self.models[name].fingerprint
        if there is not None and there != here:
            return f"{name} is made otherwise: {_short(there)}, now {_short(here)}"
        difference = self.compared.get(name)
        if difference is not None and difference.before is None and self.before is not None and there is None:
            return f"{name} is new"
        return ""

    def _lag(self, name: str) -> str:
        """Why the live one, or one that it is made of, has not seen all of RAW; empty if nothing says so."""
        ahead = [name]
        for at in ahead:
            if at in self.lagging:
                return self.lagging[at]
            ahead.extend(parent for parent in self._parents(at) if parent not in ahead)
        return ""

    def _parents(self, name: str) -> Sequence[str]:
        return self.models[name].parents if name in self.models else ()

    def _above(self, name: str) -> tuple[list[str], list[str]]:
        """Explained changes that reach a model, and unexplained ones, each named once."""
        causes: list[str] = []
        doubts: list[str] = []
        model = self.models[name]
        for table in model.reads:
            found = self.raw.get(table.upper())
            if found is not None and found.state == "explained":
                causes.append(f"{table} differs: {found.why[0]}")
            elif found is not None and found.state == "unexplained":
                doubts.append(f"{table} differs, unexplained")
        for parent in model.parents:
            for text, where in self._through(parent):
                where_to = causes if where == "explained" else doubts
                if text not in where_to:
                    where_to.append(text)
        return causes, doubts

    def _through(self, parent: str) -> Sequence[tuple[str, State]]:
        """What reaches a model through one that it reads; nothing through one that is equal."""
        if parent in self.compared:
            found = self.verdict(parent)
            if found.state == "explained":
                return [(f"{parent} differs", "explained")]
            return [(f"{parent} differs, unexplained", found.state)] if found.state == "unexplained" else []
        if parent not in self.models:
            return []
        # It has no table of its own, or was not compared: what is above it shines through.
        own = self._own_change(parent)
        if own:
            return [(own, "explained")]
        causes, doubts = self._above(parent)
        return [*((text, "explained") for text in causes), *((text, "unexplained") for text in doubts)]


def raw_verdict(types: Sequence[TypeChange], table: Literal["events", "refused"]) -> Verdict:
    """Of a table of RAW, from its event types: an explained change first, since it reaches what is below."""
    touched = [one for one in types if not getattr(one, table).equal]
    if not touched:
        return EQUAL
    for state in ("explained", "unexplained"):
        why = [reason for one in touched if one.verdict.state == state for reason in one.verdict.why]
        if why:
            return Verdict(state=state, why=tuple(dict.fromkeys(why)))
    return Verdict(state="undecided", why=tuple(dict.fromkeys(one.verdict.why[0] for one in touched)))


def _short(fingerprint: str | None) -> str:
    return "unknown" if fingerprint is None else fingerprint[:8]
