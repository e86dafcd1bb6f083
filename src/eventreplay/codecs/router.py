"""One codec for a log of mixed events: each row goes to the codec its content type names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import frozen

from eventreplay.codecs.json import JsonCodec, is_json
from eventreplay.codecs.limits import Limits
from eventreplay.codecs.outcome import Outcome
from eventreplay.codecs.protobuf import CONTENT_TYPES, ProtobufCodec
from eventreplay.codecs.schema import SchemaSet
from eventreplay.codecs.type_fingerprints import OTHERS
from eventreplay.interfaces import Codec, Decoded

_VERSION = 1
"""Changed by hand whenever a row would go to another codec."""

UNSUPPORTED = ("unsupported_content_type", "No codec reads this content type; protobuf and JSON are read.")


def codec_for(schemas: SchemaSet, limits: Limits | None = None) -> Router:
    """A codec for protobuf and JSON events of one platform.

    Args:
        schemas: the platform's messages and upcasters.
        limits: bounds on one payload; the defaults if None.

    Raises:
        CodecError: the descriptor set cannot be read.
    """
    bounds = Limits() if limits is None else limits
    return Router(ProtobufCodec(schemas, bounds), JsonCodec(bounds))


@frozen
class Router:
    """Routes rows by content type, in one call; parameters (`; charset=utf-8`) and case do not matter."""

    protobuf: ProtobufCodec
    json: JsonCodec

    @property
    def fingerprint(self) -> str:
        """SHA-256 over those of the codecs."""
        return hashlib.sha256(
            f"router {_VERSION} {self.protobuf.fingerprint} {self.json.fingerprint}".encode()
        ).hexdigest()

    def type_fingerprints(self) -> Mapping[str, str]:
        """Of each message; an event of any type may be JSON, so how that is read counts for each."""
        other = self.json.type_fingerprints()[OTHERS]
        return {
            name: hashlib.sha256(f"router {_VERSION} {own} {other}".encode()).hexdigest()
            for name, own in self.protobuf.type_fingerprints().items()
        }

    def decode(self, events: pa.RecordBatch) -> Decoded:
        """Decode rows with at least the columns `event_type`, `content_type`, `payload`."""
        names = events.column("content_type").dictionary_encode()
        kinds = np.array([self._kind(name) for name in names.dictionary.to_pylist()] or [0], np.int8)
        codes = names.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        kind = np.where(codes < 0, 0, kinds[codes])
        routes: dict[int, Codec] = {1: self.protobuf, 2: self.json}
        for number, codec in routes.items():
            if len(kind) and bool((kind == number).all()):
                return codec.decode(events)
        outcome = Outcome(events.num_rows)
        outcome.fail(np.flatnonzero(kind == 0), *UNSUPPORTED)
        for number, codec in routes.items():
            rows = np.flatnonzero(kind == number)
            if len(rows):
                outcome.add(codec.decode(pc.take(events, pa.array(rows))), rows)
        return outcome.decoded()

    def _kind(self, content_type: str) -> int:
        name = content_type.partition(";")[0].strip().lower()
        if name in CONTENT_TYPES:
            return 1
        return 2 if is_json(name) else 0
