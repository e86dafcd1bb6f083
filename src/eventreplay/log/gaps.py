"""The gap ledger of a partition: positions that were found dead, and on what evidence.

    gaps/<p>/<number, 20 digits>.json

It stands beside the commits, outside of their hash chain: two captures of the same journal meet different
transactions, and their logs are equal all the same. An entry speaks for all positions above its `after`; what
earlier ones said of those is void, for the run that wrote them may have died before it committed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from eventreplay.errors import CorruptLogError, LogError
from eventreplay.interfaces import Gaps
from eventreplay.log import layout
from eventreplay.log.storage import Storage

FOLDER = "gaps"
_FORMAT = 1


class GapLedger:
    """What is known of one partition's holes. Cheap to make; nothing is read before it is asked for.

    Args:
        storage: the log's store.
        partition: its name.
    """

    def __init__(self, storage: Storage, partition: str) -> None:
        self._storage = storage
        self._folder = f"{FOLDER}/{layout.check_partition(partition)}/"

    def enter(self, gaps: Iterable[Gaps]) -> None:
        """Write entries down, each under a number of its own; durable on return.

        Whoever enters holds the partition. An entry that stands already is not written again.
        """
        entries = list(gaps)
        if not entries:
            return
        number = max((_number(key) for key in self._storage.keys(self._folder)), default=0)
        for each in entries:
            data = _bytes(each, repaired=False)
            number = self._put(number + 1, data)

    def settle(self, first: int, last: int, *, into: str) -> None:
        """Late events at `first` to `last` are captured into partition `into`: no alarm for them any more."""
        gaps = Gaps(after=first - 1, upto=last, first=pa.array([first]), last=pa.array([last]),
                    evidence={"captured_into": layout.check_partition(into)})  # fmt: skip
        number = max((_number(key) for key in self._storage.keys(self._folder)), default=0)
        self._put(number + 1, _bytes(gaps, repaired=True))

    def entries(self) -> Iterator[Gaps]:
        """What was entered, as it was entered, oldest first; settled ones too."""
        for key in self._storage.keys(self._folder):
            yield self._read(key)[0]

    def open(self) -> list[Gaps]:
        """What has to be looked at again: gaps that no later entry voids, without what is settled."""
        ranges = np.zeros((0, 2), dtype=np.int64)
        upto = -1
        settled: list[tuple[int, int]] = []
        for key in self._storage.keys(self._folder):
            gaps, repaired = self._read(key)
            pairs = np.stack([gaps.first.to_numpy(), gaps.last.to_numpy()], axis=1)
            if repaired:
                settled += [(int(first), int(last)) for first, last in pairs]
                continue
            ranges = np.concatenate([_below(ranges, gaps.after), pairs])
            upto = gaps.upto
        for first, last in settled:
            ranges = _without(ranges, first, last)
        if not len(ranges):
            return []
        return [
            Gaps(after=-1, upto=upto, first=pa.array(ranges[:, 0]), last=pa.array(ranges[:, 1]), evidence={})
        ]

    def _put(self, number: int, data: bytes) -> int:
        while not self._storage.put_new(f"{self._folder}{number:020d}.json", data):
            number += 1
        return number

    def _read(self, key: str) -> tuple[Gaps, bool]:
        data = self._storage.get(key)
        try:
            found = json.loads(data or b"")
            if found["format"] != _FORMAT:
                raise LogError(f"{key} is of a later format.", hint="Use the release that wrote it.", key=key)
            gaps = Gaps(
                after=int(found["after"]),
                upto=int(found["upto"]),
                first=pa.array(found["first"], pa.int64()),
                last=pa.array(found["last"], pa.int64()),
                evidence=dict(found["evidence"]),
            )
        except (ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise CorruptLogError(
                f"{key} is no entry of a gap ledger.", hint="Restore it from a copy.", key=key
            ) from error
        return gaps, bool(found["repaired"])


def is_ledger_key(key: str) -> bool:
    """Whether `key` is that of an entry, in whichever partition."""
    folder, _, name = key.rpartition("/")
    kind, _, partition = folder.partition("/")
    return kind == FOLDER and layout.valid_partition(partition) and layout.commit_number(name) is not None


def _number(key: str) -> int:
    return layout.commit_number(key) or 0


def _bytes(gaps: Gaps, *, repaired: bool) -> bytes:
    content = {
        "format": _FORMAT,
        "after": gaps.after,
        "upto": gaps.upto,
        "first": gaps.first.to_pylist(),
        "last": gaps.last.to_pylist(),
        "evidence": dict(gaps.evidence),
        "repaired": repaired,
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _below(ranges: np.ndarray, after: int) -> np.ndarray:
    """The part of ascending ranges at or below `after`."""
    kept = ranges[ranges[:, 0] <= after].copy()
    kept[:, 1] = np.minimum(kept[:, 1], after)
    return kept


def _without(ranges: np.ndarray, first: int, last: int) -> np.ndarray:
    above = ranges[ranges[:, 1] > last].copy()
    above[:, 0] = np.maximum(above[:, 0], last + 1)
    return np.concatenate([_below(ranges, first - 1), above])
