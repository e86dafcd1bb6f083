"""Tables and views of two generations change places, one statement after another, with a journal.

Before anything moves the journal says what stands where: each table and view of either side, the texts of the
views, the comments and the rights. Of two tables that change places one bears a mark in its comment, which
moves with the table: so whoever goes on, in either direction, knows where each one is, and swaps nothing
twice. Everything else is a statement that may be repeated.

Steps of a journal: `planned`, then the marks are set: `marked`, then things move: `moved`, then the comments
are as they were.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from attrs import Factory, define

from eventreplay.errors import GenerationError, SinkError, SinkUnavailableError
from eventreplay.sinks.snowflake.names import quoted
from eventreplay.sinks.snowflake.objects import Found, Objects, Rights, plain, rights_of
from eventreplay.sinks.snowflake.tables import STAYING
from eventreplay.sinks.snowflake.view_texts import creating, moved_text

Side = Literal["live", "other"]
Journal = dict[str, Any]
_SIDES: tuple[Side, Side] = ("live", "other")
_OPPOSITE: Mapping[Side, Side] = {"live": "other", "other": "live"}


def planned(
    objects: Objects, schemas: Sequence[str], suffix: str, fresh: Iterable[tuple[str, str]] = ()
) -> Journal:
    """What has to change places: all that stands under the suffix, and what of `fresh` is live.

    What is only live stays, unless it is `fresh`: it came with the generation that leaves.
    """
    there = objects.listed([*schemas, *(schema + suffix for schema in schemas)])
    raw = objects.raw.schema
    names = [(schema, name) for schema in schemas for under, name in there if under == schema + suffix]
    names += [each for each in fresh if each in there and each not in names]
    made: list[dict[str, Any]] = []
    for schema, name in names:
        if schema == raw and name in STAYING:
            continue
        found = {"live": there.get((schema, name)), "other": there.get((schema + suffix, name))}
        places = {"live": schema, "other": schema + suffix}
        entry: dict[str, Any] = {"schema": schema, "name": name}
        for side in _SIDES:
            entry[side] = _remembered(objects, places[side], name, found[side])
        entry["rights"] = plain(_rights(objects, there, schema, name))
        made.append(entry)
    return {"step": "planned", "token": secrets.token_hex(8), "objects": made}


def _remembered(objects: Objects, schema: str, name: str, found: Found | None) -> dict[str, Any] | None:
    if found is None:
        return None
    if found.kind == "view":
        return {"kind": "view", "text": objects.definition(schema, name)}
    return {"kind": "table", "comment": found.comment}


def _rights(objects: Objects, there: Mapping[tuple[str, str], Found], schema: str, name: str) -> Rights:
    """Those of what is live; something new gets those of its neighbours, as nothing is granted in advance."""
    held = there.get((schema, name))
    if held is not None:
        return objects.rights(held.kind, schema, name)
    for (under, other), found in there.items():
        if under == schema and not (schema == objects.raw.schema and other in STAYING):
            return objects.rights(found.kind, schema, other)
    return Rights()


@define
class Exchange:
    """Carries a journal out, in either direction, from wherever it stands.

    Args:
        objects: over a session that is in no transaction.
        schemas: as they are called when live.
        suffix: of the others.
        journal: as `planned` made it; `step` is changed here.
        keep: writes the journal down.
        holds: raises unless the lock of loads is still ours; asked before each move.
    """

    objects: Objects
    schemas: Sequence[str]
    suffix: str
    journal: Journal
    keep: Callable[[Journal], None]
    holds: Callable[[], None]
    _there: dict[tuple[str, str], Found] = Factory(dict)

    def drive(self, *, exchanged: bool) -> None:
        """Bring everything to where it belongs: to the other side, or back.

        Raises:
            GenerationError: something stands where nothing of ours put it.
            SinkUnavailableError: no answer; `drive` again.
        """
        self._there = self.objects.listed([*self.schemas, *(each + self.suffix for each in self.schemas)])
        done = self.journal["step"] == "moved"
        if self.journal["step"] == "planned" or (done and self.journal["exchanged"] != exchanged):
            for entry in self._pairs():
                self._mark(entry, "live" if done and self.journal["exchanged"] else "other")
            self._reached("marked")
        if self.journal["step"] == "marked":
            for entry in self._pairs():
                if self._swapped(entry) != exchanged:
                    self._swap(entry)
            for entry, home in self._single_tables():
                self._rename(entry, _OPPOSITE[home] if exchanged else home)
            self._make_views(exchanged=exchanged)
            self.journal["exchanged"] = exchanged
            self._reached("moved")
        for entry in self._pairs():
            self._unmark(entry)

    def _reached(self, step: str) -> None:
        self.journal["step"] = step
        self.keep(self.journal)

    def _place(self, entry: Mapping[str, Any], side: Side) -> tuple[str, str]:
        return entry["schema"] + ("" if side == "live" else self.suffix), entry["name"]

    def _pairs(self) -> Iterator[dict[str, Any]]:
        """Entries of two tables."""
        for entry in self.journal["objects"]:
            if all(entry[side] is not None and entry[side]["kind"] == "table" for side in _SIDES):
                yield entry

    def _single_tables(self) -> Iterator[tuple[dict[str, Any], Side]]:
        """Entries of one table, opposite to a view or to nothing, and where the table was at first."""
        for entry in self.journal["objects"]:
            tables = [side for side in _SIDES if entry[side] is not None and entry[side]["kind"] == "table"]
            if len(tables) == 1:
                yield entry, tables[0]

    def _marked_comment(self, entry: Mapping[str, Any]) -> str:
        return (
            f"{entry['other']['comment']} [eventreplay is moving this table: {self.journal['token']}]".strip()
        )

    def _where(self, entry: Mapping[str, Any]) -> Side | None:
        """Where the table with the mark is."""
        marked = self._marked_comment(entry)
        for side in _SIDES:
            found = self._there.get(self._place(entry, side))
            if found is not None and found.comment == marked:
                return side
        return None

    def _mark(self, entry: dict[str, Any], side: Side) -> None:
        if self._where(entry) is not None:
            return
        place = self._place(entry, side)
        marked = self._marked_comment(entry)
        if side == "other":  # rights move with a table: the new one gets those of the live one before
            self.objects.give("table", *place, rights_of(entry["rights"]))
        self.objects.comment(*place, marked)
        self._there[place] = Found("table", marked, transient=False)

    def _unmark(self, entry: Mapping[str, Any]) -> None:
        side = self._where(entry)
        if side is not None:
            self.objects.comment(*self._place(entry, side), entry["other"]["comment"])

    def _swapped(self, entry: Mapping[str, Any]) -> bool:
        side = self._where(entry)
        if side is None:
            schema, name = self._place(entry, "live")
            raise GenerationError(
                f"{schema}.{name} may have changed places or not: the mark in its comment is gone.",
                hint=f"Compare it with {schema}{self.suffix}.{name}, and set the comment of the one that was"
                f" built last to: {self._marked_comment(entry)}",
                name=f"{schema}.{name}",
            )
        return side == "live"

    def _swap(self, entry: dict[str, Any]) -> None:
        self.holds()
        live, other = self._place(entry, "live"), self._place(entry, "other")
        self.objects.swap(live[0], other[0], entry["name"])
        self._there[live], self._there[other] = self._there[other], self._there[live]

    def _rename(self, entry: dict[str, Any], side: Side) -> None:
        target, source = self._place(entry, side), self._place(entry, _OPPOSITE[side])
        standing = self._there.get(target)
        if standing is None or standing.kind == "view":
            if self._there.get(source) is None or self._there[source].kind != "table":
                return  # somebody dropped it meanwhile: there is nothing to move
            self.holds()
            if standing is not None:
                self.objects.drop_view(*target)
            owner = rights_of(entry["rights"]).owner if _OPPOSITE[side] == "live" else ""
            self.objects.take(*source, owner)
            self.objects.rename(source[0], target[0], entry["name"])
            self._there[target] = self._there.pop(source)
        elif self._there.get(source) is not None and self._there[source].kind == "table":
            raise GenerationError(
                f"{target[0]}.{target[1]} is in the way of a table that moves there.",
                hint="Somebody made it meanwhile: drop or rename it, then run this again.",
                name=f"{target[0]}.{target[1]}",
            )
        if side == "live":
            self.objects.give("table", *target, rights_of(entry["rights"]))

    def _make_views(self, *, exchanged: bool) -> None:
        todo = []
        for entry in self.journal["objects"]:
            for side in _SIDES:
                home = side if not exchanged else _OPPOSITE[side]
                wanted = entry[home]
                if wanted is not None and wanted["kind"] == "view":
                    todo.append((entry, side, self._text(wanted["text"], home, side)))
                elif (held := self._there.get(self._place(entry, side))) is not None and held.kind == "view":
                    self.objects.drop_view(*self._place(entry, side))
        while todo:
            todo = self._made(todo)

    def _made(self, todo: list[tuple[dict[str, Any], Side, str]]) -> list[tuple[dict[str, Any], Side, str]]:
        """Make what can be made now; a view that reads another has to wait for it. Gives what is left."""
        left, refused = [], None
        for entry, side, text in todo:
            place = self._place(entry, side)
            statement = creating(text, quoted(self.objects.database, *place))
            try:
                self.objects.create_view(statement, *place)
            except SinkUnavailableError:
                raise
            except SinkError as error:
                left.append((entry, side, text))
                refused = refused or error
                continue
            if side == "live":
                self.objects.give("view", *place, rights_of(entry["rights"]))
        if refused is not None and len(left) == len(todo):
            raise refused
        return left

    def _text(self, text: str, home: Side, side: Side) -> str:
        if home == side:
            return text
        moving = {(entry["schema"], entry["name"]) for entry in self.journal["objects"]}
        under = {schema + self.suffix: schema for schema in self.schemas}

        def rename(schema: str, name: str) -> str | None:
            if home == "other":
                return under.get(schema)
            return schema + self.suffix if (schema, name) in moving else None

        return moved_text(text, self.objects.database, rename)
