"""Decoding protobuf orders with decimals, against ptars alone, the official parser and MessageToJson."""

from __future__ import annotations

import pyarrow as pa
from google.protobuf import json_format, message_factory
from ptars import HandlerPool, PtarsConfig

from benchmarks.history import ORDER_PLACED, clean_orders
from benchmarks.timing import best_s
from eventreplay.codecs.messages import MessageDecoder
from eventreplay.codecs.plan import Schemas
from eventreplay.codecs.router import codec_for
from eventreplay.demo import schemas


def measure(events: int) -> dict[str, float]:
    """Events per second of each way to make something of `events` OrderPlaced payloads."""
    loaded = schemas.load()
    batches = clean_orders(events)
    rows = pa.Table.from_batches([batch.events for batch in batches]).combine_chunks()
    chunks = rows.to_batches(max_chunksize=65_536)
    payloads = [chunk.column("payload") for chunk in chunks]
    few = payloads[0].slice(0, min(20_000, len(payloads[0]))).to_pylist()

    descriptor = Schemas(loaded).official.FindMessageTypeByName(ORDER_PLACED)
    bare = HandlerPool([descriptor.file], PtarsConfig(timestamp_unit="us")).get_for_message(descriptor)
    decoder = MessageDecoder(loaded, ORDER_PLACED)
    codec = codec_for(loaded)
    message = message_factory.GetMessageClass(descriptor)
    parsed = [message.FromString(payload) for payload in few]
    return {
        "events": events,
        "payload bytes": sum(payload.nbytes for payload in payloads) / events,
        "ptars alone": events / best_s(lambda: [bare.array_to_record_batch(part) for part in payloads]),
        "typed columns, decimals exact": events / best_s(lambda: [decoder.decode(part) for part in payloads]),
        "to canonical JSON text": events / best_s(lambda: [codec.decode(chunk) for chunk in chunks]),
        "official parser": len(few) / best_s(lambda: [message.FromString(payload) for payload in few]),
        "MessageToJson": len(few) / best_s(lambda: [json_format.MessageToJson(item) for item in parsed], 1),
    }
