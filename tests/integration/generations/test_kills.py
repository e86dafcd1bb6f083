"""kill -9 anywhere in a change of generations on DuckDB: it has happened or it has not, and goes on.

Each change is killed at system calls that change the file's folder. Tables are large enough that rows reach
the file before the commit. What a reader sees afterwards, before anybody recovers, is all of one state.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from attrs import frozen

from eventreplay.testing.faults.kill_sweep import KillSweep, Point
from tests.integration.generations.change import change, opened

CHANGE = Path(__file__).with_name("change.py")
ROWS = 130_000
"""More than a row group."""
CHANGES = {"begin": 6, "promote": 25, "rollback": 25, "drop": 6}
"""And how many calls each makes at least: rows reach the file in many, so points lie within copying too."""
PART = 6
SPREAD = {"begin": 1, "promote": 4, "rollback": 4, "drop": 1}
"""Parts of the long sweep, of `PART` points each."""
CALLS = ("write", "pwrite64", "pwritev", "fsync", "fdatasync", "ftruncate", "unlink", "rename", "fallocate")

State = dict[str, tuple[object, ...]]


@frozen
class Prepared:
    """Files before each change, and what is in them before and after it, undisturbed."""

    files: dict[str, Path]
    before: dict[str, State]
    after: dict[str, State]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    scratch = tmp_path_factory.mktemp("generations")
    file = scratch / "warehouse.duckdb"
    opened(file).close()
    _build(file, "", 1)
    files, before, after = {}, {}, {}
    for what in CHANGES:
        if what == "promote":
            _build(file, "_G1", 2)
            with opened(file) as sink:
                sink.note("g1", state="ready", facts={"codec": "f-2"})
        if what == "drop":
            with opened(file) as sink:
                change("promote", sink)
        files[what] = Path(shutil.copy(file, scratch / f"{what}.duckdb"))
        before[what] = _state(file)
        with opened(file) as sink:
            change(what, sink)
        after[what] = _state(file)
    return Prepared(files, before, after)


@pytest.mark.parametrize("what", ["promote", "rollback"])
def test_killed_anywhere_it_has_happened_or_it_has_not(prepared: Prepared, what: str, tmp_path: Path) -> None:
    """The first call, the last, and two between."""
    assert _killed(prepared, what, tmp_path, points_about=4) == 4


@pytest.mark.long
@pytest.mark.parametrize(
    ("what", "part"), [(what, part) for what, parts in SPREAD.items() for part in range(parts)]
)
def test_killed_at_many_calls_it_has_happened_or_it_has_not(
    prepared: Prepared, what: str, part: int, tmp_path: Path
) -> None:
    """At 60 points over all parts."""
    killed = _killed(prepared, what, tmp_path, points_about=SPREAD[what] * PART, part=part)
    assert killed == PART


def _killed(
    prepared: Prepared, what: str, folder: Path, *, points_about: int, part: int | None = None
) -> int:
    """How many kills there were; after each, everything is whole, and goes on to what is due.

    Args:
        prepared: the files.
        what: the change.
        folder: to run in.
        points_about: of how many points, spread over the run.
        part: only every so many of these, from this one; see `SPREAD`.
    """
    sweep = _sweep(what, folder)

    def fresh(_: Point) -> None:
        _fresh(prepared, what, folder)

    points = sweep.points(fresh)
    assert len(points) >= CHANGES[what], f"{what} makes {len(points)} calls"
    every = max((len(points) - 1) / (points_about - 1), 1)
    chosen = sorted({round(number * every) for number in range(points_about)} & {*range(len(points))})
    if part is not None:
        chosen = chosen[part :: SPREAD[what]]
    killed = 0
    for run in sweep.runs(before=fresh, points=[points[place] for place in chosen]):
        assert run.reached, f"{what}: {run.point} was not reached: {run.output}"
        assert run.killed, f"{what}: {run.point}: {run.output}"
        killed += 1
        file = folder / "warehouse.duckdb"
        found = _state(file)
        assert found in (prepared.before[what], prepared.after[what]), f"{what} at {run.point}"
        undone = what == "promote" and killed % 2 == 0 and found == prepared.after[what]
        with opened(file) as sink:
            change("rollback" if undone else what, sink)
        due = prepared.after["rollback"] if undone else prepared.after[what]
        assert _state(file) == due, f"{what}, killed at {run.point} and started again"
    return killed


def _sweep(what: str, folder: Path) -> KillSweep:
    command = [sys.executable, "-B", str(CHANGE), what, str(folder / "warehouse.duckdb")]
    return KillSweep(command, calls=CALLS, within=folder)


def _fresh(prepared: Prepared, what: str, folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    shutil.copy(prepared.files[what], folder / "warehouse.duckdb")


def _build(file: Path, suffix: str, factor: int) -> None:
    """Tables and views of one generation; every row differs from the other one's."""
    raw = "RAW.EVENTS_" + suffix if suffix else "RAW.EVENTS"
    checkpoints = "RAW.CHECKPOINTS_" + suffix if suffix else "RAW.CHECKPOINTS"
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            f"INSERT INTO {raw} SELECT 'id' || i, 't', 's', 'u', i, TIMESTAMP '2026-01-01', NULL, 'c',"
            f" '{{}}', 't', '{{\"n\":' || i * {factor} || '}}', ''::BLOB, i, 'journal', i,"
            " TIMESTAMP '2026-01-01' FROM range(1000) r(i)"
        )
        connection.execute(
            f"INSERT INTO {checkpoints} VALUES ('live/journal', 'journal', 'e', 5, 'd', 'f-{factor}',"
            " TIMESTAMP '2026-01-01')"
        )
        for schema in ("STAGING", "MART"):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}{suffix}")
        connection.execute(
            f"CREATE TABLE STAGING{suffix}.lines AS SELECT i * {factor} AS n, md5(i::VARCHAR) AS t"
            f" FROM range({ROWS}) r(i)"
        )
        connection.execute(
            f"CREATE VIEW STAGING{suffix}.some AS SELECT n FROM STAGING{suffix}.lines WHERE n < 9"
        )
        connection.execute(
            f"CREATE TABLE MART{suffix}.totals AS SELECT n // 10 AS tens, sum(n)::DECIMAL(38, 4) AS total"
            f" FROM STAGING{suffix}.lines GROUP BY 1 ORDER BY 1"
        )
        connection.execute(f"CREATE VIEW MART{suffix}.report AS SELECT * FROM STAGING{suffix}.some")


def _state(file: Path) -> State:
    """Every table and view with its text, how many rows, and a hash of them in their order."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return dict(_objects(connection))


def _objects(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, tuple[object, ...]]]:
    found = connection.execute(
        "SELECT schema_name, table_name, sql, 'rowid' FROM duckdb_tables() UNION ALL"
        " SELECT schema_name, view_name, sql, '1' FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
    ).fetchall()
    for schema, name, sql, order in found:
        row = connection.execute(
            "SELECT count(*), bit_xor(hash(place, line)) FROM (SELECT row_number() OVER"
            f' (ORDER BY {order}) AS place, t AS line FROM "{schema}"."{name}" AS t)'
        ).fetchone()
        assert row is not None
        yield f"{schema}.{name}", (sql, *row)
