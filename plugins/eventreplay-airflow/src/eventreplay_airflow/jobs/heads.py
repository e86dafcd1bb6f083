"""Where a log's partitions stand, asked again and again at the cost of one listing each."""

from __future__ import annotations

from collections.abc import Mapping

from eventreplay.log import Log, PartitionReader


class Heads:
    """The numbers of the last commits; keeps what it has seen, so a look costs one listing per partition.

    Args:
        log: whose heads.
        names: partitions to look at; None: all there are.
    """

    def __init__(self, log: Log, names: frozenset[str] | None = None) -> None:
        self._log = log
        self._names = names
        self._readers: dict[str, PartitionReader] = {}

    def look(self) -> dict[str, int]:
        """Number of the last commit by partition; 0 before the first."""
        names = self._log.partitions() if self._names is None else sorted(self._names)
        found = {}
        for name in names:
            reader = self._readers.setdefault(name, self._log.reader(name))
            head = reader.head()
            found[name] = 0 if head is None else head.number
        return found


def beyond(heads: Mapping[str, int], marks: Mapping[str, int], *, every: bool) -> bool:
    """Whether partitions have commits behind `marks`: every one named, or any there is."""
    if every:
        return all(heads.get(name, 0) > mark for name, mark in marks.items())
    return any(number > marks.get(name, 0) for name, number in heads.items())
