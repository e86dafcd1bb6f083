"""A folder of card lists as a source: the example of an adapter to files that somebody already has."""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from attrs import frozen

from eventreplay.batch import EVENT_SCHEMA, HEADERS, REJECT_SCHEMA, TIMESTAMP, Batch
from eventreplay.demo.cardlists.reading import Entry, Rejection, Rows, read_rows
from eventreplay.demo.generator.catalog import CardColumns
from eventreplay.demo.generator.columns import instants
from eventreplay.demo.generator.wire import Encoder
from eventreplay.errors import ConfigError, EpochError, SourceError
from eventreplay.event import Position

FILE_BYTES_MAX = 64 * 1024 * 1024
CARD_RELEASED = "sportscards.catalog.v1.CardReleased"
_SOURCE = "urn:sportscards:cardlists"


@frozen
class _File:
    """A file as it was when the folder was indexed: its rows stand at positions `first` on."""

    path: str
    sha256: bytes
    first: int
    count: int
    refused: frozenset[str]


class CardListSource:
    """Every card, parallel and variation in a folder of card-list JSON as a CardReleased event.

    Files are found in any layout of nested folders and taken in the order of their relative paths; a
    row's position is its ordinal over all of them. Symbolic links are not followed and hidden files are
    left alone, so nothing outside the folder is ever read. What cannot be read is rejected with a reason
    and its bytes; files larger than `FILE_BYTES_MAX` are rejected by name and hash only.

    The folder is indexed (every file read once) at the first use. The epoch is a hash of all names and
    contents: a changed folder is another source, and a file that changes while it is read stops the run.

    Args:
        path: the folder.
        batch_rows_max: rows in a batch at most.

    Raises:
        ConfigError: there is no such folder.
    """

    def __init__(self, path: str | os.PathLike[str], *, batch_rows_max: int = 32_768) -> None:
        self._folder = Path(path)
        if not self._folder.is_dir():
            raise ConfigError(
                f"There is no folder {self._folder}.", hint="Give the folder that holds the card lists."
            )
        if batch_rows_max < 1:
            raise ConfigError("batch_rows_max must be at least 1.", hint="Leave it at its default.")
        self._batch_rows_max = batch_rows_max
        self._index: list[_File] | None = None
        self._encoder = Encoder()

    @property
    def name(self) -> str:
        """`cardlists`: checkpoints carry it; which folder it was, the epoch says."""
        return "cardlists"

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (str(self._folder), self._batch_rows_max))

    def epoch(self) -> str:
        """Hash over all file names and contents."""
        state = hashlib.sha256()
        for file in self._files():
            state.update(f"{len(file.path.encode())}:{file.path}".encode() + file.sha256)
        return state.hexdigest()[:32]

    def head(self) -> Position | None:
        """Position of the last row; None if no file has one."""
        rows = sum(file.count for file in self._files())
        return None if rows == 0 else Position(rows - 1)

    def read(self, after: Position | None, upto: Position) -> Iterator[Batch]:
        """Yield (after, upto]; a batch holds rows of one file.

        Raises:
            EpochError: a file is not as it was when the folder was indexed.
            SourceError: a file cannot be opened.
        """
        start = 0 if after is None else after + 1
        files = self._files()
        firsts = [file.first for file in files]
        for file in files[max(bisect_right(firsts, start) - 1, 0) :]:
            if file.first > upto:
                break
            low, high = max(start, file.first), min(upto + 1, file.first + file.count)
            if low >= high:
                continue
            rows = self._rows(file)
            for at in range(low, high, self._batch_rows_max):
                yield self._batch(file, rows, at, min(at + self._batch_rows_max, high))

    def close(self) -> None:
        """Forget the index; nothing is held open."""
        self._index = None

    def cards(self) -> pa.Table:
        """All SKUs with their players: `sku` string, `players` list of strings; in order, each SKU once.

        What a generator needs to sell these cards.
        """
        sku: dict[str, list[str]] = {}
        for file in self._files():
            for entry in self._rows(file).entries:
                sku.setdefault(entry.sku, entry.card.players)
        players = pa.array(list(sku.values()), pa.list_(pa.string()))
        return pa.table({"sku": pa.array(list(sku), pa.string()), "players": players})

    def _files(self) -> list[_File]:
        if self._index is None:
            files: list[_File] = []
            seen: dict[str, str] = {}
            first = 0

            def contradicts(unique_id: str, digest: str, _place: str) -> bool:
                return seen.setdefault(unique_id, digest) != digest

            for path in _paths(self._folder):
                data, digest = self._content(path)
                rows = _too_large(digest) if data is None else read_rows(path, data, contradicts)
                refused = frozenset(
                    each.place for each in rows.rejections if each.code == "duplicate_unique_id"
                )
                files.append(_File(path, digest, first, rows.count, refused))
                first += rows.count
            self._index = files
        return self._index

    def _rows(self, file: _File) -> Rows:
        data, digest = self._content(file.path)
        if digest != file.sha256:
            raise EpochError(
                f"{file.path} changed while its folder was being read.",
                hint="Leave the folder alone during a run, and capture a changed one under a new partition.",
                expected=file.sha256.hex(), found=digest.hex(),
            )  # fmt: skip
        if data is None:
            return _too_large(digest)
        return read_rows(file.path, data, lambda _id, _digest, place: place in file.refused)

    def _content(self, path: str) -> tuple[bytes | None, bytes]:
        try:
            with (self._folder / path).open("rb") as stream:
                if os.fstat(stream.fileno()).st_size > FILE_BYTES_MAX:
                    return None, hashlib.file_digest(stream, "sha256").digest()
                data = stream.read()
        except OSError as error:
            raise SourceError(
                f"{path} cannot be read: {error.strerror}.", hint="Make the card lists readable.", path=path
            ) from error
        return data, hashlib.sha256(data).digest()

    def _batch(self, file: _File, rows: Rows, low: int, high: int) -> Batch:
        first, last = low - file.first, high - file.first
        entries = [entry for entry in rows.entries if first <= entry.ordinal < last]
        rejections = [each for each in rows.rejections if first <= each.ordinal < last]
        rejected = _rejected(file, rejections) if rejections else None
        return Batch(self._events(file, rows, entries), rejected)

    def _events(self, file: _File, rows: Rows, entries: list[Entry]) -> pa.RecordBatch:
        count = len(entries)
        sku = pa.array([entry.sku for entry in entries], pa.string())
        released = np.full(count, _released_at(rows.year), dtype=np.int64)
        columns = CardColumns(
            sku=sku,
            base_sku=pa.array([entry.card.unique_id for entry in entries], pa.string()),
            players=pa.array([entry.card.players for entry in entries], pa.list_(pa.string())),
            team=_constant("", count),
            sport=_constant(rows.sport, count),
            release=_constant(rows.release, count),
            set_name=pa.array([entry.card.set_name for entry in entries], pa.string()),
            card_number=pa.array([entry.card.number for entry in entries], pa.string()),
            release_year=np.full(count, rows.year, dtype=np.int64),
            parallel=pa.array([entry.parallel for entry in entries], pa.string()),
            print_run=pa.array([entry.print_run for entry in entries], pa.uint32()),
            attributes=pa.array([entry.attributes for entry in entries], pa.list_(pa.string())),
            price4=None,
        )
        payload = self._encoder.message(
            CARD_RELEASED,
            {"card": self._encoder.card(columns, CARD_RELEASED), "released_at": instants(released)},
        )
        file_header = ("file", file.path)
        arrays = [
            pa.array([f"{entry.sku}@{entry.card.digest}" for entry in entries], pa.string()),
            _constant(CARD_RELEASED, count),
            sku,
            _constant(_SOURCE, count),
            pa.array([file.first + entry.ordinal for entry in entries], pa.int64()),
            instants(released),
            pa.nulls(count, TIMESTAMP),
            _constant("application/protobuf", count),
            pa.array([[file_header, *entry.headers] for entry in entries], HEADERS),
            payload,
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=EVENT_SCHEMA)


def _paths(folder: Path) -> list[str]:
    """Relative paths of the folder's JSON files, sorted by their characters; no links, nothing hidden."""
    found = []
    for parent, folders, files in os.walk(folder, followlinks=False):
        folders[:] = [each for each in folders if not each.startswith(".")]
        for each in files:
            path = Path(parent, each)
            if (
                each.lower().endswith(".json")
                and not each.startswith(".")
                and path.is_file()
                and not path.is_symlink()
            ):
                found.append(path.relative_to(folder).as_posix())
    return sorted(found)


def _too_large(digest: bytes) -> Rows:
    rows = Rows()
    message = f"The file is larger than {FILE_BYTES_MAX} bytes; it stays where it is, SHA-256 {digest.hex()}."
    rows.reject("", b"", "file_too_large", message)
    return rows


def _rejected(file: _File, rejections: list[Rejection]) -> pa.RecordBatch:
    rows = [
        {
            "event_type": CARD_RELEASED,
            "stream_id": f"{file.path}#{each.place}",
            "source": _SOURCE,
            "source_position": file.first + each.ordinal,
            "content_type": "application/json",
            "headers": [("file", file.path), ("place", each.place)],
            "payload": each.original,
            "error_code": each.code,
            "error_message": each.message,
        }
        for each in rejections
    ]
    return pa.RecordBatch.from_pylist(rows, schema=REJECT_SCHEMA)


def _released_at(year: int) -> int:
    """First moment of the release's year in microseconds since 1970; 1970 where the list names no year."""
    return int(datetime(year or 1970, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


def _constant(text: str, count: int) -> pa.Array:
    return pa.array([text], pa.string()).take(pa.array(np.zeros(count, dtype=np.int64)))


def _restore(folder: str, batch_rows_max: int) -> CardListSource:
    return CardListSource(folder, batch_rows_max=batch_rows_max)
