"""JSON payloads to canonical JSON text: strict about what comes in, exact about numbers.

What is refused: anything that is not UTF-8, NaN and infinities, two equal keys in one object, lone
surrogates, a top level that is no object, and everything beyond the limits, which are tested on the bytes
before parsing.
What changes: whitespace goes, escapes become the shortest ones, and numbers that engines would read as
doubles become strings of their exact decimal value: integers beyond +-(2**53 - 1), and every number with
a fraction or an exponent. Keys stay in the order they came.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import NoReturn

import numpy as np
import pyarrow as pa
from attrs import field, frozen

from eventreplay.codecs.json_columns import usual_texts
from eventreplay.codecs.limits import Limits
from eventreplay.codecs.outcome import Outcome
from eventreplay.codecs.type_fingerprints import OTHERS
from eventreplay.interfaces import Decoded

CODE_VERSION = 1
"""Changed by hand whenever the same payload would give another text or another failure."""

SAFE_INTEGER_MAX = (1 << 53) - 1
_SAFE_DIGITS = len(str(SAFE_INTEGER_MAX))
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[{}\[\],]', re.DOTALL)
"""A string (or one that never ends: possessive, so that no payload makes it look twice), or structure."""

_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)([0-9]+))?")

MALFORMED = ("json_malformed", "The payload is not strict JSON in UTF-8 with an object at the top.")
DUPLICATE_KEY = ("json_duplicate_key", "An object in the payload has the same key twice.")
NUMBER = (
    "json_number_out_of_range",
    "A number has more digits than number_digits_max, or too large an exponent.",
)
TOO_LARGE = ("payload_too_large", "The payload is longer than payload_bytes_max.")
TOO_DEEP = ("payload_too_deep", "The payload nests objects and arrays deeper than nesting_levels_max.")
TOO_MANY = ("payload_too_many_elements", "The payload has more values than elements_max.")
MISSING = ("payload_missing", "The event has no payload.")
UNKNOWN_TYPE = ("unknown_type", "The event has no type.")


class _RefusedError(ValueError):
    """A payload breaks a rule; `reason` is the code and the message."""

    def __init__(self, reason: tuple[str, str]) -> None:
        super().__init__(reason[0])
        self.reason = reason


def is_json(content_type: str) -> bool:
    """Whether a media type, lower case and without parameters, says JSON."""
    return content_type in {"application/json", "text/json"} or (
        content_type.startswith("application/") and content_type.endswith("+json")
    )


@frozen
class JsonCodec:
    """Decodes JSON payloads; the type of the payload is the event's."""

    limits: Limits = field(factory=Limits)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the limits and the version of this code."""
        facts = {"codec": "json", "code_version": CODE_VERSION, "limits": self.limits.meaning()}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def type_fingerprints(self) -> Mapping[str, str]:
        """One for all types: JSON has no schema here."""
        return {OTHERS: self.fingerprint}

    def decode(self, events: pa.RecordBatch) -> Decoded:
        """Decode rows with at least the columns `event_type` and `payload`; see `interfaces.Codec`."""
        outcome = Outcome(events.num_rows)
        types, payloads = events.column("event_type"), events.column("payload")
        named = types.is_valid().to_numpy(zero_copy_only=False)
        is_left = np.ones(events.num_rows, np.bool_)
        for taken, text in usual_texts(payloads, named, self.limits):
            outcome.accept(taken, types.take(pa.array(taken)), text)
            is_left[taken] = False
        strict = Strict(self.limits)
        rows: list[int] = []
        texts: list[str] = []
        failed: dict[int, tuple[str, str]] = {}
        for row in np.flatnonzero(is_left).tolist():
            if not named[row]:
                failed[row] = UNKNOWN_TYPE
                continue
            try:
                texts.append(strict.canonical(payloads[row].as_py()))
                rows.append(row)
            except _RefusedError as refused:
                failed[row] = refused.reason
        fine = np.array(rows, np.int64)
        outcome.accept(fine, types.take(pa.array(fine)), pa.array(texts, pa.string()))
        outcome.fail_each(failed)
        return outcome.decoded()


class Strict:
    """The strict parser, one payload at a time; the rule for every other path through this module."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parse = json.JSONDecoder(
            object_pairs_hook=_object,
            parse_float=self._number,
            parse_int=self._integer,
            parse_constant=_constant,
        ).decode
        self._write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

    def canonical(self, payload: bytes | None) -> str:
        """Canonical text of one payload; raises `_RefusedError`."""
        if payload is None:
            raise _RefusedError(MISSING)
        self._bounded(payload)
        try:
            value = self._parse(payload.decode("utf-8"))
            text = self._write(value)
            text.encode("utf-8")  # a lone surrogate, written as an escape, shows here
        except _RefusedError:
            raise
        except ValueError as error:
            raise _RefusedError(MALFORMED) from error
        if not isinstance(value, dict):
            raise _RefusedError(MALFORMED)
        return text

    def _bounded(self, payload: bytes) -> None:
        limits = self._limits
        if len(payload) > limits.payload_bytes_max:
            raise _RefusedError(TOO_LARGE)
        opened = payload.count(b"{") + payload.count(b"[")
        elements = opened + payload.count(b",")
        if elements <= limits.elements_max and opened <= limits.nesting_levels_max:
            return
        level = elements = strings = 0
        for token in _TOKEN.finditer(payload):
            match payload[token.start()]:
                case 0x22:  # a string
                    strings += 1
                case 0x2C:  # a comma
                    elements += 1
                case 0x7B | 0x5B:
                    elements, level = elements + 1, level + 1
                case _:
                    level -= 1
            if level > limits.nesting_levels_max:
                raise _RefusedError(TOO_DEEP)
            # Every string is a key or a value; where there are more than both, the rest would not parse.
            if max(elements, strings // 2) > limits.elements_max:
                raise _RefusedError(TOO_MANY)

    def _integer(self, text: str) -> int | str:
        if len(text) < _SAFE_DIGITS:
            return int(text)
        if len(text) > self._limits.number_digits_max:
            raise _RefusedError(NUMBER)
        if len(text) <= _SAFE_DIGITS + 1 and -SAFE_INTEGER_MAX <= int(text) <= SAFE_INTEGER_MAX:
            return int(text)
        return text

    def _number(self, text: str) -> str:
        limits = self._limits
        found = _NUMBER.fullmatch(text)
        if found is None or len(text) > limits.number_digits_max:
            raise _RefusedError(NUMBER)
        sign, whole, part, exponent_sign, exponent = found.groups()
        shift = (exponent or "").lstrip("0")
        if len(shift) > len(str(limits.exponent_max)) or int(shift or 0) > limits.exponent_max:
            raise _RefusedError(NUMBER)
        point = len(whole) + (-int(shift or 0) if exponent_sign == "-" else int(shift or 0))
        return _plain(sign, whole + (part or ""), point)


def _plain(sign: str, digits: str, point: int) -> str:
    """Digits with the point before the `point`-th of them, without needless zeros and without an exponent."""
    if point <= 0:
        digits, point = "0" * (1 - point) + digits, 1
    digits = digits.ljust(point, "0")
    whole, part = digits[:point].lstrip("0") or "0", digits[point:].rstrip("0")
    text = f"{whole}.{part}" if part else whole
    return text if text == "0" else sign + text


def _object(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    pairs = list(pairs)
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _RefusedError(DUPLICATE_KEY)
    return made


def _constant(_name: str) -> NoReturn:
    raise _RefusedError(MALFORMED)
