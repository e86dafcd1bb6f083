"""The contract that plugin authors read: short, frozen, and kept by what is built in."""

from __future__ import annotations

from pathlib import Path

import attrs
import pyarrow as pa
import pytest

import eventreplay.interfaces as contract
from eventreplay.batch import Batch
from eventreplay.demo.generator import GeneratedSource
from eventreplay.interfaces import Codec, Decoded, Delivery, QueueSource, Sink, Source
from eventreplay.testing import MemoryQueue, MemorySink, MemorySource
from tests.hex_codec import HexCodec


def test_the_contract_can_be_read_in_one_sitting() -> None:
    text = Path(contract.__file__).read_text("utf-8")
    assert len(text.splitlines()) < 200


def test_every_method_of_the_contract_says_what_it_promises() -> None:
    for protocol in (Source, QueueSource, Codec, Sink):
        assert protocol.__doc__
        for name, member in vars(protocol).items():
            if not name.startswith("_"):
                function = member.fget if isinstance(member, property) else member
                assert function.__doc__, f"{protocol.__name__}.{name}"


def test_values_of_the_contract_do_not_change() -> None:
    delivery = Delivery(batch=Batch.from_events([]), token=1)
    empty = pa.array([], pa.int32())
    decoded = Decoded(
        rows=empty, payload_type=empty, payload=empty, failed=empty, error_code=empty, error_message=empty
    )
    for value, name in ((delivery, "token"), (decoded, "rows")):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(value, name, None)


def test_what_is_built_in_keeps_the_contract() -> None:
    """The annotations are the test: mypy holds each class against its protocol."""
    sources: list[Source] = [MemorySource(), GeneratedSource(1, 1)]
    queues: list[QueueSource] = [MemoryQueue()]
    sinks: list[Sink] = [MemorySink()]
    codecs: list[Codec] = [HexCodec()]
    assert [source.name for source in sources] == ["memory", "generated"]
    assert [queue.name for queue in queues] == ["memory-queue"]
    assert [sink.begin("r") for sink in sinks] == [None]
    assert [codec.fingerprint for codec in codecs] == ["hex-1"]
