"""Arrow values to canonical JSON text, a column at a time: one value, one text, whatever made it.

    keys in the columns' order, every key always there, absent = null, no whitespace
    integers up to 32 bits = number; 64 bits = string of digits; bool; float = shortest number,
    NaN and infinities = string; decimal = string with exactly the type's scale, never "-0"
    string = escaped only where JSON demands it; bytes = base64 string
    timestamp = "2026-01-31T23:59:59.123456Z", 9 digits where there are nanoseconds
    list = array; struct = object; map = object in the map's order; dictionary = its value

How: every text is a row of pieces (constants such as `,"sku":"`, and the texts of values). All distinct
pieces of a column stand in one pool, and a row is a list of places in it, so that one `take` over the pool
writes the text of all rows. Small integers and digit groups stand in fixed tables; nothing is formatted
twice, and no Python runs per value.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.canonical.numbers import INSTANT
from eventreplay.canonical.pool import Pool
from eventreplay.canonical.values import tokens_of
from eventreplay.errors import InvalidEventError

__all__ = ["INSTANT", "json_text"]

_SLICE_BYTES_MAX = 8 << 20
"""Input bytes turned into text at once: bounds the pool, whose offsets are 32 bits wide."""


def json_text(array: pa.Array) -> pa.Array:
    """The canonical JSON text of each value; null stays null.

    Args:
        array: any nesting of the types named above; slices are fine.

    Returns:
        string array of the same length.

    Raises:
        InvalidEventError: a type without canonical text, or more than 2 GiB of text in one array.
    """
    if len(array) == 0:
        return pa.array([], pa.string())
    step = max(1, len(array) * _SLICE_BYTES_MAX // max(array.nbytes, _SLICE_BYTES_MAX))
    parts = [_text(array.slice(at, step)) for at in range(0, len(array), step)]
    try:
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
    except pa.ArrowInvalid as error:
        raise InvalidEventError(
            "The JSON text of one batch is longer than 2 GiB.",
            hint="Decode fewer rows at a time (batch_rows_max).",
            rows=len(array),
        ) from error


def _text(array: pa.Array) -> pa.Array:
    if array.null_count == len(array):
        return pa.nulls(len(array), pa.string())
    pool = Pool()
    text = pool.write(tokens_of(array, pool), len(array))
    if array.null_count == 0:
        return text
    return pc.if_else(array.is_valid(), text, pa.scalar(None, pa.string()))
