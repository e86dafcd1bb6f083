"""Broken codecs fail the codec suite, each in the test that is meant for it."""

from __future__ import annotations

import hashlib
import json
from itertools import count
from typing import Any

import pyarrow as pa
import pytest

from eventreplay.batch import Batch
from eventreplay.event import Event
from eventreplay.interfaces import Codec, Decoded
from eventreplay.testing import CodecSuite
from eventreplay.testing.examples import example_events
from tests.unit.testing.biting import failing


class HexCodec:
    """Payloads as hexadecimal text; those that begin with an exclamation mark fail."""

    fingerprint = "hex-1"

    def decode(self, events: pa.RecordBatch) -> Decoded:
        rows, texts, failed, messages = [], [], [], []
        for at, payload in enumerate(events.column("payload").to_pylist()):
            if payload.startswith(b"!"):
                failed.append(at)
                messages.append(self.message(payload))
            else:
                rows.append(at)
                texts.append(self.text(payload, at))
        return Decoded(
            rows=pa.array(rows, pa.int32()),
            payload_type=pa.array(["example.v1.Happened"] * len(rows), pa.string()),
            payload=pa.array(texts, pa.string()),
            failed=pa.array(failed, pa.int32()),
            error_code=pa.array(["exclaimed"] * len(failed), pa.string()),
            error_message=pa.array(messages, pa.string()),
        )

    def text(self, payload: bytes, at: int) -> str:
        del at
        return json.dumps({"hex": payload.hex()})

    def message(self, payload: bytes) -> str:
        return f"The payload of {len(payload)} bytes begins with an exclamation mark."


def suite_of(broken: type[HexCodec]) -> type[Any]:
    class Suite(CodecSuite):
        mutations = 30

        def prepare(self) -> None:
            """Nothing is shared between tests."""

        def make_codec(self) -> Codec:
            return broken()

        def make_events(self) -> pa.RecordBatch:
            bad = [
                Event(
                    **{**_fields(event), "payload": b"!" + event.payload, "event_id": f"bad {event.event_id}"}
                )
                for event in example_events(2)
            ]
            return Batch.from_events([*bad[:1], *example_events(6), *bad[1:]]).events

    return Suite


def _fields(event: Event) -> dict[str, Any]:
    return {attribute.name: getattr(event, attribute.name) for attribute in Event.__attrs_attrs__}


class LosesFailures(HexCodec):
    def decode(self, events: pa.RecordBatch) -> Decoded:
        decoded = super().decode(events)
        nothing = pa.array([], pa.string())
        return Decoded(
            rows=decoded.rows,
            payload_type=decoded.payload_type,
            payload=decoded.payload,
            failed=pa.array([], pa.int32()),
            error_code=nothing,
            error_message=nothing,
        )


class FailsTheBatch(HexCodec):
    def decode(self, events: pa.RecordBatch) -> Decoded:
        if any(payload.startswith(b"!") for payload in events.column("payload").to_pylist()):
            raise ValueError("A payload is malformed.")
        return super().decode(events)


class CountsRows(HexCodec):
    def text(self, payload: bytes, at: int) -> str:
        return json.dumps({"hex": payload.hex(), "at": at})


class Remembers(HexCodec):
    def __init__(self) -> None:
        self.seen = 0

    def text(self, payload: bytes, at: int) -> str:
        self.seen += 1 if at >= 0 else 0
        return json.dumps({"hex": payload.hex(), "seen": self.seen})


class HashSeed(HexCodec):
    def text(self, payload: bytes, at: int) -> str:
        del at
        return json.dumps({"hash": str(hash(payload)), "hex": payload.hex()})


class FingerprintByHashSeed(HexCodec):
    fingerprint = str(hash("hex"))


_objects = count()


class FingerprintByObject(HexCodec):
    def __init__(self) -> None:
        self.fingerprint = str(next(_objects))


class DoesNotPickle(HexCodec):
    def __init__(self) -> None:
        self.plan = lambda payload: payload


class Raises(HexCodec):
    def text(self, payload: bytes, at: int) -> str:
        if hashlib.sha256(payload).digest()[0] < 16:
            raise IndexError("list index out of range")
        return super().text(payload, at)


class WritesNaN(HexCodec):
    def text(self, payload: bytes, at: int) -> str:
        del at
        return json.dumps({"hex": payload.hex(), "number": float("nan")})


class WritesKeysTwice(HexCodec):
    def text(self, payload: bytes, at: int) -> str:
        del payload, at
        return '{"hex":"","hex":""}'


class ShowsPayload(HexCodec):
    def message(self, payload: bytes) -> str:
        return f"Malformed: {payload!r}"


class IgnoresSlices(HexCodec):
    def decode(self, events: pa.RecordBatch) -> Decoded:
        column = events.column("payload")
        buffers = column.buffers()
        return super().decode(
            events.set_column(
                events.schema.get_field_index("payload"),
                events.schema.field("payload"),
                pa.Array.from_buffers(pa.binary(), len(column), buffers),
            )
        )


class WideIndex(HexCodec):
    def decode(self, events: pa.RecordBatch) -> Decoded:
        decoded = super().decode(events)
        return Decoded(
            rows=decoded.rows.cast(pa.int64()),
            payload_type=decoded.payload_type,
            payload=decoded.payload,
            failed=decoded.failed,
            error_code=decoded.error_code,
            error_message=decoded.error_message,
        )


BROKEN = {
    LosesFailures: "test_accounts_for_every_row",
    FailsTheBatch: "test_accounts_for_every_row",
    CountsRows: "test_batch_size_has_no_influence",
    Remembers: "test_decoding_again_is_equal",
    HashSeed: "test_other_processes_and_environments_agree",
    FingerprintByHashSeed: "test_other_processes_and_environments_agree",
    FingerprintByObject: "test_fingerprint_is_stable_and_codec_pickles",
    DoesNotPickle: "test_fingerprint_is_stable_and_codec_pickles",
    Raises: "test_mutated_payloads_never_raise_and_never_touch_neighbours",
    WritesNaN: "test_payloads_are_strict_json",
    WritesKeysTwice: "test_payloads_are_strict_json",
    ShowsPayload: "test_messages_show_no_payload",
    IgnoresSlices: "test_batch_size_has_no_influence",
    WideIndex: "test_accounts_for_every_row",
}


def test_the_sound_codec_passes() -> None:
    assert failing(suite_of(HexCodec)) == set()


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_broken_codec_fails(broken: type[HexCodec]) -> None:
    suite = suite_of(broken)
    instance = suite()
    instance.prepare()
    # One test each: those that start processes are slow.
    with pytest.raises(Exception):  # noqa: B017, PT011 - a suite may fail by any error
        getattr(instance, BROKEN[broken])()
