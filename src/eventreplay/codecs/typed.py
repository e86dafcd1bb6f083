"""Wire columns to typed columns: names, exact decimals, checked timestamps; and which rows broke which rule.

A typed column of a Timestamp is `INSTANT`, whole seconds and nanoseconds, because no Arrow timestamp holds
both years 1 to 9999 and nanoseconds. A decimal is decimal128 with the declared precision and scale; Money is
a struct of its other fields and `amount`. An enum is a dictionary of names. A map is a map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from attrs import Factory, define

from eventreplay.canonical import INSTANT
from eventreplay.codecs import decimals
from eventreplay.codecs.limits import Limits
from eventreplay.codecs.plan import Decimal, Enum, Field, Map, Message, Node, Scalar, Timestamp, Wrapper
from eventreplay.codecs.wire import items_of, valid_of

Rows = npt.NDArray[np.int64]
ToRows = Callable[[Rows], Rows]
"""Indices of a column's elements to indices of the rows they stand in."""

SECONDS_MIN = -62_135_596_800
"""0001-01-01T00:00:00Z."""

SECONDS_MAX = 253_402_300_799
"""9999-12-31T23:59:59Z."""


@define
class Failures:
    """The first rule each row breaks: fields in the order of their numbers, items in their order."""

    found: dict[int, tuple[str, str]] = Factory(dict)

    def add(self, rows: Rows, code: str, message: str) -> None:
        """Rows that break a rule; what is known of a row already stands."""
        for row in rows.tolist():
            self.found.setdefault(row, (code, message))


def typed(message: Message, columns: pa.StructArray, limits: Limits, failures: Failures) -> pa.StructArray:
    """Convert the columns that ptars made for `message`; failures are told by row."""
    return _Converter(limits, failures).message(message, columns, "", lambda rows: rows)


@define
class _Converter:
    limits: Limits
    failures: Failures

    def message(self, message: Message, columns: pa.StructArray, path: str, rows: ToRows) -> pa.StructArray:
        arrays = [
            self._field(field, columns.field(f"f{field.number}"), f"{path}{field.name}", rows)
            for field in message.fields
        ]
        return _struct([field.name for field in message.fields], arrays, columns)

    def _field(self, field: Field, array: pa.Array, path: str, rows: ToRows) -> pa.Array:
        if not field.repeated and not isinstance(field.node, Map):
            if isinstance(field.node, Decimal) and field.node.carrier == "string" and not field.optional:
                array = pc.if_else(
                    pc.equal(array, ""), pa.scalar(None, pa.string()), array
                )  # "" is "not set" here
            return self._value(field.node, array, path, rows)
        items, offsets = items_of(array)

        def to_rows(at: Rows) -> Rows:
            return rows(np.searchsorted(offsets, at, "right") - 1)

        values = self._value(field.node, items, path, to_rows)
        if isinstance(field.node, Map):
            values = _by_key(values, offsets)
            return pa.MapArray.from_arrays(pa.array(offsets), values.field("key"), values.field("value"))
        return pa.ListArray.from_arrays(pa.array(offsets), values)

    def _value(self, node: Node, array: pa.Array, path: str, rows: ToRows) -> pa.Array:
        match node:
            case Scalar():
                return array
            case Enum(names):
                return _enum(array, names)
            case Decimal():
                return self._decimal(node, array, path, rows)
            case Timestamp():
                return self._instant(array, path, rows)
            case Wrapper(message):
                return self._wrapped(message, array, path, rows)
            case Map(entry):
                return self.message(entry, array, f"{path}.", rows)
            case Message():
                return self.message(node, array, f"{path}.", rows)

    def _wrapped(self, message: Message, array: pa.Array, path: str, rows: ToRows) -> pa.Array:
        value = self._field(message.fields[0], array.field(f"f{message.fields[0].number}"), path, rows)
        return pc.if_else(array.is_valid(), value, pa.scalar(None, value.type)) if array.null_count else value

    def _decimal(self, node: Decimal, array: pa.Array, path: str, rows: ToRows) -> pa.Array:
        valid = valid_of(array)
        parsed = self._parsed(node, array, valid)
        self._tell(node, parsed.faults, valid, path, rows)
        rest = () if node.message is None or node.carrier != "units" else node.message.fields
        rest = tuple(field for field in rest if field.name not in {"units", "nanos"})
        if rest:
            others = [
                self._field(each, array.field(f"f{each.number}"), f"{path}.{each.name}", rows)
                for each in rest
            ]
            return _struct([*(each.name for each in rest), "amount"], [*others, parsed.values], array)
        if valid is None or parsed.values.null_count:
            return parsed.values
        buffers = [decimals.bitmap(valid), *parsed.values.buffers()[1:]]
        return pa.Array.from_buffers(parsed.values.type, len(array), buffers)

    def _parsed(self, node: Decimal, array: pa.Array, valid: npt.NDArray[np.bool_] | None) -> decimals.Parsed:
        digits = (node.precision, node.scale)
        part = {} if node.message is None else {each.name: f"f{each.number}" for each in node.message.fields}
        match node.carrier:
            case "units":
                return decimals.from_units_nanos(
                    array.field(part["units"]), array.field(part["nanos"]), *digits
                )
            case "unscaled":
                return decimals.from_unscaled(
                    array.field(part["unscaled"]), array.field(part["scale"]), *digits
                )
            case "bytes":
                return decimals.from_unscaled(array, None, *digits)
            case "integer":
                return decimals.from_integer(array, *digits)
        text = array.field(part["value"]) if node.carrier == "text" else array
        return decimals.from_text(
            text,
            *digits,
            digits_max=self.limits.number_digits_max,
            exponent_max=self.limits.exponent_max,
            valid=None if valid is None else decimals.bitmap(valid),
        )

    def _tell(
        self,
        node: Decimal,
        faults: decimals.Faults,
        valid: npt.NDArray[np.bool_] | None,
        path: str,
        rows: ToRows,
    ) -> None:
        if not faults.any():
            return
        if valid is not None:
            faults = np.where(valid, faults, decimals.FINE)
        # Item by item, so that the first faulty item of a row names the row's rule.
        for at in np.flatnonzero(faults).tolist():
            code, reason = decimals.FAULTS[faults[at]]
            why = reason.format(precision=node.precision, scale=node.scale)
            self.failures.add(rows(np.array([at])), code, f"Field {path} {why}.")

    def _instant(self, array: pa.Array, path: str, rows: ToRows) -> pa.Array:
        seconds, nanos = (array.field(name).to_numpy(zero_copy_only=False) for name in ("f1", "f2"))
        beyond = (
            (seconds < SECONDS_MIN) | (seconds > SECONDS_MAX) | (nanos < 0) | (nanos > decimals.NANOS_MAX)
        )
        if beyond.any():
            reason = "is a timestamp outside the years 0001 to 9999, or with nanos outside 0 to 999,999,999"
            self.failures.add(
                rows(np.flatnonzero(beyond)), "timestamp_out_of_range", f"Field {path} {reason}."
            )
        return _struct(INSTANT.names, [array.field("f1"), array.field("f2")], array)


def _struct(names: list[str], arrays: list[pa.Array], like: pa.StructArray) -> pa.StructArray:
    """A struct of these columns, with the validity of another; without columns, with its length."""
    fields = [pa.field(name, array.type) for name, array in zip(names, arrays, strict=True)]
    if fields and not like.null_count:
        return pa.StructArray.from_arrays(arrays, fields=fields)
    valid = like.is_valid().to_numpy(zero_copy_only=False)
    return pa.Array.from_buffers(pa.struct(fields), len(like), [decimals.bitmap(valid)], children=arrays)


def _by_key(entries: pa.StructArray, offsets: npt.NDArray[np.int32]) -> pa.StructArray:
    """Each map's entries in the order of their keys: a map has no order, and its text needs one."""
    maps = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    keyed = pa.table({"map": maps, "key": entries.field("key")})
    return entries.take(pc.sort_indices(keyed, sort_keys=[("map", "ascending"), ("key", "ascending")]))


def _enum(numbers: pa.Array, names: Mapping[int, str]) -> pa.Array:
    """Names of an enum's numbers; a number without a name is its own digits."""
    known = sorted(names)
    values = (numbers.fill_null(0) if numbers.null_count else numbers).to_numpy(zero_copy_only=False)
    keys = np.array(known, np.int64)
    at = np.searchsorted(keys, values).clip(max=len(keys) - 1)
    unknown = keys[at] != values
    texts = [names[number] for number in known]
    if unknown.any():
        others, inverse = np.unique(values[unknown], return_inverse=True)
        at[unknown] = len(texts) + inverse
        texts += [str(number) for number in others.tolist()]
    mask = None if not numbers.null_count else ~numbers.is_valid().to_numpy(zero_copy_only=False)
    return pa.DictionaryArray.from_arrays(
        pa.array(at.astype(np.int32), mask=mask), pa.array(texts, pa.string())
    )
