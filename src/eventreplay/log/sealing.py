"""Small files of a log that prove themselves: canonical JSON with its own SHA-256 beside it.

`{"<what>":{...},"sha256":"<hex of the canonical bytes of {...}>"}`: sorted keys, no whitespace, ASCII. Any
changed byte shows, either in the form or in the hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping

from eventreplay.errors import CorruptLogError

SEALED_BYTES_MAX = 16 * 1024 * 1024
"""A larger file is not read as JSON at all."""

_HINT = "Run `eventreplay log check`, then restore this object from a copy; never edit it."


def canonical(value: object) -> bytes:
    """Canonical JSON: sorted keys, no whitespace, ASCII."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def sealed(what: str, body: Mapping[str, object]) -> bytes:
    """The bytes of `body`, called `what`, with its hash."""
    return canonical({what: body, "sha256": hashlib.sha256(canonical(body)).hexdigest()})


def unsealed(key: str, data: bytes, kinds: Collection[str], otherwise: str) -> tuple[str, dict[str, object]]:
    """What the bytes at `key` are called, one of `kinds`, and their body.

    Args:
        key: where they stand, for the message.
        data: the bytes.
        kinds: what may stand there.
        otherwise: how a message calls anything else.

    Raises:
        CorruptLogError: they are not canonical JSON, the seal is broken, or it is something else.
    """
    if len(data) > SEALED_BYTES_MAX:
        raise corrupted(key, f"it has {len(data)} bytes, more than it can have")
    try:
        value = json.loads(data.decode("ascii"))
        same = canonical(value) == data
    except (ValueError, RecursionError) as error:
        raise CorruptLogError(f"{key} is not JSON.", hint=_HINT, key=key) from error
    if not same:
        raise corrupted(key, "it is not in canonical form")
    if isinstance(value, dict):
        for what in kinds:
            body = value.get(what)
            if set(value) == {what, "sha256"} and isinstance(body, dict):
                if hashlib.sha256(canonical(body)).hexdigest() != value["sha256"]:
                    raise corrupted(key, "its content does not match its own hash")
                return what, body
    raise corrupted(key, f"it is {otherwise}")


def corrupted(key: str, detail: str) -> CorruptLogError:
    """The error for an object that is not what it was made as."""
    return CorruptLogError(f"{key} is damaged: {detail}.", hint=_HINT, key=key, detail=detail)
