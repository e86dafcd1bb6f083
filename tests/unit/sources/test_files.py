"""What is the file source's own: forms of records, rejects, history, links, bombs, bounds."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from eventreplay.errors import (
    ConfigError,
    EpochError,
    SourceError,
    SourceUnavailableError,
)
from eventreplay.event import Event, Position
from eventreplay.sources.file_marks import FileLimits
from eventreplay.sources.files import FileSource

PLAIN = b'{"event_id":"%d","event_type":"t","occurred_at":"2026-01-31T23:59:59Z","payload":{"n":%d}}'


def plain(*numbers: int) -> list[bytes]:
    return [PLAIN % (number, number) for number in numbers]


def everything(source: FileSource) -> tuple[list[Event], list[dict[str, Any]]]:
    head = source.head()
    batches = [] if head is None else list(source.read(None, head))
    rejects = [row for batch in batches if batch.rejected is not None for row in batch.rejected.to_pylist()]
    return [event for batch in batches for event in batch.to_events()], rejects


def one(tmp_path: Path, line: bytes) -> Event:
    path = tmp_path / "one.jsonl"
    path.write_bytes(line + b"\n")
    events, rejects = everything(FileSource(path))
    assert rejects == []
    assert len(events) == 1
    return events[0]


def test_a_payload_object_keeps_the_text_it_was_written_in(tmp_path: Path) -> None:
    text = '{ "amount" : 12.50,"big":123456789012345678901, "e":1E2 , "s":"\\u00e9\\/" ,"a":2,"a":1}'
    event = one(tmp_path, plain(1)[0].replace(b'{"n":1}', text.encode()))
    assert event.payload == text.encode()
    assert event.content_type == "application/json"
    assert (event.stream_id, event.source, event.recorded_at, event.headers) == ("", "", None, {})


def test_cloudevents_in_structured_mode(tmp_path: Path) -> None:
    record = {
        "specversion": "1.0",
        "id": "A-1",
        "source": "/shop",
        "type": "sportscards.orders.v2.OrderPlaced",
        "subject": "O-1",
        "time": "2026-01-31T23:59:59.123456789+01:00",
        "dataschema": "urn:schema",
        "retries": 3,
        "sampled": True,
        "nothing": None,
        "datacontenttype": "application/vnd.orders+json; charset=utf-8",
        "data": [1, {"a": "b"}],
    }
    event = one(tmp_path, json.dumps(record).encode())
    assert event.event_id == "A-1"
    assert (event.event_type, event.stream_id, event.source) == (record["type"], "O-1", "/shop")
    assert event.occurred_at == datetime(2026, 1, 31, 22, 59, 59, 123456, tzinfo=UTC)
    assert event.payload == b'[1, {"a": "b"}]'
    assert event.content_type == record["datacontenttype"]
    assert event.headers == {"dataschema": "urn:schema", "retries": "3", "sampled": "true"}


@pytest.mark.parametrize(
    ("member", "content_type", "payload"),
    [
        ('"data":"plain \\"text\\""', "application/json", b'"plain \\"text\\""'),
        ('"datacontenttype":"text/xml","data":"<a b=\\"c\\"/>"', "text/xml", b'<a b="c"/>'),
        (
            '"datacontenttype":"application/protobuf","data_base64":"AP8="',
            "application/protobuf",
            b"\x00\xff",
        ),
        ('"data_base64":""', "application/octet-stream", b""),
        ('"data":12.50', "application/json", b"12.50"),
        ('"datacontenttype":"text/plain"', "text/plain", b""),
    ],
)
def test_cloudevents_data(tmp_path: Path, member: str, content_type: str, payload: bytes) -> None:
    line = f'{{"specversion":"1.0","id":"1","type":"t","source":"s","time":"2026-01-31T23:59:59Z",{member}}}'
    event = one(tmp_path, line.encode())
    assert (event.content_type, event.payload) == (content_type, payload)


def test_payload_as_base64_with_headers(tmp_path: Path) -> None:
    line = plain(1)[0].replace(
        b'"payload":{"n":1}', b'"headers":{"k":"v","\\u00e9":""},"payload_base64":"CgFB","x":"y"'
    )
    event = one(tmp_path, line)
    assert event.payload == b"\n\x01A"
    assert event.headers == {"k": "v", "é": "", "x": "y"}
    assert event.content_type == "application/protobuf"


REJECTED = {
    b"not json": "json_malformed",
    b"[]": "json_malformed",
    b'{"event_id":"1"': "json_malformed",
    plain(1)[0] + b" x": "json_malformed",
    plain(1)[0].replace(b'{"n":1}', b'{"n":NaN}'): "json_malformed",
    plain(1)[0].replace(b'"1"', b'"\xff"'): "text_malformed",
    plain(1)[0].replace(b'"1"', b'"\\ud800"'): "text_malformed",
    plain(1)[0].replace(b'{"n":1}', b"[" * 300 + b"]" * 300): "json_too_deep",
    plain(1)[0].replace(b'{"n":1}', b"[" * 100_000): "json_too_deep",
    plain(1)[0].replace(b'"event_id":"1",', b""): "event_id_missing",
    plain(1)[0].replace(b'"event_id":"1"', b'"event_id":""'): "event_id_missing",
    plain(1)[0].replace(b'"event_id":"1"', b'"event_id":1'): "attribute_malformed",
    plain(1)[0].replace(b'"event_type":"t"', b'"event_type":null'): "event_type_missing",
    plain(1)[0].replace(b"occurred_at", b"happened_at"): "occurred_at_missing",
    plain(1)[0].replace(b"59Z", b"59"): "time_malformed",
    plain(1)[0].replace(b"01-31", b"02-30"): "time_malformed",
    plain(1)[0].replace(b'"t"', b'"t","event_type":"u"'): "json_duplicate_key",
    plain(1)[0].replace(b'"t"', b'"t","type":"u"'): "attribute_twice",
    plain(1)[0].replace(b'{"n":1}', b'{},"payload_base64":""'): "payload_twice",
    plain(1)[0].replace(b',"payload":{"n":1}', b""): "payload_missing",
    plain(1)[0].replace(b'{"n":1}', b'"text"'): "payload_malformed",
    plain(1)[0].replace(b'"payload":{"n":1}', b'"payload_base64":"***"'): "base64_malformed",
    plain(1)[0].replace(b'{"n":1}', b'{},"headers":{"a":1}'): "attribute_malformed",
    plain(1)[0].replace(b'{"n":1}', b'{},"headers":[]'): "attribute_malformed",
}


def test_bad_records_are_rejected_with_their_bytes_and_the_rest_flows(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    lines = [line for at, bad in enumerate(REJECTED) for line in (plain(at)[0], bad)]
    path.write_bytes(b"\r\n".join(lines))
    events, rejects = everything(FileSource(path, is_finished=True))
    assert [event.event_id for event in events] == [str(at) for at in range(len(REJECTED))]
    assert [event.source_position for event in events] == list(range(0, 2 * len(REJECTED), 2))
    assert [row["error_code"] for row in rejects] == list(REJECTED.values())
    assert [row["source_position"] for row in rejects] == list(range(1, 2 * len(REJECTED), 2))
    assert [row["payload"].removesuffix(b"\r") for row in rejects] == list(REJECTED)
    for row in rejects:
        assert "NaN" not in row["error_message"] or b"NaN" in row["payload"]
        assert "***" not in row["error_message"]


def test_a_record_too_long_is_rejected_by_reference(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    long = plain(1)[0].replace(b'{"n":1}', b'{"n":"' + b"x" * 300_000 + b'"}')
    path.write_bytes(b"\n".join([*plain(0), long, *plain(2), long, long, *plain(5)]) + b"\n")
    limits = FileLimits(block_bytes_max=10_000, record_bytes_max=100_000)
    events, rejects = everything(FileSource(path, limits=limits))
    assert [event.source_position for event in events] == [0, 2, 5]
    assert [row["source_position"] for row in rejects] == [1, 3, 4]
    for row in rejects:
        assert row["error_code"] == "record_too_long"
        assert row["payload"] == long[: len(row["payload"])]
        assert len(row["payload"]) == 65_536
        assert dict(row["headers"]) == {
            "record_bytes": str(len(long)),
            "record_sha256": hashlib.sha256(long).hexdigest(),
        }


@pytest.mark.parametrize("block_bytes_max", [7, 64, 101, 1 << 20])
def test_block_size_has_no_influence(tmp_path: Path, block_bytes_max: int) -> None:
    lines = b"\n".join([*plain(*range(20)), b"", b"x" * 700, "é🃏".encode(), *plain(7)]) + b"\n"
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + lines)
    (tmp_path / "b.json").write_bytes(b"\xef\xbb\xbf [" + b" ,\n ".join(plain(*range(9))) + b" ] \n")
    limits = FileLimits(block_bytes_max=block_bytes_max, record_bytes_max=500)
    found = everything(FileSource(tmp_path, limits=limits))
    assert found == everything(FileSource(tmp_path, limits=FileLimits(record_bytes_max=500)))
    assert [event.event_id for event in found[0]] == [str(n) for n in [*range(20), 7, *range(9)]]


def test_a_line_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    whole, half = plain(0)[0], plain(1)[0][:40]
    path.write_bytes(whole + b"\n" + half)
    source = FileSource(path)
    assert source.head() == 0
    assert FileSource(path, is_finished=True).head() == 1
    epoch = source.epoch()
    path.write_bytes(whole + b"\n" + plain(1)[0])
    assert source.head() == 1  # whole JSON: no writer can be in the middle of it
    path.write_bytes(whole + b"\n" + plain(1)[0] + b"\n" + b"broken\n")
    assert source.head() == 2
    assert source.epoch() == epoch
    assert [row["payload"] for row in everything(source)[1]] == [b"broken"]


def test_a_broken_end_of_any_file_but_the_last_is_a_reject(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(plain(0)[0] + b"\n" + plain(1)[0][:30])
    source = FileSource(tmp_path / "*.jsonl")
    assert source.head() == 0
    (tmp_path / "b.jsonl").write_bytes(plain(2)[0])
    events, rejects = everything(source)
    assert [event.source_position for event in events] == [0, 2]
    assert [row["payload"] for row in rejects] == [plain(1)[0][:30]]


def test_changed_history_is_found_within_an_object_and_across_runs(tmp_path: Path) -> None:
    folder, history = tmp_path / "events", tmp_path / "history.json"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(b"\n".join(plain(0, 1)) + b"\n")
    (folder / "b.jsonl").write_bytes(b"\n".join(plain(2, 3)))
    source = FileSource(folder, history_path=history)
    assert source.head() == 3
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}

    def restored() -> None:
        for path in list(folder.iterdir()):
            path.unlink()
        for name, content in whole.items():
            (folder / name).write_bytes(content)

    changes: list[tuple[str, bytes | None]] = [
        ("a.jsonl", whole["a.jsonl"].replace(b'"n":1', b'"n":9')),
        ("b.jsonl", whole["b.jsonl"].replace(b'"n":2', b'"n":9')),
        ("b.jsonl", whole["b.jsonl"] + b" garbage behind the last record"[1:]),
        ("a.jsonl", whole["a.jsonl"] + plain(9)[0] + b"\n"),
        ("b.jsonl", whole["b.jsonl"] + b"garbage behind the last record\n"),
        ("b.jsonl", whole["b.jsonl"][:-10]),
        ("a.jsonl", None),
        ("b.jsonl", None),
        ("aa.jsonl", plain(9)[0]),
    ]
    for name, content in changes:
        restored()
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content)
        for found in (source, FileSource(folder, history_path=history)):
            with pytest.raises(EpochError) as raised:
                found.head()
            assert raised.value.fields["file"]
    restored()
    (folder / "b.jsonl").write_bytes(whole["b.jsonl"] + b"\n" + plain(4)[0] + b"\n")
    (folder / "c.jsonl").write_bytes(plain(5)[0])
    for found in (source, FileSource(folder, history_path=history)):
        assert found.head() == 5
        assert found.epoch() == source.epoch()


def test_the_epoch_changes_with_the_first_record_or_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(plain(0)[0] + b"\n")
    epochs = {FileSource(path).epoch()}
    path.write_bytes(plain(1)[0] + b"\n")
    epochs.add(FileSource(path).epoch())
    path = path.rename(tmp_path / "b.jsonl")
    epochs.add(FileSource(path).epoch())
    assert len(epochs) == 3
    path.write_bytes(plain(1)[0] + b"\r\n" + plain(2)[0])
    assert FileSource(path).epoch() in epochs


def test_files_cut_off_below_the_checkpoint_are_found_without_history(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(plain(*range(5))) + b"\n")
    assert FileSource(path).head() == 4
    path.write_bytes(b"\n".join(plain(*range(3))) + b"\n")
    with pytest.raises(EpochError, match="hold 3 records"):
        list(FileSource(path).read(Position(3), Position(4)))


def test_a_damaged_history_is_a_clear_error(tmp_path: Path) -> None:
    path, history = tmp_path / "a.jsonl", tmp_path / "history.json"
    path.write_bytes(plain(0)[0] + b"\n")
    for content in (b"", b"{}", b'{"eventreplay files 1": [{"name": "a"}]}', b"\xff", b"[]"):
        history.write_bytes(content)
        with pytest.raises(SourceError, match="history"):
            FileSource(path, history_path=history).head()


def test_an_empty_folder_has_no_head(tmp_path: Path) -> None:
    assert FileSource(tmp_path).head() is None
    (tmp_path / "a.jsonl").write_bytes(b"")
    (tmp_path / "b.json").write_bytes(b" [ ] ")
    assert FileSource(tmp_path).head() is None


def test_links_and_dots_do_not_leave_the_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out.jsonl"
    folder.mkdir()
    outside.write_bytes(plain(0)[0] + b"\n")
    (folder / "a.jsonl").symlink_to(outside)
    with pytest.raises(SourceError, match="leads out"):
        FileSource(folder)
    with pytest.raises(SourceError, match="leads out"):
        FileSource(folder / "*.jsonl")
    (folder / "a.jsonl").unlink()
    (folder / "sub").symlink_to(tmp_path)
    with pytest.raises(SourceError, match="link to a folder"):
        FileSource(folder)
    (folder / "sub").unlink()
    (folder / "a.jsonl").write_bytes(plain(0)[0])
    (folder / "b.jsonl").symlink_to(folder / "a.jsonl")
    with pytest.raises(SourceError, match="same file"):
        FileSource(folder)
    with pytest.raises(ConfigError, match=r"'\.\.'"):
        FileSource(folder / "*" / ".." / ".." / "*.jsonl")
    (folder / "b.jsonl").unlink()
    (folder / "c.jsonl").symlink_to(folder / "nowhere.jsonl")
    with pytest.raises(SourceUnavailableError):
        FileSource(folder)


def test_what_cannot_be_events_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file or folder"):
        FileSource(tmp_path / "missing.jsonl")
    with pytest.raises(ConfigError, match="no folder"):
        FileSource(tmp_path / "missing" / "*.jsonl")
    (tmp_path / "README.md").write_text("hello")
    with pytest.raises(ConfigError, match=r"README\.md"):
        FileSource(tmp_path)
    assert FileSource(tmp_path / "*.jsonl").head() is None
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(SourceError, match="no regular file"):
        FileSource(tmp_path / "*.jsonl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"event_id":"1"}', "no JSON array"),
        (b"", "no JSON array"),
        (b"[" + plain(0)[0], "ends within"),
        (b'["', "ends within"),
        (b"[] []", "follows the array"),
        (b'["' + b"x" * 5_000 + b'"]', "longer than"),
    ],
)
def test_arrays_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    limits = FileLimits(block_bytes_max=1_000, record_bytes_max=2_000)
    with pytest.raises(SourceError, match=message):
        FileSource(tmp_path, limits=limits).head()


def test_gzip_that_is_damaged_cut_off_or_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    packed = gzip.compress(b"\n".join(plain(*range(2_000))) + b"\n")
    path.write_bytes(packed[: len(packed) // 2])
    cut = FileSource(path).head()
    assert cut is None or cut < 1_999  # still being written: what is whole counts
    with pytest.raises(SourceError, match="cut off"):
        FileSource(path, is_finished=True).head()
    path.write_bytes(b"no gzip at all")
    with pytest.raises(SourceError, match="damaged gzip"):
        FileSource(path).head()
    path.write_bytes(gzip.compress(bytes(80 * 1024 * 1024), compresslevel=1))
    with pytest.raises(SourceError, match="unfolds to more than"):
        FileSource(path, limits=FileLimits(gzip_ratio_max=20)).head()


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    padded = [line.replace(b'"n"', b'"pad":"' + b"x" * 900 + b'","n"') for line in plain(*range(1_000))]
    path.write_bytes((b"\n".join(padded) + b"\n") * 10)
    source = FileSource(path, limits=FileLimits(batch_rows_max=500, block_bytes_max=64_000))
    head = source.head()
    assert head == 9_999
    tracemalloc.start()
    rows = sum(batch.rows for batch in source.read(None, head))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 10_000
    assert 2 * peak_bytes < path.stat().st_size


@pytest.mark.parametrize("bound", ["batch_rows_max", "line_bytes_max"])
def test_bounds_below_one_are_refused(tmp_path: Path, bound: str) -> None:
    with pytest.raises(ConfigError, match="below 1"):
        FileSource(tmp_path, **{bound: 0})  # type: ignore[arg-type]
