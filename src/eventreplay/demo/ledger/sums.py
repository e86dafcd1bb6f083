"""Exact integer sums by key, and integers as decimal columns: the ledger's arithmetic."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from eventreplay.demo.generator.dice import Flags, Ints

PENDING_ROWS_MAX = 1_000_000


class Sums:
    """Sums of several integer columns by an integer key.

    Rows are gathered and folded now and then; what is held is at most `PENDING_ROWS_MAX` rows plus one row
    for each distinct key, of 8 bytes for the key and for each column.
    """

    def __init__(self, columns: int) -> None:
        self._keys: list[Ints] = []
        self._values: list[Ints] = []
        self._columns = columns
        self._pending = 0

    def add(self, keys: Ints, *values: Ints) -> None:
        """Add one value for each key to each column."""
        if len(keys) == 0:
            return
        self._keys.append(keys)
        self._values.append(np.stack(values, axis=1) if values else np.empty((len(keys), 0), dtype=np.int64))
        self._pending += len(keys)
        if self._pending > PENDING_ROWS_MAX:
            self._fold()

    def result(self) -> tuple[Ints, list[Ints]]:
        """Distinct keys, ascending, and each column's sums beside them."""
        self._fold()
        return self._keys[0], [self._values[0][:, at] for at in range(self._columns)]

    def drain_below(self, key: int) -> Ints:
        """Remove and return the distinct keys below `key`."""
        self._fold()
        cut = int(np.searchsorted(self._keys[0], key))
        drained = self._keys[0][:cut]
        self._keys, self._values = [self._keys[0][cut:]], [self._values[0][cut:]]
        return drained

    def _fold(self) -> None:
        if len(self._keys) != 1 or self._pending:
            keys = np.concatenate([np.empty(0, dtype=np.int64), *self._keys])
            values = np.concatenate([np.empty((0, self._columns), dtype=np.int64), *self._values])
            order = np.argsort(keys, kind="stable")
            keys = keys[order]
            starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else keys
            summed = (
                np.add.reduceat(values[order], starts, axis=0)
                if len(keys) and self._columns
                else values[: len(starts)]
            )
            self._keys, self._values = [keys[starts]], [summed]
            self._pending = 0


def last_of_each(keys: Ints, occurred: Ints, position: Ints) -> Ints:
    """Row numbers of the last row of each key by (occurred, position)."""
    order = np.lexsort((position, occurred, keys))
    if len(order) == 0:
        return order
    ordered = keys[order]
    last: Ints = order[np.append(ordered[1:] != ordered[:-1], [True])]
    return last


def decimals(scaled: Ints, scale: int, present: Flags | None = None) -> pa.Array:
    """decimal128(38, scale) from integers of 10^-scale, without a float; null where not `present`."""
    words = np.empty((len(scaled), 2), dtype="<i8")
    words[:, 0] = scaled
    words[:, 1] = scaled >> 63
    validity = None if present is None else pa.py_buffer(np.packbits(present, bitorder="little").tobytes())
    return pa.Array.from_buffers(
        pa.decimal128(38, scale), len(scaled), [validity, pa.py_buffer(words.tobytes())]
    )


def quotient9(dividend: Ints, divisor: Ints) -> Ints:
    """Dividend / divisor in 1/1,000,000,000, half away from zero; 0 where the divisor is 0; none negative.

    The divisor must stay below 4 * 10^9, so that the remainder's nine digits fit 64 bits.
    """
    safe = np.maximum(divisor, 1)
    whole, rest = np.divmod(dividend, safe)
    return np.where(divisor > 0, whole * 1_000_000_000 + (rest * 2_000_000_000 + safe) // (2 * safe), 0)


def decimal_text(scaled: int, scale: int) -> str:
    """An exact integer of 10^-scale as text with all its digits."""
    sign, digits = ("-" if scaled < 0 else ""), str(abs(scaled)).rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else sign + digits
