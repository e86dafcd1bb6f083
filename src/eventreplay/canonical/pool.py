"""Texts side by side, and rows of places among them: how a column's text is put together."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Places = npt.NDArray[np.int32]

FEW = 1_024
"""Up to this many texts, neighbouring constants are joined to them beforehand, once instead of per row."""

GROUP_DIGITS = 4
"""Digits that one place stands for, where a number is written from a table."""

SMALL_INTEGERS = pa.array([str(number) for number in range(10**GROUP_DIGITS)])

_GROUPS = range(1, GROUP_DIGITS + 1)
_TABLES = {
    "integers": SMALL_INTEGERS,
    **{f"{n}": pa.array([f"{number:0{n}d}" for number in range(10**n)]) for n in _GROUPS},
    **{f".{n}": pa.array([f".{number:0{n}d}" for number in range(10**n)]) for n in _GROUPS},
}
"""Texts of small integers, and of digit groups with leading zeros, without and with a point before them."""


class Choice(NamedTuple):
    """One of a few texts for each row, by index."""

    codes: Places
    texts: pa.Array


Token = str | Choice | Places
"""One piece per row: the same constant in all of them, one of a few texts, or any place in the pool."""


class Pool:
    """Texts side by side; a place is the index of one of them."""

    def __init__(self) -> None:
        self._parts: list[pa.Array] = []
        self._size = 0
        self._constants: dict[str, int] = {}
        self._tables: dict[str, int] = {}

    def add(self, texts: pa.Array) -> int:
        """Add texts; the place of the first."""
        start = self._size
        self._parts.append(texts if texts.type == pa.string() else texts.cast(pa.string()))
        self._size += len(texts)
        return start

    def constant(self, text: str) -> int:
        """The place of one text."""
        if text not in self._constants:
            self._constants[text] = self.add(_one(text))
        return self._constants[text]

    def table(self, name: str) -> np.int32:
        """The place of the first entry of a fixed table."""
        if name not in self._tables:
            self._tables[name] = self.add(_TABLES[name])
        return np.int32(self._tables[name])

    def column(self, texts: pa.Array) -> Places:
        """Add one text per row."""
        start = self.add(texts)
        return np.arange(start, start + len(texts), dtype=np.int32)

    def places(self, token: Token) -> int | Places:
        """Where a token's texts stand: one place for all rows, or one for each."""
        if isinstance(token, str):
            return self.constant(token)
        if isinstance(token, Choice):
            return token.codes + np.int32(self.add(token.texts))
        return token

    def write(self, tokens: list[Token], rows: int, ends: npt.NDArray[np.int32] | None = None) -> pa.Array:
        """Join each row's pieces; with `ends` (offsets), join the rows between two of them as well."""
        pieces = folded(tokens)
        places = np.empty((rows, len(pieces)), np.int32)
        for at, token in enumerate(pieces):
            places[:, at] = self.places(token)
        joined = pc.take(pa.concat_arrays(self._parts), pa.array(places.ravel()), boundscheck=False)
        offsets = offsets_of(joined)
        cuts = np.ascontiguousarray(offsets[:: len(pieces)] if ends is None else offsets[ends * len(pieces)])
        buffers = [None, pa.py_buffer(cuts), joined.buffers()[2]]
        return pa.Array.from_buffers(pa.string(), len(cuts) - 1, buffers)


def offsets_of(array: pa.Array) -> Places:
    """The n + 1 offsets of a string, binary or list array."""
    return np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]


@lru_cache(maxsize=4096)
def _one(text: str) -> pa.Array:
    return pa.array([text], pa.string())


def folded(tokens: list[Token]) -> list[Token]:
    """Fewer pieces: constants joined to constants, and to the texts of choices beside them."""
    made: list[Token] = []
    for token in tokens:
        last = made[-1] if made else None
        if isinstance(token, str) and isinstance(last, str):
            made[-1] = last + token
        elif isinstance(token, str) and isinstance(last, Choice):
            made[-1] = last._replace(texts=pc.binary_join_element_wise(last.texts, token, ""))
        elif isinstance(token, Choice) and isinstance(last, str):
            made[-1] = token._replace(texts=pc.binary_join_element_wise(last, token.texts, ""))
        else:
            made.append(token)
    return made
