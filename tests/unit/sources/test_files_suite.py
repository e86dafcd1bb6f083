"""FileSource passes the suite for every kind of file, as an author's source would."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eventreplay.batch import Batch
from eventreplay.event import Event
from eventreplay.interfaces import Source
from eventreplay.sources.files import FileSource
from eventreplay.testing.examples import example_events
from eventreplay.testing.source_suite import GrowingSourceSuite, ReplaceableSourceSuite


def line(event: Event) -> bytes:
    record: dict[str, Any] = {
        "event_id": event.event_id,
        "event_type": event.event_type,
        "stream_id": event.stream_id,
        "source": event.source,
        "occurred_at": event.occurred_at.isoformat(),
        "content_type": event.content_type,
        "headers": dict(event.headers),
        "payload_base64": base64.b64encode(event.payload).decode(),
    }
    if event.recorded_at is not None:
        record["recorded_at"] = event.recorded_at.isoformat().replace("+00:00", "Z")
    return json.dumps(record, ensure_ascii=False).encode()


BAD = b'{"event_id": "no time", "payload": {}}'


class FileSuite(GrowingSourceSuite, ReplaceableSourceSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "events"
        self.folder.mkdir()
        self.write()

    def write(self) -> None:
        raise NotImplementedError

    def path(self) -> Path:
        return self.folder

    def make_source(self, *, batch_rows_max: int = 64) -> Source:
        return FileSource(self.path(), batch_rows_max=batch_rows_max)

    def make_replaced_source(self) -> Source:
        for path in sorted(self.folder.iterdir()):
            path.unlink()
        self.write_other()
        return FileSource(self.path())

    def write_other(self) -> None:
        raise NotImplementedError


class TestLines(FileSuite):
    rejects_min = 2
    name = "a.jsonl"

    def pack(self, data: bytes) -> bytes:
        return data

    def path(self) -> Path:
        return self.folder / self.name

    def write(self) -> None:
        lines = [line(event) for event in example_events(12)]
        lines[5:5] = [b"", b"not json", BAD, b"  "]
        self.path().write_bytes(self.pack(b"\n".join(lines) + b"\n"))

    def append(self, events: Sequence[Event]) -> None:
        with self.path().open("ab") as stream:
            stream.write(self.pack(b"".join(line(event) + b"\n" for event in events)))

    def write_other(self) -> None:
        self.path().write_bytes(
            self.pack(b"".join(line(event) + b"\n" for event in example_events(9, first=50)))
        )


class TestLinesGzip(TestLines):
    name = "a.ndjson.gz"

    def pack(self, data: bytes) -> bytes:
        return gzip.compress(data)


class TestArray(FileSuite):
    rejects_min = 1

    def write(self) -> None:
        self.events = [line(event) for event in example_events(12)]
        self.events.insert(4, BAD)
        self._save()

    def _save(self) -> None:
        (self.folder / "a.json").write_bytes(b"[\n  " + b",\n  ".join(self.events) + b"\n]\n")

    def append(self, events: Sequence[Event]) -> None:
        self.events += [line(event) for event in events]
        self._save()

    def write_other(self) -> None:
        self.events = [line(event) for event in example_events(9, first=50)]
        self._save()


class TestParquet(FileSuite):
    def write(self) -> None:
        self._save(0, example_events(13))

    def _save(self, number: int, events: Sequence[Event]) -> None:
        table = pa.Table.from_batches([Batch.from_events(events).events]).drop_columns("source_position")
        pq.write_table(table, self.folder / f"part-{number:03d}.parquet", row_group_size=5)

    def append(self, events: Sequence[Event]) -> None:
        self._save(len(list(self.folder.iterdir())), events)

    def write_other(self) -> None:
        self._save(0, example_events(9, first=50))


class TestFolderOfAll(FileSuite):
    """Kinds mixed in one folder, an empty file between, growth by a later file."""

    rejects_min = 1

    def write(self) -> None:
        (self.folder / "_SUCCESS").write_bytes(b"")
        lines = [line(event) for event in example_events(4)]
        (self.folder / "a.jsonl").write_bytes(b"\n".join([*lines, BAD]))
        (self.folder / "b.jsonl").write_bytes(b"")
        more = [line(event) for event in example_events(3, first=4)]
        (self.folder / "c.json").write_bytes(b"[" + b",".join(more) + b"]")
        pq.write_table(
            pa.Table.from_batches([Batch.from_events(example_events(6, first=7)).events]),
            self.folder / "d.parquet",
            row_group_size=4,
        )

    def append(self, events: Sequence[Event]) -> None:
        later = self.folder / f"e{len(list(self.folder.iterdir())):03d}.jsonl"
        later.write_bytes(b"".join(line(event) + b"\n" for event in events))

    def write_other(self) -> None:
        (self.folder / "a.jsonl").write_bytes(
            b"".join(line(event) + b"\n" for event in example_events(9, first=50))
        )


del FileSuite
