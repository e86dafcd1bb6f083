"""A source from a position on: for a partition that is to hold a range of a journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from eventreplay.batch import Batch
from eventreplay.event import Position
from eventreplay.interfaces import Gaps, Source, SupportsGaps


class _From:
    """`source` without what lies below `first`; a partition that is beyond `first` notices nothing."""

    def __init__(self, source: Any, first: int) -> None:
        self._source = source
        self._first = first

    @property
    def name(self) -> str:
        name: str = self._source.name
        return name

    def epoch(self) -> str:
        epoch: str = self._source.epoch()
        return epoch

    def head(self) -> Position | None:
        head: Position | None = self._source.head()
        return head

    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        if self._first > 0 and (after is None or after < self._first - 1):
            after = Position(self._first - 1)
        if after is not None and after >= upto:
            return
        yield from self._source.read(after, upto)

    def close(self) -> None:
        self._source.close()


class _FromWithGaps(_From):
    """The same of a source that proves its holes dead: what lies below `first` is none of this partition."""

    def resume(self, after: Position | None) -> None:
        if self._first > 0 and (after is None or after < self._first - 1):
            after = Position(self._first - 1)
        self._source.resume(after)

    def gaps(self) -> Sequence[Gaps]:
        found: Sequence[Gaps] = self._source.gaps()
        return found

    def late(self, gaps: Iterable[Gaps]) -> Sequence[int]:
        found: Sequence[int] = self._source.late(gaps)
        return found


def begin_at(source: Source, first: int) -> Source:
    """`source` from position `first` on."""
    return (_FromWithGaps if isinstance(source, SupportsGaps) else _From)(source, first)
