"""Randomness by counting: every draw is a pure function of (seed, name of the draw, index).

A stateful generator would have to run through everything before the row one wants; a counter hashed with a
key does not, so any event can be made without the events before it. Only 64-bit integer arithmetic is used
(the finaliser of SplitMix64): the same numbers on every platform, Python and numpy version.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_HALF = np.uint64(32)


class Dice:
    """Named, indexable draws from one seed. Two names never share a stream."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._keys: dict[str, np.uint64] = {}

    def words(self, name: str, index: Ints) -> Words:
        """64 random bits for each index; a bijection of the index, so distinct indexes never collide."""
        mixed: Words = index.astype(np.uint64)
        mixed *= _GOLDEN
        mixed += self._key(name)
        mixed ^= mixed >> np.uint64(30)
        mixed *= _FIRST
        mixed ^= mixed >> np.uint64(27)
        mixed *= _SECOND
        mixed ^= mixed >> np.uint64(31)
        return mixed

    def below(self, name: str, index: Ints, bound: int | Ints) -> Ints:
        """Integers in [0, bound) for each index; `bound` is 1 to 2^31, one for all or one for each."""
        limit = np.asarray(bound, dtype=np.uint64)
        return (((self.words(name, index) >> _HALF) * limit) >> _HALF).astype(np.int64)

    def chance(self, name: str, index: Ints, per_mille: int | Ints) -> Flags:
        """True with a probability of `per_mille` thousandths, for each index."""
        return self.below(name, index, 1000) < per_mille

    def skewed(self, name: str, index: Ints, bound: Ints) -> Ints:
        """Integers in [0, bound), small ones far more often: the product of two even draws."""
        word = self.words(name, index)
        product = ((word >> _HALF) * (word & np.uint64(0xFFFFFFFF))) >> _HALF
        return ((product * bound.astype(np.uint64)) >> _HALF).astype(np.int64)

    def _key(self, name: str) -> np.uint64:
        if name not in self._keys:
            digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
            self._keys[name] = np.uint64(int.from_bytes(digest[:8], "big"))
        return self._keys[name]
