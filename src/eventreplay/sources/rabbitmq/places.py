"""Numbers and texts at many places of one buffer at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@frozen
class Slices:
    """A slice of the buffer for each row; rows without one have `there` false and no length."""

    begin: Places
    length: Places
    there: Flags


def number(data: Bytes, at: Places, width: int) -> Places:
    """Unsigned numbers of `width` bytes, big-endian; eight bytes wrap around into negative numbers."""
    found = data[at].astype(np.int64)
    for step in range(1, width):
        found = (found << 8) | data[at + step]
    return found


def signed(data: Bytes, at: Places, width: int) -> Places:
    """Signed numbers of `width` bytes, big-endian."""
    shift = 64 - 8 * width
    return (number(data, at, width) << shift) >> shift


def cut(data: Bytes, slices: Slices, kind: pa.DataType) -> pa.Array:
    """The slices' bytes as one column (string or binary), null where there is none.

    The buffer itself is read as a column of which every second value is a slice, and those are taken: one
    copy, made by Arrow. Slices must not overlap and ascend with the rows. Text is not checked to be UTF-8.
    """
    rows = len(slices.begin)
    begin = np.maximum.accumulate(np.where(slices.there, slices.begin, 0)) if rows else slices.begin
    # A row without a slice takes an empty one where the row before it ended.
    end = np.where(slices.there, slices.begin + slices.length, 0)
    end = np.maximum.accumulate(end) if rows else end
    begin = np.where(slices.there, begin, end)
    offsets = np.zeros(2 * rows + 2, dtype=np.int32)
    offsets[1:-1:2] = begin
    offsets[2:-1:2] = end
    offsets[-1] = offsets[-2]
    whole = pa.Array.from_buffers(kind, 2 * rows + 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    chosen = np.arange(1, 2 * rows, 2, dtype=np.int64)
    return whole.take(pa.array(chosen) if slices.there.all() else pa.array(chosen, mask=~slices.there))
