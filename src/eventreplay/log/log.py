"""A log as a whole: its partitions, the hash over all of them, and the way to readers and writers."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable

import pyarrow as pa

from eventreplay.errors import LogError
from eventreplay.log import layout
from eventreplay.log.beginning import begin
from eventreplay.log.check import CheckProgress, CheckReport, check_log
from eventreplay.log.commit import SegmentRef, commit_bytes
from eventreplay.log.gaps import GapLedger
from eventreplay.log.gc import GcReport, collect_garbage
from eventreplay.log.reader import CommitRange, PartitionReader, read_ref
from eventreplay.log.receipts import ReceiptBook
from eventreplay.log.s3 import S3Settings
from eventreplay.log.storage import Storage, open_storage
from eventreplay.log.writer import SEGMENT_BYTES_MAX, PartitionWriter


def _token() -> str:
    return secrets.token_hex(16)


class Log:
    """The immutable log under one URL. Cheap to open; nothing is made before something is written.

    Attributes:
        url: where it is; another process reads a `SegmentRef` of it by `reach` and `read_segment`.
        s3: how a log on S3 is reached; what is secret in it does not print.
    """

    def __init__(
        self, url: str, storage: Storage, token_source: Callable[[], str], s3: S3Settings | None = None
    ) -> None:
        self.url = url
        self.s3 = s3
        self._storage = storage
        self._token_source = token_source

    @classmethod
    def open(
        cls,
        url: str | os.PathLike[str],
        *,
        storage: Storage | None = None,
        s3: S3Settings | None = None,
        token_source: Callable[[], str] = _token,
    ) -> Log:
        """Open the log at a folder or at `s3://bucket/prefix`.

        Args:
            url: where it is.
            s3: how to reach a log on S3; None: boto3's chain of credentials and the conventional variables.
            storage: the store itself, instead of the one `url` names; for tests and other stores.
            token_source: yields a text that no other writer ever has; the fence rests on that.

        Raises:
            ConfigError: no store can be opened at `url`.
            LogError: what stands there is not a log of this version.
        """
        name = os.fspath(url)
        log = cls(name, open_storage(name, s3) if storage is None else storage, token_source, s3)
        found = log._storage.get(layout.FORMAT_KEY)
        if found is not None and found != layout.FORMAT_BYTES:
            raise LogError(
                f"{layout.FORMAT_KEY} in {name} is not that of a log of version 1.",
                hint="Give another folder, or use the release that wrote it.",
                key=layout.FORMAT_KEY,
            )
        return log

    def exists(self) -> bool:
        """Whether a writer has ever been opened here."""
        return self._storage.get(layout.FORMAT_KEY) is not None

    def partitions(self) -> list[str]:
        """Names of the partitions, ascending; one that was claimed but never committed to is among them."""
        return [name for name in self._storage.folders(f"{layout.COMMITS}/") if layout.valid_partition(name)]

    def reader(self, partition: str) -> PartitionReader:
        """A reader of one partition, which need not have been begun."""
        return PartitionReader(self._storage, partition)

    def between(self, partition: str, *, after: int, upto: int) -> CommitRange:
        """A reader of the commits behind number `after`, up to number `upto`, and of no others."""
        return CommitRange(self._storage, partition, after=after, upto=upto)

    def take_over(self, other: Log, partition: str, *, upto: int) -> None:
        """Begin a partition as a copy of another log's chain, so that a capture goes on behind `upto`.

        Its commits are copied and verified, their segments are not: what this partition then holds can be
        gone on from and compared, and nothing of before can be read in it.

        Args:
            other: the log to copy from.
            partition: one that this log has not begun.
            upto: number of the last commit copied; 0: only the log itself is begun.

        Raises:
            CorruptLogError: the chain is damaged.
            LogError: this log holds something at that place.
        """
        begin(self._storage)
        for commit in other.between(partition, after=0, upto=upto).commits() if upto > 0 else ():
            key = layout.commit_key(partition, commit.number)
            data = commit_bytes(commit)
            if not self._storage.put_new(key, data):
                raise LogError(f"{key} is there already.", hint="Give an empty log.", key=key)

    def gaps(self, partition: str) -> GapLedger:
        """What is known of a partition's holes: positions of its source that will never hold an event."""
        return GapLedger(self._storage, partition)

    def receipts(self) -> ReceiptBook:
        """What the runs over this log say they did; `eventreplay.receipts` reads and writes it."""
        return ReceiptBook(self._storage)

    def writer(
        self,
        partition: str,
        *,
        segment_positions: int | None = None,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> PartitionWriter:
        """Take a partition over. From now on no earlier writer of it can commit anything.

        Open one only if there is something to write.

        Args:
            partition: its name; begun if it is new.
            segment_positions: width of the fixed ranges of positions that segments keep to; None for a
                source without order. Once a partition is begun its own width holds, whatever is given.
            segment_bytes_max: payload bytes after which whoever cuts segments should close one.

        Raises:
            ConfigError: a malformed name, or a width below 1.
            CorruptLogError: the end of its chain is damaged.
        """
        return PartitionWriter(
            self._storage,
            layout.check_partition(partition),
            token=self._token_source(),
            segment_positions=segment_positions,
            segment_bytes_max=segment_bytes_max,
        )

    def read(self, ref: SegmentRef) -> pa.Table:
        """One verified segment; see `PartitionReader.read`."""
        return read_ref(self._storage, ref)

    def sha256(self) -> str:
        """Hex hash over the heads of all partitions: equal for equal logs, and only for those.

        Claims, orphans and partitions without a commit do not count.
        """
        lines = []
        for partition in self.partitions():
            head = self.reader(partition).head()
            if head is not None:
                lines.append(f"{partition} {head.sha256}\n")
        return hashlib.sha256("".join(sorted(lines)).encode("ascii")).hexdigest()

    def check(self, progress: Callable[[CheckProgress], None] | None = None) -> CheckReport:
        """Recompute every hash of the log; never raises for damage, reports all of it. See `check`."""
        return check_log(self._storage, progress)

    def gc(self, *, dry_run: bool = False) -> GcReport:
        """Remove what no commit names and none ever will; disturbs nobody who writes or reads. See `gc`."""
        return collect_garbage(self._storage, dry_run=dry_run)
