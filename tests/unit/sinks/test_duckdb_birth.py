"""A new DuckDB file is whole or not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from eventreplay.errors import SinkError
from eventreplay.sinks.duckdb_birth import be_born


def test_it_makes_a_database_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a [b].duckdb"
    be_born(file)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    with duckdb.connect(str(file), read_only=True) as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_it_touches_no_file_that_is_there(tmp_path: Path) -> None:
    file = tmp_path / "w.duckdb"
    file.write_bytes(b"somebody's")
    be_born(file)
    assert file.read_bytes() == b"somebody's"


def test_it_clears_what_a_dead_process_left_and_nothing_of_a_living_one(tmp_path: Path) -> None:
    file = tmp_path / "w.duckdb"
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        ended.wait()
    dead, living = tmp_path / f".w.duckdb.{ended.pid}.new", tmp_path / ".w.duckdb.1.new"
    for left in (dead, living):
        left.write_bytes(b"half")
    be_born(file)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([file.name, living.name])


def test_a_folder_that_is_none_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "no-folder").write_bytes(b"")
    with pytest.raises((SinkError, duckdb.Error)):
        be_born(tmp_path / "no-folder" / "w.duckdb")
