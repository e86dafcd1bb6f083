"""What is particular to DuckDB in bringing records back: one transaction, and the first of two wins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from eventreplay.capabilities.quarantine import Selection
from eventreplay.errors import SinkError, SinkUnavailableError
from eventreplay.event import Checkpoint
from eventreplay.sinks import duckdb_redrive
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.duckdb_tables import connect
from eventreplay.testing import TickingClock
from eventreplay.testing.examples import example_quarantine, example_rows

KNOWN = Checkpoint(source="journal", epoch="e-1", position=1, digest="d1", fingerprint="f-1")
NOTHING = example_quarantine(range(0))


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[DuckDBSink]:
    with DuckDBSink(tmp_path / "w.duckdb", clock=TickingClock(), threads=1) as made:
        made.begin("live/journal")
        made.write(example_rows(range(3)))
        made.quarantine(example_quarantine(range(3, 9)))
        made.commit(KNOWN, expected=None)
        yield made


def offsets(path: Path) -> tuple[list[int], list[int]]:
    with connect(path) as connection:
        events, refused = (
            [row[0] for row in connection.execute(f"SELECT log_offset FROM RAW.{name} ORDER BY 1").fetchall()]
            for name in ("EVENTS", "QUARANTINE")
        )
    return events, refused


def test_an_error_half_way_changes_nothing(
    sink: DuckDBSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise SinkError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(duckdb_redrive, "_restated", full)
        with pytest.raises(SinkError, match="full"):
            sink.settle("live/journal", example_rows(range(3, 6)), NOTHING, expected=KNOWN)
    assert offsets(tmp_path / "w.duckdb") == ([0, 1, 2], [3, 4, 5, 6, 7, 8])
    sink.settle("live/journal", example_rows(range(3, 6)), NOTHING, expected=KNOWN)
    assert offsets(tmp_path / "w.duckdb") == ([0, 1, 2, 3, 4, 5], [6, 7, 8])


def test_of_two_that_take_the_same_records_the_second_is_told_to_try_again(
    sink: DuckDBSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = duckdb_redrive._restated
    lost: list[Exception] = []

    def meanwhile(*arguments: Any) -> int:
        monkeypatch.setattr(duckdb_redrive, "_restated", plain)
        with DuckDBSink(tmp_path / "w.duckdb", clock=TickingClock(), threads=1) as other:
            try:
                other.settle("live/journal", example_rows(range(4, 8)), NOTHING, expected=KNOWN)
            except SinkUnavailableError as error:
                lost.append(error)
        return plain(*arguments)

    monkeypatch.setattr(duckdb_redrive, "_restated", meanwhile)
    made = sink.settle("live/journal", example_rows(range(3, 6)), NOTHING, expected=KNOWN)
    assert made.moved.to_pylist() == [3, 4, 5]
    assert len(lost) == 1
    assert offsets(tmp_path / "w.duckdb") == ([0, 1, 2, 3, 4, 5], [6, 7, 8])


def test_what_was_written_and_not_committed_is_left_alone(sink: DuckDBSink, tmp_path: Path) -> None:
    known = sink.begin("live/journal")
    sink.write(example_rows(range(20, 22)))
    sink.settle("live/journal", example_rows(range(3, 4)), NOTHING, expected=KNOWN)
    sink.commit(evolve(KNOWN, position=2), expected=known)
    assert offsets(tmp_path / "w.duckdb") == ([0, 1, 2, 3, 20, 21], [4, 5, 6, 7, 8])


def test_a_file_without_marks_or_staging_can_be_looked_into_read_only(
    sink: DuckDBSink, tmp_path: Path
) -> None:
    sink.close()
    with connect(tmp_path / "w.duckdb", read_only=True) as connection:
        quarantine = duckdb_redrive.DuckDBQuarantine(connection, "RAW")
        assert quarantine.refused_count(Selection(dismissed=None)) == 6
        assert quarantine.refused_count(Selection(dismissed=True)) == 0
    assert offsets(tmp_path / "w.duckdb")[1] == [3, 4, 5, 6, 7, 8]


def test_taking_back_where_nothing_was_put_aside_makes_no_table(sink: DuckDBSink, tmp_path: Path) -> None:
    assert sink.undismiss(Selection(partitions=("journal",))) == []
    sink.close()
    with connect(tmp_path / "w.duckdb") as connection:
        tables = connection.execute("SELECT table_name FROM information_schema.tables").fetchall()
    assert "DISMISSED" not in {name for (name,) in tables}
