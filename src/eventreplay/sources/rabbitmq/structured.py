"""CloudEvents in structured mode: the body is a JSON envelope (CloudEvents AMQP binding, section 3.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.sources.json_record import Refused, event_row
from eventreplay.sources.rabbitmq.places import Flags

_STRUCTURED = r"(?i)^application/cloudevents\+json *(;.*)?$"


def is_structured(content_type: pa.Array) -> Flags:
    """Rows whose content type says that the body is an envelope."""
    if pc.all(content_type.is_null()).as_py():
        return np.zeros(len(content_type), dtype=bool)
    # Few distinct values: the pattern runs over those.
    types = content_type.cast(pa.binary()).dictionary_encode()
    match = pc.match_substring_regex(types.dictionary, _STRUCTURED)
    found = pc.equal(match.take(types.indices), pa.scalar(value=True))
    return np.asarray(pc.coalesce(found, pa.scalar(value=False)).to_numpy(zero_copy_only=False))


def read_structured(row: dict[str, Any]) -> dict[str, Any]:
    """The event that the body of `row` describes; the message's own headers stay unless it has the same.

    Raises:
        Refused: the body is no CloudEvent.
    """
    event = event_row(row["payload"])
    named = {name for name, _ in event["headers"]}
    event["headers"] = [*event["headers"], *(entry for entry in row["headers"] if entry[0] not in named)]
    if row["event_id"] is not None and row["event_id"] != event["event_id"]:
        event["headers"].append(("amqp.message_id", row["event_id"]))
    event["source_position"] = row["source_position"]
    return event


__all__ = ["Refused", "is_structured", "read_structured"]
