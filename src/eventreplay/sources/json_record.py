"""One JSON object as an event: the rule, one record at a time.

This is the definition. `json_columns` does the same for many lines at once and hands every line that is
not plain to the function here, so that both always agree.

Attribute names are those of the event columns or those of CloudEvents' JSON format; any other member
becomes a header, so that nothing is lost. The payload is one of

* `payload`: a JSON object or array, kept as the text it was written in;
* `payload_base64` or CloudEvents' `data_base64`: bytes;
* CloudEvents' `data`: any JSON value, kept as its text; a string only if the content type is JSON,
  otherwise the string's characters (CloudEvents JSON format, section 3.1).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

JSON_DEPTH_MAX = 200
"""Nesting of one record; far above any real event, far below what exhausts a stack."""

NAMES: Mapping[str, str] = {
    "event_id": "event_id",
    "id": "event_id",
    "event_type": "event_type",
    "type": "event_type",
    "stream_id": "stream_id",
    "subject": "stream_id",
    "source": "source",
    "occurred_at": "occurred_at",
    "time": "occurred_at",
    "recorded_at": "recorded_at",
    "content_type": "content_type",
    "datacontenttype": "content_type",
    "headers": "headers",
    "specversion": "specversion",
    "payload": "payload",
    "payload_base64": "payload_base64",
    "data": "data",
    "data_base64": "data_base64",
}
"""Member name to attribute. Two members for one attribute are refused: neither can be preferred."""

PAYLOADS = ("payload", "payload_base64", "data", "data_base64")
DEFAULT_CONTENT_TYPES: Mapping[str, str] = {
    "payload": "application/json",
    "data": "application/json",
    "payload_base64": "application/protobuf",
    "data_base64": "application/octet-stream",
}
# RFC 3339, with any number of fraction digits; what is finer than a microsecond is cut off.
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,32}))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_BLANKS = " \t\n\r"
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive arithmetic; the zone is applied by hand
_MINUTE_US = 60_000_000


class Refused(Exception):  # noqa: N818 - a verdict about data, not an error of the program
    """The record cannot become an event; caught by this package, never seen outside it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@frozen
class _Member:
    """A member of the top-level object: its value, and the text it was written in."""

    value: Any
    text: str


def _refuse_constant(name: str) -> Any:
    raise Refused("json_malformed", f"The record contains {name}, which is not JSON.")


# Numbers stay text: no digits are lost and no huge exponent is ever computed.
# Of nested objects only their text is wanted, so none is built: a record of many braces stays small.
_decoder = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=_refuse_constant, object_pairs_hook=lambda _: ""
)


def event_row(line: bytes) -> dict[str, Any]:
    """The event's columns without a position; moments as microseconds since 1970.

    Raises:
        Refused: with the reason.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise Refused("text_malformed", "The record is not valid UTF-8.") from None
    members, headers = _by_attribute(_members(text))
    row: dict[str, Any] = {
        "event_id": _required_text(members, "event_id"),
        "event_type": _required_text(members, "event_type"),
        "stream_id": _text(members, "stream_id") or "",
        "source": _text(members, "source") or "",
        "occurred_at": _moment(_required_text(members, "occurred_at"), "occurred_at"),
        "recorded_at": None,
    }
    recorded_at = _text(members, "recorded_at")
    if recorded_at is not None:
        row["recorded_at"] = _moment(recorded_at, "recorded_at")
    row["content_type"], row["payload"] = _payload(members)
    row["headers"] = _headers(members) + headers
    if len({name for name, _ in row["headers"]}) != len(row["headers"]):
        raise Refused("attribute_twice", "The record names a header twice.")
    return row


def is_whole(line: bytes) -> bool:
    """Whether `line` is a complete JSON object; no proper beginning of one is."""
    try:
        _members(line.decode())
    except (Refused, UnicodeDecodeError):
        return False
    return True


def _members(text: str) -> dict[str, _Member]:
    """The top-level object's members in order, each with the exact text of its value."""
    if text.count("{") + text.count("[") > JSON_DEPTH_MAX:
        _check_depth(text)
    try:
        return _scan(text)
    except (ValueError, IndexError, RecursionError):
        # The parser's message may quote the record.
        raise Refused("json_malformed", "The record is not valid JSON.") from None


def _scan(text: str) -> dict[str, _Member]:
    at = _skip(text, 0)
    if text[at] != "{":
        raise Refused("json_malformed", "The record is not a JSON object.")
    members: dict[str, _Member] = {}
    at = _skip(text, at + 1)
    while text[at] != "}" or members:
        if text[at] != '"':
            raise ValueError("A name is due.")
        name, at = _decoder.raw_decode(text, at)
        at = _skip(text, at)
        if text[at] != ":":
            raise ValueError("A colon is due.")
        begin = _skip(text, at + 1)
        value, end = _decoder.raw_decode(text, begin)
        if name in members:
            raise Refused("json_duplicate_key", "A name stands twice in the record.")
        members[name] = _Member(value, text[begin:end])
        at = _skip(text, end)
        if text[at] == "}":
            break
        if text[at] != ",":
            raise ValueError("A comma is due.")
        at = _skip(text, at + 1)
        if text[at] == "}":
            raise ValueError("A name is due after a comma.")
    if _skip(text, at + 1) != len(text):
        raise ValueError("Something follows the object.")
    return members


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANKS:
        at += 1
    return at


def _check_depth(text: str) -> None:
    depth = 0
    for token in _BRACKETS.finditer(text):
        mark = token.group()
        depth += (mark in "{[") - (mark in "}]")
        if depth > JSON_DEPTH_MAX:
            raise Refused("json_too_deep", f"The record is nested deeper than {JSON_DEPTH_MAX} levels.")


def _by_attribute(members: dict[str, _Member]) -> tuple[dict[str, _Member], list[tuple[str, str]]]:
    """Known members by attribute, without nulls; the others as headers in their order."""
    known: dict[str, _Member] = {}
    headers: list[tuple[str, str]] = []
    for name, member in members.items():
        attribute = NAMES.get(name)
        if attribute is None:
            if member.value is not None:
                headers.append((_encodable(name), _header_text(member)))
            continue
        if attribute in known:
            raise Refused("attribute_twice", f"The record names {attribute} twice.")
        known[attribute] = member
    return {name: member for name, member in known.items() if member.value is not None}, headers


def _header_text(member: _Member) -> str:
    """A string's characters; anything else as the text it was written in."""
    return _encodable(member.value) if _is_string(member) else member.text


def _is_string(member: _Member) -> bool:
    # Numbers come as text from the decoder too, so the value's own text decides.
    return member.text.startswith('"')


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused("text_malformed", "A text contains half of a surrogate pair.") from None
    return text


def _text(members: Mapping[str, _Member], name: str) -> str | None:
    member = members.get(name)
    if member is None:
        return None
    if not _is_string(member):
        raise Refused("attribute_malformed", f"The attribute {name} is not a text.")
    return _encodable(member.value)


def _required_text(members: Mapping[str, _Member], name: str) -> str:
    text = _text(members, name)
    if not text:
        raise Refused(f"{name}_missing", f"The record has no {name}.")
    return text


def _headers(members: Mapping[str, _Member]) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    version = members.get("specversion")
    if version is not None and version.text != '"1.0"':
        headers.append(("specversion", _header_text(version)))
    given = members.get("headers")
    if given is None:
        return headers
    if not given.text.startswith("{"):
        raise Refused("attribute_malformed", "The attribute headers is not an object.")
    for name, member in _scan(given.text).items():
        if not _is_string(member):
            raise Refused("attribute_malformed", "A header's value is not a text.")
        headers.append((_encodable(name), _encodable(member.value)))
    return headers


def _payload(members: Mapping[str, _Member]) -> tuple[str, bytes]:
    """Content type and bytes."""
    given = [name for name in PAYLOADS if name in members]
    if len(given) > 1:
        raise Refused("payload_twice", f"The record has both {given[0]} and {given[1]}.")
    declared = _text(members, "content_type")
    if not given:
        if "specversion" not in members:
            raise Refused("payload_missing", "The record has no payload.")
        return declared or DEFAULT_CONTENT_TYPES["data_base64"], b""
    name = given[0]
    content_type = declared or DEFAULT_CONTENT_TYPES[name]
    member = members[name]
    if name.endswith("_base64"):
        return content_type, _bytes(member, name)
    if name == "payload" and member.text[0] not in "{[":
        raise Refused(
            "payload_malformed", "The payload is no JSON object or array; give bytes as payload_base64."
        )
    if name == "data" and _is_string(member) and not is_json(content_type):
        return content_type, _encodable(member.value).encode()
    return content_type, member.text.encode()


def is_json(content_type: str) -> bool:
    """Whether a media type declares JSON."""
    kind = content_type.split(";", 1)[0].strip().lower()
    return kind.endswith(("/json", "+json"))


def _bytes(member: _Member, name: str) -> bytes:
    if not _is_string(member):
        raise Refused("attribute_malformed", f"The attribute {name} is not a text.")
    try:
        return base64.b64decode(member.value, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("base64_malformed", f"The attribute {name} is not base64.") from None


def _moment(text: str, name: str) -> int:
    """Microseconds since 1970 in UTC; may lie outside the years 1 to 9999 by the zone's hours."""
    parts = _MOMENT.fullmatch(text)
    malformed = Refused("time_malformed", f"{name} is not a moment of RFC 3339 with a time zone.")
    if parts is None:
        raise malformed
    day, clock, fraction, sign, hours, minutes = parts.groups()
    try:
        seconds = datetime.fromisoformat(f"{day}T{clock}") - _EPOCH
    except ValueError:
        raise malformed from None
    moment = (seconds.days * 86_400 + seconds.seconds) * 1_000_000 + int((fraction or "")[:6].ljust(6, "0"))
    if sign is None:
        return moment
    offset = (int(hours) * 60 + int(minutes)) * _MINUTE_US
    return moment - offset if sign == "+" else moment + offset
