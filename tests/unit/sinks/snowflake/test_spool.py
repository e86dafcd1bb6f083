"""Staged files: bounded, in order, and every value in a form that both sides read alike."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventreplay.batch import RAW_SCHEMA
from eventreplay.errors import SinkError
from eventreplay.sinks.snowflake import spool as module
from eventreplay.sinks.snowflake.spool import SpooledFile, TableSpool, hex_text, staged_form
from eventreplay.testing.examples import example_quarantine, example_rows


def spool(folder: Path, full: list[tuple[SpooledFile, pa.Table]], **bounds: int) -> TableSpool:
    def taken(file: SpooledFile) -> None:
        full.append((file, pq.ParquetFile(file.path).read()))

    return TableSpool(
        table="EVENTS",
        folder=folder,
        moment_column="inserted_at",
        full=taken,
        file_bytes_max=bounds.get("file_bytes_max", 1 << 30),
        row_group_rows_max=bounds.get("row_group_rows_max", 1000),
    )


def test_rows_come_out_in_order_over_several_files_and_nothing_stays(tmp_path: Path) -> None:
    full: list[tuple[SpooledFile, pa.Table]] = []
    made = spool(tmp_path, full, file_bytes_max=1, row_group_rows_max=7)
    for first in range(0, 50, 10):
        made.add(example_rows(range(first, first + 10)), 5)
    made.finish()
    assert [file.name for file, _ in full] == [f"events-{at:05d}.parquet" for at in range(len(full))]
    assert len(full) > 3
    rows = pa.concat_tables([table for _, table in full])
    assert rows.column("log_offset").to_pylist() == list(range(50))
    assert set(rows.column("inserted_at").to_pylist()) == {5}
    assert [file.rows for file, table in full] == [table.num_rows for _, table in full]
    assert made.rows == 50
    assert list(tmp_path.iterdir()) == []


def test_large_rows_are_flushed_by_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_BYTES_MAX", 1000)
    full: list[tuple[SpooledFile, pa.Table]] = []
    made = spool(tmp_path, full)
    made.add(example_rows(range(10)), 5)
    assert made._held_rows == 0
    made.abandon()
    assert list(tmp_path.iterdir()) == []


def test_what_parquet_could_be_read_differently_is_text_or_integer() -> None:
    form = staged_form(example_rows(range(2)), "inserted_at", 7)
    assert {str(column.type) for column in form.columns} == {"string", "int64"}
    assert form.schema.names == [*RAW_SCHEMA.names, "inserted_at"]
    quarantine = staged_form(example_quarantine(range(2)), "quarantined_at", 7)
    assert quarantine.column("payload").to_pylist() == ["ff0000", "ff0001"]
    assert quarantine.column("headers")[0].as_py() == '{"trace":"Zoë \\"quoted\\"","empty":""}'


@given(values=st.lists(st.none() | st.binary(max_size=40)), begin=st.integers(0, 5))
def test_hexadecimal_text_is_that_of_bytes(values: list[bytes | None], begin: int) -> None:
    expected = [None if value is None else value.hex() for value in values]
    array = pa.array(values, pa.binary())
    assert hex_text(array).to_pylist() == expected
    assert hex_text(array.slice(begin)).to_pylist() == expected[begin:]


def test_a_full_disk_is_an_error_of_ours(tmp_path: Path) -> None:
    made = spool(tmp_path / "gone", [])
    made.add(example_rows(range(1)), 5)
    with pytest.raises(SinkError, match="spool of EVENTS") as caught:
        made.finish()
    assert "TMPDIR" in caught.value.hint


def test_more_files_than_copy_takes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILES_MAX", 2)
    made = spool(tmp_path, [], file_bytes_max=1, row_group_rows_max=1)
    with pytest.raises(SinkError, match="more than 2 files"):
        made.add(example_rows(range(3)), 5)
