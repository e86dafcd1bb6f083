"""Loading a shadow's RAW: in slices where a warehouse locks others out, so that live loads get their turn."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field, frozen

from eventreplay.interfaces import Codec
from eventreplay.loader import LocksOthersOut
from eventreplay.log import Commit, Log, PartitionReader
from eventreplay.rebuild.ends import OpenSink, Patience, Progress, opened
from eventreplay.replay import ReplayReceipt, replay
from eventreplay.selection import Selection

SLICE_ROWS = 2_000_000
"""Rows loaded before a warehouse that locks others out is let go: some ten seconds."""
TURN_S = 0.5
"""How long it is then left to others."""

Positions = dict[str, int]
"""Number of the last commit, by partition."""


@frozen(kw_only=True)
class Settings:
    """How to load.

    Attributes:
        replay_id: whose checkpoints.
        selection: rows to take.
        workers: processes that decode; 1: a thread.
        batch_rows_max: rows decoded at a time.
        slice_rows: rows after which a warehouse that locks others out is let go.
    """

    replay_id: str
    selection: Selection
    workers: int = 1
    batch_rows_max: int = 65_536
    slice_rows: int = SLICE_ROWS


@define
class ShadowLoad:
    """Loads the shadow of one generation; `receipt` adds up over slices and attempts."""

    log: Log
    open_sink: OpenSink
    codec: Codec
    name: str
    settings: Settings
    patience: Patience
    receipt: ReplayReceipt = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.receipt = ReplayReceipt(replay_id=self.settings.replay_id, fingerprint=self.codec.fingerprint)

    def positions(self) -> Positions:
        """How far the shadow is."""

        def once() -> Positions:
            with opened(self.open_sink) as (_, kept):
                shadow = kept.shadow(self.name)
                try:
                    known = {name: shadow.begin(self._key(name)) for name in self.log.partitions()}
                finally:
                    shadow.close()
            return {name: checkpoint.position for name, checkpoint in known.items() if checkpoint is not None}

        return self.patience.of(once)

    def upto(self, target: Mapping[str, int], progress: Progress) -> None:
        """Load until the shadow is at `target`, commits by partition; further along it stays."""
        here = self.positions()
        total = sum(self._rows(name, max(last, here.get(name, 0))) for name, last in target.items())
        at_begin = sum(self._rows(name, here.get(name, 0)) for name in target)
        read_before = self.receipt.read

        def told(_done: int, _total: int | None) -> None:
            progress(at_begin + self.receipt.read - read_before, total)

        while any(here.get(name, 0) < last for name, last in target.items()):
            here = self.patience.of(lambda: self._slice(target, told))
            if any(here.get(name, 0) < last for name, last in target.items()):
                self.patience.sleep(TURN_S)

    def _slice(self, target: Mapping[str, int], progress: Progress) -> Positions:
        """One opening of the warehouse; how far the shadow is after it."""
        with opened(self.open_sink) as (sink, kept):
            is_exclusive = isinstance(sink, LocksOthersOut) and sink.locks_others_out
            shadow = kept.shadow(self.name)
            try:
                here = {name: shadow.begin(self._key(name)) for name in target}
                places = {name: 0 if known is None else known.position for name, known in here.items()}
                upto = self._slice_end(places, target) if is_exclusive else dict(target)
                replay(
                    self.log,
                    shadow,
                    self.codec,
                    replay_id=self.settings.replay_id,
                    batch_rows_max=self.settings.batch_rows_max,
                    workers=self.settings.workers,
                    progress=progress,
                    upto=upto,
                    selection=None if self.settings.selection.is_all else self.settings.selection,
                    receipt=self.receipt,
                )
            finally:
                shadow.close()
        return {name: max(place, upto.get(name, 0)) for name, place in places.items()}

    def _slice_end(self, places: Positions, target: Mapping[str, int]) -> Positions:
        """Up to which commits one slice goes: one commit at least, `slice_rows` and the rest of one."""
        left = self.settings.slice_rows
        upto: Positions = {}
        for name, last in sorted(target.items()):
            place = places.get(name, 0)
            if left <= 0 or place >= last:
                continue
            reader = self.log.reader(name)
            loaded = held_at(reader.commit(place)) if place else 0
            upto[name] = commit_at(reader, place + 1, last, loaded + left)
            left -= held_at(reader.commit(upto[name])) - loaded
        return upto

    def _rows(self, name: str, commit: int) -> int:
        return held_at(self.log.reader(name).commit(commit)) if commit else 0

    def _key(self, partition: str) -> str:
        return f"{self.settings.replay_id}/{partition}"


def held_at(commit: Commit | None) -> int:
    """Records of a partition up to and including a commit."""
    return 0 if commit is None else commit.next_offset + commit.next_quarantine_offset


def commit_at(reader: PartitionReader, first: int, last: int, rows: int) -> int:
    """The first commit, from `first` to `last`, up to which a partition holds `rows`; `last` if none does."""
    low, high = first, last
    while low < high:
        middle = (low + high) // 2
        if held_at(reader.commit(middle)) >= rows:
            high = middle
        else:
            low = middle + 1
    return low


def heads(log: Log) -> Positions:
    """The last commit of each partition, now."""
    found = {name: log.reader(name).head() for name in log.partitions()}
    return {name: head.number for name, head in found.items() if head is not None}


def waiting_rows(log: Log, here: Mapping[str, int], target: Mapping[str, int]) -> int:
    """Rows of the log behind `here`, up to `target`."""
    total = 0
    for name, last in target.items():
        place = here.get(name, 0)
        if place < last:
            reader = log.reader(name)
            total += held_at(reader.commit(last)) - (held_at(reader.commit(place)) if place else 0)
    return total
