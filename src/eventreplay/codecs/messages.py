"""Payloads of one message type to typed columns: the fast decoder, its proof, and the referee.

ptars decodes a column of payloads at once, and fails as a whole if one of them is malformed. What it accepts
is proved to say what the official parser would say (`wire.excess`). What cannot be proved (the whole piece,
where ptars fails) goes to the official parser, row by row, at about three times the cost: it refuses
the payload, or writes it again in canonical form, which ptars then decodes like the others. Either way the
outcome of a row does not depend on its neighbours, and no payload costs more than being read four times.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as OfficialMessage
from google.protobuf.unknown_fields import UnknownFieldSet
from ptars import HandlerPool, PtarsConfig

from eventreplay.canonical import INSTANT
from eventreplay.canonical.pool import offsets_of
from eventreplay.codecs.census import census
from eventreplay.codecs.limits import Limits
from eventreplay.codecs.plan import Schemas, plain_file
from eventreplay.codecs.schema import SchemaSet
from eventreplay.codecs.typed import Failures, typed
from eventreplay.codecs.wire import Mask, excess, excess_bytes_max, least_bytes

Rows = npt.NDArray[np.int64]

MALFORMED = ("protobuf_malformed", "The payload is not a message of this type in the protobuf wire format.")
TOO_DEEP = ("payload_too_deep", "The payload nests groups deeper than the protobuf parser goes.")
TOO_LARGE = ("payload_too_large", "The payload is longer than payload_bytes_max.")
TOO_MANY = ("payload_too_many_elements", "The payload has more fields and list elements than elements_max.")
MISSING = ("payload_missing", "The event has no payload; an empty message is an empty payload, not a null.")

_GROUPS_DEEP_MAX = 100
"""Where the official parser stops. Messages nest no deeper than their schema, so groups are all there is."""

_ONES, _ONES_PAIR, _MORE = 0xFF, 0xFFFF, 0x80
_PART_ROWS = 16
"""Where a piece was refused, its rows go to the official parser once there are so few. Smaller means more
calls of ptars, larger more rows parsed one by one."""

_HUGE_BYTES = 4
"""Every varint near 2**64 has this many bytes 0xff before its last, which is 1 to 127. As a length it makes
ptars panic, so the official parser sees such rows first."""

_BLOCK_BYTES = 1 << 16
"""Bytes looked at in one numpy call: small enough to stay in the cache and in the allocator's heap."""


@frozen
class MessageColumns:
    """Typed columns of the rows that decoded, and the failures by index.

    Attributes:
        rows: index of each decoded row, int64, ascending.
        columns: one column per field of the message, aligned with `rows`.
        failed: index, error code and message of each row that did not decode, ascending.
    """

    rows: npt.NDArray[np.int64]
    columns: pa.RecordBatch
    failed: tuple[tuple[int, str, str], ...]


class MessageDecoder:
    """Decodes payloads of one message type; built once, used by one thread at a time.

    Args:
        schemas: where the message and its imports are.
        type_name: full name of the message.
        limits: bounds on one payload.

    Raises:
        CodecError: the type is unknown, cannot be a column, or has a decimal without declared digits.
    """

    def __init__(self, schemas: SchemaSet | Schemas, type_name: str, limits: Limits | None = None) -> None:
        known = schemas if isinstance(schemas, Schemas) else Schemas(schemas)
        self._limits = Limits() if limits is None else limits
        self.type_name = type_name
        self._message = known.message(type_name)
        self._official: type[OfficialMessage] = message_factory.GetMessageClass(
            known.official.FindMessageTypeByName(type_name)
        )
        self._excess_bytes_max = excess_bytes_max(self._message)
        pool = descriptor_pool.DescriptorPool()
        pool.AddSerializedFile(plain_file(self._message).SerializeToString())
        root = pool.FindMessageTypeByName("plain.M0")
        self._ptars = HandlerPool([root.file], PtarsConfig()).get_for_message(root)

    def decode(self, payload: pa.Array) -> MessageColumns:
        """Typed columns of `payload` (binary): decimals as decimal128, Timestamps as timestamp[us, UTC].

        Digits of a Timestamp below a microsecond are cut off, here only; `decode_exact` keeps them.
        """
        rows, columns, failed = self.decode_exact(payload)
        batch = (
            pa.RecordBatch.from_struct_array(columns) if columns.type.num_fields else _no_columns(len(rows))
        )
        arrays = [_microseconds(column) for column in batch.columns]
        fine = pa.RecordBatch.from_arrays(arrays, names=batch.schema.names) if arrays else batch
        return MessageColumns(rows, fine, tuple((row, *failed[row]) for row in sorted(failed)))

    def decode_exact(self, payload: pa.Array) -> tuple[Rows, pa.StructArray, dict[int, tuple[str, str]]]:
        """Like `decode`, but with moments as `canonical.INSTANT`, and failures by index."""
        failures = Failures()
        self._refuse(payload, failures)
        rows = _without(len(payload), failures.found)
        part = payload if len(rows) == len(payload) else payload.take(pa.array(rows))
        columns, kept = self._columns(part, rows, failures)
        broken = Failures()
        made = typed(self._message, columns, self._limits, broken)
        if broken.found:
            for row, (code, text) in broken.found.items():
                failures.add(kept[row : row + 1], code, text)
            fine = _without(len(kept), broken.found)
            made, kept = made.take(pa.array(fine)), kept[fine]
        return kept, made, failures.found

    def unknown_fields(self, payload: pa.Array) -> int:
        """How many fields the schema does not know stand in these payloads, at any depth; parses each row."""
        total = 0
        for value in payload.drop_null().to_pylist():
            try:
                total += _unknown(self._official.FromString(value))
            except DecodeError:
                continue
        return total

    def _refuse(self, payload: pa.Array, failures: Failures) -> None:
        """The rules that come before decoding: presence, size, number of elements."""
        lengths = np.diff(offsets_of(payload))
        limits = self._limits
        if payload.null_count:
            failures.add(np.flatnonzero(payload.is_null().to_numpy(zero_copy_only=False)), *MISSING)
        if not len(lengths) or int(lengths.max()) <= min(limits.payload_bytes_max, limits.elements_max):
            return
        failures.add(np.flatnonzero(lengths > limits.payload_bytes_max), *TOO_LARGE)
        # An element takes a byte at least, so only longer payloads can have too many.
        long = (lengths > limits.elements_max) & (lengths <= limits.payload_bytes_max)
        for row in np.flatnonzero(long).tolist():
            found = self._census(payload[row].as_py())
            if found is not None:
                failures.add(np.array([row]), *found)

    def _census(self, payload: bytes) -> tuple[str, str] | None:
        limits = self._limits
        found = census(payload, self._message, elements_max=limits.elements_max, levels_max=_GROUPS_DEEP_MAX)
        if found.groups_deep > _GROUPS_DEEP_MAX:
            return TOO_DEEP
        return TOO_MANY if found.elements > limits.elements_max else None

    def _columns(self, payload: pa.Array, rows: Rows, failures: Failures) -> tuple[pa.StructArray, Rows]:
        """Wire columns of the rows that decode, ascending, and which rows those are."""
        fine, columns = self._accepted(payload)
        part = payload if len(fine) == len(payload) else payload.take(pa.array(fine))
        kept, judged = np.ones(len(fine), np.bool_), list(_others(len(payload), fine))
        doubtful = np.flatnonzero(~self._proved(part, columns)) if len(fine) else fine
        if len(doubtful) and not self._confirmed(part, columns, doubtful):
            kept[doubtful] = False
            judged = sorted([*judged, *fine[doubtful].tolist()])
        if not judged:
            return columns, rows
        if not kept.all():
            fine, columns = fine[kept], columns.filter(pa.array(kept))
        passed, again = self._judged(payload, judged, rows, failures)
        if not len(passed):
            return columns, rows[fine]
        both = np.concatenate([fine, passed])
        order = np.argsort(both, kind="stable")
        return pa.concat_arrays([columns, again]).take(pa.array(order)), rows[both[order]]

    def _accepted(self, payload: pa.Array) -> tuple[Rows, pa.StructArray]:
        """Rows that ptars takes, and their columns; rows in small pieces with one it refuses are left out."""
        every = np.arange(len(payload), dtype=np.int64)
        risky = _risky(payload) if len(payload) else None
        rows = every if risky is None else every[~risky]
        part = payload if risky is None else payload.filter(pa.array(~risky))
        columns = self._try(part)
        if columns is not None:
            return rows, columns
        fine = ~self._suspects(part)
        return rows[fine], self._ptars_columns(part.filter(pa.array(fine)))

    def _suspects(self, payload: pa.Array) -> Mask:
        """Rows of the pieces, `_PART_ROWS` long at most, that ptars refuses; found by halving."""
        suspects = np.zeros(len(payload), np.bool_)
        ranges = [(0, len(payload))]
        while ranges:
            begin, end = ranges.pop()
            if self._try(payload.slice(begin, end - begin)) is not None:
                continue
            if end - begin <= _PART_ROWS:
                suspects[begin:end] = True
                continue
            middle = (begin + end) // 2
            ranges += [(begin, middle), (middle, end)]
        return suspects

    def _confirmed(self, payload: pa.Array, columns: pa.StructArray, doubtful: Rows) -> bool:
        """Whether the official parser takes these rows too, and reads in them what ptars read.

        The usual case of a row without proof is an unknown field, and then it is so.
        """
        at = pa.array(doubtful)
        written = [self._referee(value) for value in payload.take(at).to_pylist()]
        if None in written:
            return False
        again = self._try(pa.array(written, pa.binary()))
        return again is not None and bool(again.equals(columns.take(at)))

    def _judged(
        self, payload: pa.Array, judged: list[int], rows: Rows, failures: Failures
    ) -> tuple[Rows, pa.StructArray]:
        """These rows as the official parser reads them: which it takes, and their columns."""
        values = payload.take(pa.array(judged, pa.int64())).to_pylist()
        written = [self._referee(value or b"") for value in values]
        for at, value, form in zip(judged, values, written, strict=True):
            if form is None:
                failures.add(rows[at : at + 1], *self._reason(value or b""))
        passed = np.array(
            [at for at, form in zip(judged, written, strict=True) if form is not None], np.int64
        )
        again = pa.array([form for form in written if form is not None], pa.binary())
        columns = self._try(again)
        if columns is not None:
            return passed, columns
        # Written again by the official parser and refused by ptars: text of a proto2 string that is not
        # UTF-8. Columns of text cannot hold it.
        good = ~self._suspects(again)
        for at in np.flatnonzero(~good).tolist():
            good[at] = self._try(again.slice(at, 1)) is not None
        for at in passed[~good].tolist():
            failures.add(rows[at : at + 1], *MALFORMED)
        return passed[good], self._ptars_columns(again.filter(pa.array(good)))

    def _proved(self, payload: pa.Array, columns: pa.StructArray) -> Mask:
        offsets = offsets_of(payload)
        least = least_bytes(self._message, columns)
        if least is not None and 0 <= int(offsets[-1]) - int(offsets[0]) - least <= self._excess_bytes_max:
            return np.ones(len(payload), np.bool_)
        lengths = np.diff(offsets).astype(np.int64)
        extra, doubts = excess(self._message, columns, lengths)
        proved = (extra >= 0) & (extra <= self._excess_bytes_max)
        return proved if doubts is None else proved & ~doubts

    def _try(self, payload: pa.Array) -> pa.StructArray | None:
        try:
            return self._ptars_columns(payload)
        except ValueError:
            return None
        except BaseException as error:
            # A panic of ptars is no Exception. None is known that `_risky` lets through; if there is one,
            # its rows are the official parser's.
            if type(error).__name__ != "PanicException":
                raise
            return None

    def _ptars_columns(self, payload: pa.Array) -> pa.StructArray:
        batch = self._ptars.array_to_record_batch(payload)
        if batch.num_columns:
            return batch.to_struct_array()
        return pa.Array.from_buffers(pa.struct([]), len(payload), [None])

    def _referee(self, payload: bytes) -> bytes | None:
        """The payload in canonical form, without unknown fields; None if the official parser refuses it."""
        try:
            message = self._official.FromString(payload)
        except DecodeError:
            return None
        message.DiscardUnknownFields()
        return bytes(message.SerializePartialToString(deterministic=True))

    def _reason(self, payload: bytes) -> tuple[str, str]:
        """Why the official parser refused a payload, as far as it matters to anybody."""
        if len(payload) <= _GROUPS_DEEP_MAX:  # a group takes a byte at least
            return MALFORMED
        return TOO_DEEP if self._census(payload) == TOO_DEEP else MALFORMED


def _risky(payload: pa.Array) -> Mask | None:
    """Rows that may hold a number near 2**64; None if there are none."""
    offsets = offsets_of(payload)
    buffer = payload.buffers()[2]
    if buffer is None or offsets[-1] - offsets[0] <= _HUGE_BYTES:
        return None
    data = np.frombuffer(buffer, np.uint8)[int(offsets[0]) : int(offsets[-1])]
    places = [_huge(data, at) for at in range(0, len(data), _BLOCK_BYTES)]
    ends = np.concatenate(places)
    if not len(ends):
        return None
    risky = np.zeros(len(payload), np.bool_)
    risky[np.searchsorted(offsets, ends + int(offsets[0]), "right") - 1] = True
    return risky


def _huge(data: npt.NDArray[np.uint8], at: int) -> Rows:
    """Where, in one block and a bit more, the fourth of four bytes 0xff stands before one of 1 to 127."""
    block = data[at : at + _BLOCK_BYTES + _HUGE_BYTES]
    # Four bytes in a row hold an aligned pair, wherever they stand; most blocks have none.
    if not (block[: len(block) & ~1].view(np.uint16) == _ONES_PAIR).any():
        return np.zeros(0, np.int64)
    ones = block == _ONES
    pairs = ones[:-1] & ones[1:]
    fourth = np.flatnonzero(pairs[:-2] & pairs[2:]) + _HUGE_BYTES - 1
    fourth = fourth[fourth < len(block) - 1]
    after = block[fourth + 1]
    return fourth[(after > 0) & (after < _MORE)] + at


def _others(rows: int, chosen: Rows) -> list[int]:
    """Indices below `rows` that are not among `chosen`, ascending."""
    left = np.ones(rows, np.bool_)
    left[chosen] = False
    found: list[int] = np.flatnonzero(left).tolist()
    return found


def _without(rows: int, failed: dict[int, tuple[str, str]]) -> Rows:
    if not failed:
        return np.arange(rows)
    fine = np.ones(rows, np.bool_)
    fine[list(failed)] = False
    return np.flatnonzero(fine)


def _no_columns(rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(pa.Array.from_buffers(pa.struct([]), rows, [None]))


def _unknown(message: OfficialMessage) -> int:
    total = len(UnknownFieldSet(message))
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            parts = value.values() if field.message_type.fields_by_name["value"].message_type else ()
        else:
            parts = value if field.is_repeated else (value,)
        total += sum(_unknown(part) for part in parts)
    return total


def _microseconds(array: pa.Array) -> pa.Array:
    """Moments as timestamps, at any depth."""
    kind = array.type
    if kind == INSTANT:
        seconds = array.field(0).to_numpy(zero_copy_only=False)
        micros = array.field(1).to_numpy(zero_copy_only=False) // 1000
        mask = array.is_null().to_numpy(zero_copy_only=False)
        return pa.array(seconds * 10**6 + micros, mask=mask).cast(pa.timestamp("us", tz="UTC"))
    if pa.types.is_struct(kind) and kind.num_fields:
        arrays = [_microseconds(array.field(at)) for at in range(kind.num_fields)]
        return pa.StructArray.from_arrays(
            arrays, names=kind.names, mask=array.is_null() if array.null_count else None
        )
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(array.offsets, _microseconds(array.values))
    if pa.types.is_map(kind):
        return pa.MapArray.from_arrays(array.offsets, array.keys, _microseconds(array.items))
    return array
