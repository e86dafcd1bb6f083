"""The gap ledger of a partition: positions that were found dead, and on what evidence.

    gaps/<p>/<number, 20 digits>.json

It stands beside the commits, outside of their hash chain: two captures of the same journal meet different
transactions, and their logs are equal all the same. An entry speaks for all positions above its `after`; what
earlier ones said of those is void, for the run that wrote them may have died before it committed. That
somebody looked again is noted by an entry without positions, which speaks for none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from attrs import evolve, frozen

from eventreplay.errors import CorruptLogError, LogError
from eventreplay.interfaces import Gaps
from eventreplay.log import layout
from eventreplay.log.storage import Storage

FOLDER = "gaps"
RECHECK_NOTED = timedelta(days=1)
"""That a look for late arrivals found none is noted so often at most: the ledger stays small."""

_FORMAT = 1
_EVERYTHING = 1 << 62
"""Beyond all positions: an entry that speaks for what is above voids nothing."""
_RECHECKED, _FOUND, _INTO, _SETTLED = "rechecked_at", "found", "captured_into", "captured_at"
_MOMENTS = (_RECHECKED, "decided_at")


@frozen(kw_only=True)
class Hole:
    """A run of positions that the ledger speaks of.

    Attributes:
        first: its first position.
        last: its last, inclusive.
        entry: number of the entry that says so.
        evidence: why it is known to be dead, in the source's own terms.
        captured_into: partition that holds what came late after all; None: nothing did.
    """

    first: int
    last: int
    entry: int
    evidence: Mapping[str, str]
    captured_into: str | None = None

    @property
    def positions(self) -> int:
        """How many."""
        return self.last - self.first + 1


@frozen(kw_only=True)
class Recheck:
    """A look for late arrivals in all holes that were open then; of a day the first is noted."""

    at: datetime
    found: int


class GapLedger:
    """What is known of one partition's holes. Cheap to make; nothing is read before it is asked for.

    Args:
        storage: the log's store.
        partition: its name.
    """

    def __init__(self, storage: Storage, partition: str) -> None:
        self._storage = storage
        self._folder = f"{FOLDER}/{layout.check_partition(partition)}/"
        self._latest: datetime | None = None
        self._last = 0

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
                    evidence={_INTO: layout.check_partition(into), _SETTLED: _now()})  # fmt: skip
        number = max((_number(key) for key in self._storage.keys(self._folder)), default=0)
        self._put(number + 1, _bytes(gaps, repaired=True))

    def note_recheck(self, found: int) -> None:
        """What `open` gave was looked at again, and so many late arrivals found; noted once a day at most."""
        if self._latest is not None and datetime.now(UTC) - self._latest < RECHECK_NOTED:
            return
        none = pa.array([], pa.int64())
        gaps = Gaps(after=_EVERYTHING, upto=_EVERYTHING, first=none, last=none,
                    evidence={_RECHECKED: _now(), _FOUND: str(found)})  # fmt: skip
        self._put(self._last + 1, _bytes(gaps, repaired=False))

    def entries(self) -> Iterator[Gaps]:
        """What was entered, as it was entered, oldest first; settled ones too, and no notes of looks."""
        for _, gaps, _ in self._all():
            if _RECHECKED not in gaps.evidence:
                yield gaps

    def rechecks(self) -> list[Recheck]:
        """Looks for late arrivals that were noted, oldest first."""
        return [
            Recheck(at=at, found=int(gaps.evidence.get(_FOUND, "0")))
            for _, gaps, _ in self._all()
            if (at := moment_of(gaps.evidence, _RECHECKED)) is not None
        ]

    def holes(self) -> list[Hole]:
        """All that is known: open holes and those that were filled late, ascending."""
        known: list[Hole] = []
        for number, gaps, repaired in self._all():
            if _RECHECKED in gaps.evidence:
                continue
            pairs = zip(gaps.first.to_pylist(), gaps.last.to_pylist(), strict=True)
            if repaired:
                for first, last in pairs:
                    known = _settled(known, first, last, gaps.evidence[_INTO])
                continue
            below = (hole for hole in known if hole.first <= gaps.after)
            known = [evolve(hole, last=min(hole.last, gaps.after)) for hole in below]
            known += [
                Hole(first=first, last=last, entry=number, evidence=gaps.evidence) for first, last in pairs
            ]
        return sorted(known, key=lambda hole: hole.first)

    def open(self) -> list[Gaps]:
        """What has to be looked at again: gaps that no later entry voids, without what is settled."""
        ranges = np.zeros((0, 2), dtype=np.int64)
        upto = -1
        settled: list[tuple[int, int]] = []
        for number, gaps, repaired in self._all():
            self._last = max(self._last, number)
            moments = (self._latest, *(moment_of(gaps.evidence, name) for name in _MOMENTS))
            self._latest = max((moment for moment in moments if moment is not None), default=None)
            if _RECHECKED in gaps.evidence:
                continue
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

    def _all(self) -> Iterator[tuple[int, Gaps, bool]]:
        for key in self._storage.keys(self._folder):
            yield _number(key), *self._read(key)

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


def moment_of(evidence: Mapping[str, str], name: str) -> datetime | None:
    """A moment that evidence tells, UTC; None if it does not, as entries of earlier releases."""
    try:
        moment = datetime.fromisoformat(evidence[name])
    except (KeyError, ValueError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _settled(known: Iterable[Hole], first: int, last: int, into: str) -> list[Hole]:
    """The same with what lies in a run marked as captured."""
    made: list[Hole] = []
    for hole in known:
        if hole.last < first or hole.first > last:
            made.append(hole)
            continue
        if hole.first < first:
            made.append(evolve(hole, last=first - 1))
        made.append(evolve(hole, first=max(hole.first, first), last=min(hole.last, last), captured_into=into))
        if hole.last > last:
            made.append(evolve(hole, first=last + 1))
    return made
