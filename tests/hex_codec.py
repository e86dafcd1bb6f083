"""A codec so simple that what it should have made of a log can be said in one line."""

from __future__ import annotations

import pyarrow as pa
from attrs import frozen

from eventreplay.interfaces import Decoded

REFUSED = b"!"
"""Payloads that begin like this cannot be decoded."""


@frozen
class HexCodec:
    """`{"hex":"..."}` of every payload that it can decode; it refuses those that begin with `REFUSED`."""

    fingerprint: str = "hex-1"

    def decode(self, events: pa.RecordBatch) -> Decoded:
        payloads = events.column("payload").to_pylist()
        types = events.column("event_type").to_pylist()
        fine = [at for at, payload in enumerate(payloads) if not payload.startswith(REFUSED)]
        failed = [at for at, payload in enumerate(payloads) if payload.startswith(REFUSED)]
        return Decoded(
            rows=pa.array(fine, pa.int32()),
            payload_type=pa.array([types[at] for at in fine], pa.string()),
            payload=pa.array([hex_text(payloads[at]) for at in fine], pa.string()),
            failed=pa.array(failed, pa.int32()),
            error_code=pa.array(["refused"] * len(failed), pa.string()),
            error_message=pa.array(["It begins with the mark."] * len(failed), pa.string()),
        )


def hex_text(payload: bytes) -> str:
    return f'{{"hex":"{payload.hex()}"}}'


@frozen
class FixedCodec:
    """As `HexCodec`, and it can decode what begins with the mark, save what begins with `still`.

    With a `suffix` it makes something else of all events.
    """

    fingerprint: str = "hex-2"
    still: bytes = b"!?"
    suffix: str = ""

    def decode(self, events: pa.RecordBatch) -> Decoded:
        payloads = events.column("payload").to_pylist()
        types = events.column("event_type").to_pylist()
        fine = [at for at, payload in enumerate(payloads) if not payload.startswith(self.still)]
        failed = sorted(set(range(len(payloads))) - set(fine))
        text = [hex_text(payloads[at]).replace("}", f"{self.suffix}}}") for at in fine]
        return Decoded(
            rows=pa.array(fine, pa.int32()),
            payload_type=pa.array([types[at] for at in fine], pa.string()),
            payload=pa.array(text, pa.string()),
            failed=pa.array(failed, pa.int32()),
            error_code=pa.array(["two_marks"] * len(failed), pa.string()),
            error_message=pa.array(["It has two marks."] * len(failed), pa.string()),
        )
