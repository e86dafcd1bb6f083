"""What a file held when it was looked at: rows, bytes and hash, so that changed history is found.

A position is a row's number, so it means something only as long as nothing below it changes. Two things
may happen to files without changing a position: the last one grows at its end, and files come after it in
name order. Everything else is another history.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from attrs import asdict, frozen

from eventreplay.errors import EpochError, SourceError, SourceUnavailableError
from eventreplay.sources.byte_stream import ByteStream
from eventreplay.sources.json_record import is_whole
from eventreplay.sources.json_spans import Spans, element_spans
from eventreplay.sources.listing import SourceFile

_HISTORY_FORMAT = "eventreplay files 1"
_BOM = b"\xef\xbb\xbf"
_MAY_FOLLOW = (b"", b"\r", b"\n", b" ", b"\t")


@frozen(kw_only=True)
class FileLimits:
    """Bounds of reading files; every one is at least 1.

    Attributes:
        batch_rows_max: records handed on at once.
        block_bytes_max: bytes read at once.
        record_bytes_max: longest record that is parsed.
        gzip_ratio_max: how many times its size a gzip file may unfold to.
    """

    batch_rows_max: int = 16_384
    block_bytes_max: int = 4 * 1024 * 1024
    record_bytes_max: int = 8 * 1024 * 1024
    gzip_ratio_max: int = 200


@frozen(kw_only=True)
class FileMark:
    """The counted part of a file: rows, bytes (unpacked, for arrays: of elements) and their SHA-256."""

    name: str
    rows: int
    bytes_counted: int
    sha256: str


def take_mark(file: SourceFile, limits: FileLimits, *, before: FileMark | None, may_grow: bool) -> FileMark:
    """Look through a file; memory bounded by a block and a record.

    Args:
        file: what to look at.
        limits: bounds.
        before: an earlier mark whose content must still be the begin of this file's.
        may_grow: whether the end may still be being written: then a last line that is not whole is left out.

    Raises:
        EpochError: the file does not begin with what `before` says.
        SourceError: the file is damaged or cut off.
    """
    if file.kind == "parquet":
        return _parquet_mark(file, before)
    with ByteStream(file, gzip_ratio_max=limits.gzip_ratio_max) as stream:
        mark = (
            _line_mark(file, stream, limits, before, may_grow=may_grow)
            if file.kind == "lines"
            else _array_mark(file, stream, limits, before)
        )
        if stream.is_cut and not (may_grow and file.kind == "lines"):
            raise SourceError(f"{file.name!r} is cut off within its gzip data.", hint="Write the file again.")
    return mark


def changed(name: str, before: FileMark, found: FileMark | None = None) -> EpochError:
    """The error for a file whose counted part is no longer what it was."""
    return EpochError(
        f"{name!r} changed below what was read of it: positions no longer mean the same records.",
        hint="Only the end of the last file may grow. Read the files as they are now under another name.",
        expected=before.sha256,
        found="" if found is None else found.sha256,
        file=name,
    )


class _Digest:
    """A running hash that remembers its value at one place, and what stands on both sides of it."""

    def __init__(self, at: int | None) -> None:
        self._hash = hashlib.sha256()
        self.at = at
        self.total = 0
        self.seen = self._hash.hexdigest() if at == 0 else None
        self.before_at = self.after_at = b""

    def update(self, data: bytes) -> None:
        if not data:
            return
        if self.at is not None and self.total == self.at:
            self.after_at = data[:1]
        if self.at is not None and self.total < self.at <= self.total + len(data):
            cut = self.at - self.total
            self._hash.update(data[:cut])
            self.seen, self.before_at, self.after_at = (
                self._hash.hexdigest(),
                data[cut - 1 : cut],
                data[cut : cut + 1],
            )
            self._hash.update(data[cut:])
        else:
            self._hash.update(data)
        self.total += len(data)

    def hexdigest(self) -> str:
        return self._hash.copy().hexdigest()


def _line_mark(
    file: SourceFile, stream: ByteStream, limits: FileLimits, before: FileMark | None, *, may_grow: bool
) -> FileMark:
    digest = _Digest(None if before is None else before.bytes_counted)
    rows, ended_bytes, ended_sha256, tail = 0, 0, digest.hexdigest(), b""
    while chunk := stream.read(limits.block_bytes_max):
        cut = chunk.rfind(b"\n") + 1
        if cut:
            digest.update(chunk[:cut])
            rows += chunk.count(b"\n")
            ended_bytes, ended_sha256, tail = digest.total, digest.hexdigest(), b""
        digest.update(chunk[cut:])
        # A tail longer than a record may be is not whole, and need not be held to know it.
        tail = (tail + chunk[cut:])[: limits.record_bytes_max + 1]
    mark = FileMark(name=file.name, rows=rows, bytes_counted=ended_bytes, sha256=ended_sha256)
    if tail and (
        not may_grow or (len(tail) <= limits.record_bytes_max and is_whole(tail.removeprefix(_BOM)))
    ):
        mark = FileMark(name=file.name, rows=rows + 1, bytes_counted=digest.total, sha256=digest.hexdigest())
    if before is not None:
        is_line_end = digest.before_at in (b"", b"\n") or digest.after_at in _MAY_FOLLOW
        if digest.seen != before.sha256 or not is_line_end or mark.rows < before.rows:
            raise changed(file.name, before, mark)
    return mark


def _array_mark(
    file: SourceFile, stream: ByteStream, limits: FileLimits, before: FileMark | None
) -> FileMark:
    digest = _Digest(None if before is None else before.bytes_counted)
    rows = 0
    bounds = {"block_bytes_max": limits.block_bytes_max, "record_bytes_max": limits.record_bytes_max}
    for spans in element_spans(stream, file.name, **bounds):
        digest.update(b"".join(_elements(spans)))
        rows += len(spans.begins)
    mark = FileMark(name=file.name, rows=rows, bytes_counted=digest.total, sha256=digest.hexdigest())
    if before is not None and (digest.seen != before.sha256 or rows < before.rows):
        raise changed(file.name, before, mark)
    return mark


def _elements(spans: Spans) -> list[bytes]:
    """Each element as it stands, ended by a comma: the same bytes wherever blocks begin and end."""
    places = zip(spans.begins.tolist(), spans.ends.tolist(), strict=True)
    return [spans.block[begin:end].strip() + b"," for begin, end in places]


def _parquet_mark(file: SourceFile, before: FileMark | None) -> FileMark:
    try:
        rows = pq.read_metadata(file.path).num_rows
        with file.path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            size_bytes = stream.tell()
    except pa.ArrowException as error:
        raise SourceError(
            f"{file.name!r} is no Parquet file.", hint="It may be cut off: write it again."
        ) from error
    except OSError as error:
        raise SourceUnavailableError(f"{file.name!r} cannot be read.", hint="See the cause above.") from error
    mark = FileMark(name=file.name, rows=rows, bytes_counted=size_bytes, sha256=sha256)
    if before is not None and mark != before:
        raise changed(file.name, before, mark)
    return mark


def load_history(path: Path) -> list[FileMark]:
    """Marks written by `save_history`; none if there is no file yet.

    Raises:
        SourceError: the file is damaged or of another format.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"The history {path.name!r} cannot be read.", hint="See the cause above."
        ) from error
    try:
        content = json.loads(text)
        # A format that is not ours has no list under our name for it.
        return [FileMark(**mark) for mark in content[_HISTORY_FORMAT]]
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"The history {path.name!r} is damaged, or of another version.",
            hint="Without it changed files cannot be told from grown ones: remove it only if none changed.",
        ) from error


def save_history(path: Path, marks: Sequence[FileMark]) -> None:
    """Write marks so that a crash leaves the old file or the new one."""
    content = {_HISTORY_FORMAT: [asdict(mark) for mark in marks]}
    new = path.with_name(path.name + ".new")
    try:
        with new.open("w", encoding="utf-8") as stream:
            json.dump(content, stream, ensure_ascii=False, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
    except OSError as error:
        raise SourceError(
            f"The history {path.name!r} cannot be written.", hint="See the cause above."
        ) from error
