"""Moments written as text (RFC 3339), many at once, as microseconds since 1970."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eventreplay.batch import TIMESTAMP
from eventreplay.sources.json_record import Refused, _moment
from eventreplay.sources.rabbitmq.places import Flags, Places

_PLAIN = r"^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{1,6})?Z$"


def moments_us(text: pa.Array) -> tuple[Places, Flags]:
    """Microseconds of each text, and which texts are moments; what is finer than a microsecond is cut off."""
    try:
        if pc.all(pc.match_substring_regex(text, _PLAIN)).as_py():
            plain = text.cast(TIMESTAMP).cast(pa.int64())
            return plain.to_numpy(zero_copy_only=False), np.ones(len(text), dtype=bool)
    except pa.ArrowInvalid:
        pass  # one of them is no date, or not UTF-8: find out which
    made = np.zeros(len(text), dtype=np.int64)
    fine = np.ones(len(text), dtype=bool)
    for row, raw in enumerate(text.cast(pa.binary()).to_pylist()):
        try:
            made[row] = _moment(raw.decode(), "moment")
        except (Refused, UnicodeDecodeError):
            fine[row] = False
    return made, fine
