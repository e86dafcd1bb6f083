"""One file of a card list to rows: every card, parallel and variation an entry, everything else a rejection.

The order of the rows follows from the file alone, so that their ordinals can serve as positions.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NoReturn

from attrs import define, field, frozen

from eventreplay.demo.cardlists.players import players_of

PRINT_RUN_MAX = 4_294_967_295
LABEL_CHARS_MAX = 56

Contradicts = Callable[[str, str, str], bool]

_UNIQUE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_PLAIN_LABEL = re.compile(r"[A-Za-z0-9]+(?: [A-Za-z0-9]+)*")
_YEAR = re.compile(r"(?<!\d)(?:1[89]|20)\d\d(?!\d)")
_SPORT = re.compile(
    r"\b(baseball|basketball|football|hockey|soccer|golf|racing|boxing|wrestling|tennis)\b", re.IGNORECASE
)
_CARD_KEYS = frozenset(
    (
        "uniqueId",
        "number",
        "name",
        "attributes",
        "insertOdds",
        "note",
        "variations",
        "parallels",
        "numberedTo",
    )
)
_PARALLEL_KEYS = frozenset(("name", "numberedTo", "notes", "insertOdds"))
_VARIATION_KEYS = frozenset(("variation", "note", "insertOdds", "parallels", "attributes", "numberedTo"))


class _BadError(Exception):
    """Something that cannot be read: a stable word and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@frozen
class Card:
    """What a card and its parallels have in common."""

    unique_id: str
    digest: str
    players: list[str]
    number: str
    set_name: str


@frozen
class Extra:
    """A parallel or variation as it stands in the list: a label, and what it adds to its card."""

    label: str
    print_run: int | None
    attributes: list[str]
    headers: list[tuple[str, str]]
    parallels: list[Extra]


@frozen
class Entry:
    """A SKU: a card (empty `parallel`), or one of its parallels or variations."""

    ordinal: int
    sku: str
    card: Card
    parallel: str
    print_run: int | None
    attributes: list[str]
    headers: list[tuple[str, str]]


@frozen
class Rejection:
    """What could not become an entry; `place` is a JSON pointer into the file, `original` its bytes."""

    ordinal: int
    place: str
    original: bytes
    code: str
    message: str


@define
class Rows:
    """All rows of a file, in order; `release`, `year` and `sport` hold for all of its entries."""

    release: str = ""
    year: int = 0
    sport: str = ""
    count: int = 0
    entries: list[Entry] = field(factory=list)
    rejections: list[Rejection] = field(factory=list)

    def reject(self, place: str, original: bytes, code: str, message: str) -> None:
        """Append a rejection."""
        self.rejections.append(Rejection(self.count, place, original, code, message))
        self.count += 1


def read_rows(path: str, data: bytes, contradicts: Contradicts) -> Rows:
    """Rows of the file at `path` (relative, with slashes).

    `contradicts` is asked for every card (its unique id, a digest of its content, its place in the file)
    whether the id stands for other content already; such a card is rejected. With the same content it is
    the same event again.
    """
    rows = Rows()
    try:
        content = _load(data)
    except _BadError as error:
        rows.reject("", data, error.code, error.message)
        return rows
    if _is_schema_or_index(content):
        return rows
    if not isinstance(content, dict) or not isinstance(content.get("sets"), list):
        rows.reject("", data, "not_a_card_list", "The file is JSON, but has no list `sets`.")
        return rows
    rows.release = _label(rows, content, "name", "")
    year, sport = (
        _YEAR.search(rows.release) or _YEAR.search(path),
        _SPORT.search(rows.release) or _SPORT.search(path),
    )
    rows.year = 0 if year is None else int(year[0])
    rows.sport = "" if sport is None else sport[0].capitalize()
    for number, each in enumerate(content["sets"]):
        _read_set(rows, each, f"/sets/{number}", contradicts)
    return rows


def _read_set(rows: Rows, content: object, place: str, contradicts: Contradicts) -> None:
    if not isinstance(content, dict) or not isinstance(content.get("cards"), list):
        rows.reject(place, _original(content), "not_a_set", "A set is an object with a list `cards`.")
        return
    name = _label(rows, content, "name", place)
    reader = _SetReader(rows, name, content, place, contradicts)
    for number, card in enumerate(content["cards"]):
        reader.read(card, f"{place}/cards/{number}")


class _SetReader:
    """Reads the cards of one set; what the set says of all its cards is read once."""

    def __init__(
        self, rows: Rows, name: str, content: dict[str, object], place: str, contradicts: Contradicts
    ) -> None:
        self._rows = rows
        self._name = name
        self._contradicts = contradicts
        self._attributes = self._set_attributes(content, place)
        self._print_run = self._set_print_run(content, place)
        self._parallels = self._extras(content, "parallels", place)
        self._variations = self._extras(content, "variations", place)
        inherited = ("attributes", "numberedTo", "parallels", "variations")
        shared = [rows.release, name, *(content.get(key) for key in inherited)]
        self._context = hashlib.sha256(_original(shared))

    def read(self, content: object, place: str) -> None:
        """Append the card's rows: the card, its parallels, its variations and theirs."""
        try:
            if not isinstance(content, dict):
                _bad("not_a_card", "A card is an object.")
            title, unique_id, number = _text(content, "name"), _unique_id(content), content.get("number", "")
            if not isinstance(number, str):
                _bad("number_not_text", "A card's `number` is text.")
            _encodable(number)
            attributes = self._attributes + _texts(content.get("attributes", []), "attributes")
            print_run = _print_run(content)
            digest = self._digest(content)
            if self._contradicts(unique_id, digest, place):
                _bad("duplicate_unique_id", f"Card {unique_id} stands here with other content than before.")
        except _BadError as error:
            self._rows.reject(place, _original(content), error.code, error.message)
            return
        card = Card(unique_id, digest[:12], players_of(title), number, self._name)
        own = self._print_run if print_run is None else print_run
        labels: dict[str, int] = {}
        titled = [("card_name", title)]
        self._add(card, labels, Extra("", own, [], _headers(content, _CARD_KEYS), []), attributes, titled)
        for parallel in self._parallels:
            self._add(card, labels, parallel, attributes, titled)
        if "parallels" in content:
            for parallel in self._extras(content, "parallels", place):
                self._add(card, labels, parallel, attributes, titled)
        varied = self._extras(content, "variations", place) if "variations" in content else []
        for variation in (*self._variations, *varied):
            more = attributes + variation.attributes
            self._add(card, labels, variation, more, titled)
            for parallel in variation.parallels:
                self._add(card, labels, parallel, more, titled)

    def _add(
        self,
        card: Card,
        labels: dict[str, int],
        extra: Extra,
        attributes: list[str],
        titled: list[tuple[str, str]],
    ) -> None:
        sku = card.unique_id
        if extra.label:
            suffix = _suffix(extra.label)
            labels[suffix] = nth = labels.get(suffix, 0) + 1
            sku = f"{sku}~{suffix}" if nth == 1 else f"{sku}~{suffix}~{nth}"
        rows = self._rows
        headers = titled + extra.headers
        rows.entries.append(Entry(rows.count, sku, card, extra.label, extra.print_run, attributes, headers))
        rows.count += 1

    def _extras(self, owner: dict[str, object], key: str, place: str, prefix: str = "") -> list[Extra]:
        """Parallels or variations that can be read; the others are rejected one by one, their card is not."""
        content = owner.get(key)
        if content is None:
            return []
        if not isinstance(content, list):
            self._rows.reject(f"{place}/{key}", _original(content), "not_a_list", f"`{key}` is a list.")
            return []
        found = []
        for number, each in enumerate(content):
            at = f"{place}/{key}/{number}"
            try:
                found.append(self._extra(each, key, at, prefix))
            except _BadError as error:
                self._rows.reject(at, _original(each), error.code, error.message)
        return found

    def _extra(self, content: object, key: str, place: str, prefix: str) -> Extra:
        if not isinstance(content, dict):
            _bad("not_an_object", "A parallel or variation is an object.")
        named, known = ("name", _PARALLEL_KEYS) if key == "parallels" else ("variation", _VARIATION_KEYS)
        label, run = prefix + _text(content, named), _print_run(content)
        attributes = _texts(content.get("attributes", []), "attributes") if key == "variations" else []
        nested = self._extras(content, "parallels", place, f"{label} / ") if key == "variations" else []
        return Extra(label, run, attributes, _headers(content, known), nested)

    def _set_attributes(self, content: dict[str, object], place: str) -> list[str]:
        try:
            return _texts(content.get("attributes", []), "attributes")
        except _BadError as error:
            self._rows.reject(
                f"{place}/attributes", _original(content["attributes"]), error.code, error.message
            )
            return []

    def _set_print_run(self, content: dict[str, object], place: str) -> int | None:
        try:
            return _print_run(content)
        except _BadError as error:
            self._rows.reject(
                f"{place}/numberedTo", _original(content["numberedTo"]), error.code, error.message
            )
            return None

    def _digest(self, card: dict[str, object]) -> str:
        state = self._context.copy()
        state.update(_original(card))
        return state.hexdigest()


def _load(data: bytes) -> object:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _BadError("not_utf8", "The file is not UTF-8.") from error
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except RecursionError as error:
        raise _BadError("json_too_deep", "The file is nested too deeply.") from error
    except ValueError as error:
        raise _BadError("json_malformed", "The file is not JSON, or repeats a key in one object.") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _is_schema_or_index(content: object) -> bool:
    """JSON Schemas and indexes of releases lie beside card lists and hold no card."""
    if not isinstance(content, dict) or "sets" in content:
        return False
    if "properties" in content and "json-schema.org" in str(content.get("$schema", "")):
        return True
    category = content.get("category")
    return isinstance(category, dict) and isinstance(category.get("years"), list)


def _label(rows: Rows, content: dict[str, object], key: str, place: str) -> str:
    """A name of a release or a set; empty where there is none, or where it is unusable, which is reported."""
    if key not in content:
        return ""
    try:
        return _text(content, key)
    except _BadError as error:
        rows.reject(f"{place}/{key}", _original(content[key]), error.code, error.message)
        return ""


def _text(content: dict[str, object], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value.strip():
        _bad(f"{key}_missing", f"`{key}` is missing, empty, or no text.")
    _encodable(value)
    return value


def _unique_id(content: dict[str, object]) -> str:
    value = content.get("uniqueId")
    if not isinstance(value, str) or not value:
        _bad("unique_id_missing", "`uniqueId` is missing or no text.")
    if _UNIQUE_ID.fullmatch(value) is None:
        _bad(
            "unique_id_malformed",
            "`uniqueId` is no identifier of 1 to 128 letters, digits, `_`, `.`, `:` or `-`.",
        )
    return value


def _texts(value: object, key: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        _bad(f"{key}_malformed", f"`{key}` is a list of texts.")
    for each in value:
        _encodable(each)
    return value


def _print_run(content: dict[str, object]) -> int | None:
    value = content.get("numberedTo")
    if value is None and "numberedTo" not in content:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= PRINT_RUN_MAX:
        _bad("print_run_malformed", f"`numberedTo` is a whole number from 1 to {PRINT_RUN_MAX}.")
    return value


def _encodable(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise _BadError("text_malformed", "A text holds half of a surrogate pair.") from error


def _headers(content: dict[str, object], known: frozenset[str]) -> list[tuple[str, str]]:
    """Notes, odds, and whatever else is said of a card that the message has no field for."""
    if len(content) <= 3 and content.keys() <= {"name", "uniqueId", "number"}:
        return []
    found = []
    for key in ("note", "notes", "insertOdds"):
        if key in content:
            value = content[key]
            plain = isinstance(value, str) and value.isascii()
            found.append((key, str(value) if plain else _original(value).decode()))
    other = {key: value for key, value in content.items() if key not in known}
    return [*found, ("other", _original(other).decode())] if other else found


@lru_cache(maxsize=65_536)
def _suffix(label: str) -> str:
    """A label as the last part of a SKU: short, ASCII, and different for different labels."""
    plain = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    if _PLAIN_LABEL.fullmatch(label) is not None and len(plain) <= LABEL_CHARS_MAX:
        return plain
    return f"{plain[:LABEL_CHARS_MAX]}-{hashlib.sha256(label.encode()).hexdigest()[:6]}".lstrip("-")


def _original(content: object) -> bytes:
    """JSON of a part of a file, always the same for the same content, and always ASCII."""
    return _ENCODER.encode(content).encode()


def _bad(code: str, message: str) -> NoReturn:
    raise _BadError(code, message)
