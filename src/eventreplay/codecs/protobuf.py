"""Protobuf payloads to canonical JSON text: decode, upcast, write, in pieces that bound memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
from attrs import field, frozen

from eventreplay.canonical.pool import offsets_of
from eventreplay.codecs.limits import Limits
from eventreplay.codecs.messages import MessageDecoder
from eventreplay.codecs.outcome import Outcome
from eventreplay.codecs.plan import Schemas
from eventreplay.codecs.schema import SchemaSet
from eventreplay.codecs.type_fingerprints import message_fingerprints
from eventreplay.codecs.upcast import Path, targets, write
from eventreplay.errors import CodecError
from eventreplay.interfaces import Decoded

CODE_VERSION = 1
"""Changed by hand whenever the same payload would give another text or another failure."""

CONTENT_TYPES = ("application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf")

UNKNOWN_TYPE = ("unknown_type", "The schema set has no message of this event type.")
UNUSABLE_TYPE = "schema_unusable"


class _Cache:
    """What is built from the schemas on demand; never pickled, so each process builds its own."""

    def __init__(self, schemas: SchemaSet, limits: Limits) -> None:
        self._schemas, self._limits = schemas, limits
        self._known: Schemas | None = None
        self._paths: dict[str, Path | CodecError | None] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return (_Cache, (self._schemas, self._limits))

    def path(self, type_name: str) -> Path | None:
        """How a type is decoded; None if there is no such type. Raises CodecError if it is unusable."""
        if type_name not in self._paths:
            self._paths[type_name] = self._built(type_name)
        found = self._paths[type_name]
        if isinstance(found, CodecError):
            raise found
        return found

    def _built(self, type_name: str) -> Path | CodecError | None:
        if self._known is None:
            self._known = Schemas(self._schemas)
        if not self._known.knows(type_name):
            return None
        try:
            steps = self._schemas.path(type_name)
            decoders = [
                MessageDecoder(self._known, name, self._limits) for name in (type_name, *targets(steps))
            ]
            return Path.of(decoders, steps)
        except CodecError as error:
            return error


@frozen
class ProtobufCodec:
    """Decodes protobuf payloads by their event type, the full name of a message in `schemas`.

    A message that cannot be decoded because of its own schema is a failure of its rows
    (`schema_unusable`), because an event's type is data; call `check` at assembly to hear of it before.
    """

    schemas: SchemaSet
    limits: Limits = field(factory=Limits)
    _cache: _Cache = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_cache", _Cache(self.schemas, self.limits))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over descriptors, declared decimals, upcasters, limits and the version of this code."""
        facts = {
            "codec": "protobuf",
            "code_version": CODE_VERSION,
            "descriptor_set": hashlib.sha256(self.schemas.descriptor_set).hexdigest(),
            "decimals": sorted((name, *digits) for name, digits in self.schemas.decimals.items()),
            "upcasters": sorted(upcaster.identity for upcaster in self.schemas.upcasters),
            "limits": self.limits.meaning(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def type_fingerprints(self) -> Mapping[str, str]:
        """Of each message, see `message_fingerprints`; other types are refused, whatever they are."""
        code = {"codec": "protobuf", "code_version": CODE_VERSION, "limits": self.limits.meaning()}
        return message_fingerprints(self.schemas, code)

    def check(self, *event_types: str) -> None:
        """Compile these types now.

        Raises:
            CodecError: one is unknown or unusable; the hint says what to declare.
        """
        for event_type in event_types:
            if self._cache.path(event_type) is None:
                raise CodecError(f"There is no message {event_type} in {self.schemas.name}.", type=event_type)

    def decode(self, events: pa.RecordBatch) -> Decoded:
        """Decode rows with at least the columns `event_type` and `payload`; see `interfaces.Codec`."""
        outcome = Outcome(events.num_rows)
        types = events.column("event_type").dictionary_encode()
        codes = types.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        payload = events.column("payload")
        for code in np.unique(codes).tolist():
            rows = np.flatnonzero(codes == code)
            name = None if code < 0 else types.dictionary[code].as_py()
            part = payload if len(rows) == len(codes) else payload.take(pa.array(rows))
            self._decode_type(name, part, rows, outcome)
        return outcome.decoded()

    def _decode_type(self, name: str | None, payload: pa.Array, rows: np.ndarray, outcome: Outcome) -> None:
        try:
            path = None if name is None else self._cache.path(name)
        except CodecError as error:
            outcome.fail(rows, UNUSABLE_TYPE, str(error))
            return
        if name is None or path is None:
            outcome.fail(rows, *UNKNOWN_TYPE)
            return
        for begin, end in _pieces(payload, self.limits.chunk_bytes_max):
            kept, columns, failed = path.decoder.decode_exact(payload.slice(begin, end - begin))
            here = rows[begin:end]
            outcome.fail_each({int(here[row]): reason for row, reason in failed.items()})
            write(columns, here[kept], path, outcome)


def _pieces(payload: pa.Array, bytes_max: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows with at most `bytes_max` payload bytes each, or a single row."""
    offsets = offsets_of(payload)
    begin = 0
    while begin < len(payload):
        end = int(np.searchsorted(offsets, int(offsets[begin]) + bytes_max, "right")) - 1
        end = min(max(end, begin + 1), len(payload))
        yield begin, end
        begin = end
