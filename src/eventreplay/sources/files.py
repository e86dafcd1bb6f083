"""Files of events as a source: JSON lines, JSON arrays and Parquet; one file, a folder or a glob.

Positions are row numbers: row i of a file stands behind all rows of the files before it, in the order of
their names. A blank line takes a position and yields nothing.

Growth is allowed at one end only: the last file may grow (JSON lines, or an array written anew with more
elements), and files may be added whose names come later. The epoch is a hash of the first file's name and
first record, so it stays while that happens and changes when the files are others. Anything else, a row
changed or taken out or put in below what was announced, is found by comparing hashes of all that was
announced before: within one object always, across runs if `history_path` is given. It ends in `EpochError`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve, fields

from eventreplay.batch import Batch
from eventreplay.errors import ConfigError, EpochError
from eventreplay.event import Position
from eventreplay.sources.byte_stream import ByteStream
from eventreplay.sources.file_marks import (
    FileLimits,
    FileMark,
    changed,
    load_history,
    save_history,
    take_mark,
)
from eventreplay.sources.json_batches import batches, long_batch
from eventreplay.sources.json_record import is_whole
from eventreplay.sources.json_spans import LongRecord, Spans, element_spans, line_spans
from eventreplay.sources.listing import SourceFile, list_files
from eventreplay.sources.parquet import check_columns, parquet_batches

_EPOCH_BYTES_MAX = 65_536


class FileSource:
    """A `Source` over files.

    Args:
        path: a file, a folder (read with its folders) or a glob such as `exports/*.jsonl.gz`.
        name: the source's name; the path's last part unless given.
        is_finished: nothing is being written any more. Otherwise a last line without line end that is
            not whole JSON is left for later, because a writer may be in the middle of it.
        history_path: a small file, outside of the folder read, that remembers what was announced, so that
            changed history is found across runs. Written by `head`.
        limits: bounds of memory and of gzip; `line_bytes_max` and the others below override single ones.
        batch_rows_max: records per batch.
        line_bytes_max: a longer record is rejected by reference: its begin, length and SHA-256 go to the
            quarantine, the file keeps the rest. Reading one record takes up to about 30 times its size.

    Raises:
        ConfigError: a bound is below 1, or the path does not mean files of events.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        is_finished: bool = False,
        history_path: str | Path | None = None,
        limits: FileLimits | None = None,
        batch_rows_max: int | None = None,
        line_bytes_max: int | None = None,
    ) -> None:
        limits = FileLimits() if limits is None else limits
        if batch_rows_max is not None:
            limits = evolve(limits, batch_rows_max=batch_rows_max)
        if line_bytes_max is not None:
            limits = evolve(limits, record_bytes_max=line_bytes_max)
        for bound in fields(FileLimits):
            if getattr(limits, bound.name) < 1:
                raise ConfigError(
                    f"{bound.name} is below 1.", hint="Every bound is at least 1.", setting=bound.name
                )
        self._path = Path(path)
        self._name = f"files:{self._path.name}" if name is None else name
        self._is_finished = is_finished
        self._history_path = None if history_path is None else Path(history_path)
        self._limits = limits
        self._files: list[SourceFile] = []
        self._marks: list[FileMark] | None = None
        list_files(path)

    @property
    def name(self) -> str:
        """The name given, or one made of the path's last part."""
        return self._name

    def epoch(self) -> str:
        """Hash of the first record and the name of its file; stays while files grow at their end."""
        files = list_files(self._path)
        for at, file in enumerate(files):
            first = self._first_record(file, may_grow=self._may_grow(at, files))
            if first is not None:
                digest = hashlib.sha256(b"eventreplay files 1\0" + file.name.encode() + b"\0" + first)
                return digest.hexdigest()[:32]
        return "empty"

    def head(self) -> Position | None:
        """The last row that is whole; looks through all files, at the speed of reading and hashing.

        Raises:
            EpochError: what was announced before is no longer there.
            SourceError: a file is damaged, or leads out of its folder.
        """
        self._look()
        rows = self._rows()
        return Position(rows - 1) if rows else None

    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        """Rows in (after, upto], file by file.

        Raises:
            EpochError: the files hold fewer rows than `upto`, or changed since `head`.
        """
        if self._marks is None or self._rows() <= upto:
            self._look()
        if self._rows() <= upto:
            raise EpochError(
                f"The files hold {self._rows()} records, but position {upto} was read or announced before.",
                hint="They were cut off or replaced. Read the files as they are now under another name.",
                expected=int(upto),
                found=self._rows() - 1,
            )
        base = 0
        for file, mark in zip(self._files, self._marks or (), strict=True):
            low = max(0, 0 if after is None else int(after) + 1 - base)
            high = min(mark.rows - 1, int(upto) - base)
            if low <= high:
                _check_size(file, mark)
                yield from self._batches(file, base, low, high)
            base += mark.rows

    def close(self) -> None:
        """Nothing is kept open between batches; what `head` saw is forgotten."""
        self._marks = None

    def _rows(self) -> int:
        return sum(mark.rows for mark in self._marks or ())

    def _may_grow(self, at: int, files: list[SourceFile]) -> bool:
        return at == len(files) - 1 and not self._is_finished

    def _look(self) -> None:
        """Mark all files, holding them against what was announced before."""
        before = self._marks
        if before is None:
            before = [] if self._history_path is None else load_history(self._history_path)
        files = list_files(self._path)
        for at, mark in enumerate(before):
            if at >= len(files) or files[at].name != mark.name:
                raise changed(mark.name, mark)
        marks: list[FileMark] = []
        for at, file in enumerate(files):
            if file.kind == "parquet":
                check_columns(file)
            known = before[at] if at < len(before) else None
            mark = take_mark(file, self._limits, before=known, may_grow=self._may_grow(at, files))
            # Only the file that was the last one could have grown without moving the rows behind it.
            if known is not None and at < len(before) - 1 and mark != known:
                raise changed(file.name, known, mark)
            marks.append(mark)
        if self._history_path is not None and marks != before:
            save_history(self._history_path, marks)
        self._files, self._marks = files, marks

    def _first_record(self, file: SourceFile, *, may_grow: bool) -> bytes | None:
        if file.kind == "parquet":
            mark = take_mark(file, self._limits, before=None, may_grow=may_grow)
            return mark.sha256.encode() if mark.rows else None
        with ByteStream(file, gzip_ratio_max=self._limits.gzip_ratio_max) as stream:
            for spans in self._spans(file, stream, skip=0):
                if isinstance(spans, LongRecord):
                    return spans.begin if spans.is_ended or not may_grow else None
                first = spans.block[spans.begins[0] : spans.ends[0]].strip()
                if not spans.is_ended and may_grow and not is_whole(first):
                    return None
                return first[:_EPOCH_BYTES_MAX]
        return None

    def _spans(self, file: SourceFile, stream: ByteStream, *, skip: int) -> Iterator[Spans | LongRecord]:
        block, record = self._limits.block_bytes_max, self._limits.record_bytes_max
        if file.kind == "lines":
            return line_spans(stream, block_bytes_max=block, record_bytes_max=record, skip=skip)
        return element_spans(stream, file.name, block_bytes_max=block, record_bytes_max=record, skip=skip)

    def _batches(self, file: SourceFile, base: int, low: int, high: int) -> Iterator[Batch]:
        if file.kind == "parquet":
            yield from parquet_batches(file, base, low, high, self._limits.batch_rows_max)
            return
        bounds = {"rows_max": self._limits.batch_rows_max, "record_bytes_max": self._limits.record_bytes_max}
        with ByteStream(file, gzip_ratio_max=self._limits.gzip_ratio_max) as stream:
            for spans in self._spans(file, stream, skip=low):
                if isinstance(spans, LongRecord):
                    if low <= spans.number <= high:
                        yield long_batch(spans, base)
                    continue
                begin, end = max(low - spans.first, 0), high + 1 - spans.first
                if end <= 0:
                    return
                wanted = Spans(
                    spans.first + begin, spans.block, spans.begins[begin:end], spans.ends[begin:end]
                )
                yield from batches(wanted, base, **bounds)


def _check_size(file: SourceFile, mark: FileMark) -> None:
    """A file that shrank since it was marked holds something else; found before any of it is handed on."""
    if file.kind == "lines" and not file.is_gzip and file.path.stat().st_size < mark.bytes_counted:
        raise changed(file.name, mark)
