"""Generations on DuckDB beyond the suite: exact definitions and texts, and who else is in the file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from eventreplay.errors import ConfigError, GenerationError, SinkError, SinkUnavailableError
from eventreplay.event import Checkpoint
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.duckdb_places import Exchange
from eventreplay.testing import TickingClock
from eventreplay.testing.examples import example_rows

SCHEMAS = ("RAW", "STAGING", "MART")
UNTIL = datetime(2027, 1, 1, tzinfo=UTC)
CATALOG = """
    SELECT schema_name, table_name, sql, comment FROM duckdb_tables() WHERE table_name <> 'GENERATIONS'
    UNION ALL SELECT schema_name, view_name, sql, comment FROM duckdb_views() WHERE NOT internal
    UNION ALL SELECT schema_name, index_name, sql, comment FROM duckdb_indexes()
    UNION ALL SELECT schema_name, table_name || '.' || column_name, data_type, comment FROM duckdb_columns()
        WHERE NOT internal AND table_name <> 'GENERATIONS' ORDER BY ALL
"""


class File:
    """A warehouse with generation g1 beside the live one, both without rows of their own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sink = DuckDBSink(path, clock=TickingClock())
        self.other = duckdb.connect(str(path))
        self.run("CREATE SCHEMA STAGING; CREATE SCHEMA MART; CREATE SCHEMA MINE")
        self.sink.begin_generation("g1", schemas=SCHEMAS, plan="p", facts={})

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        return self.other.execute(sql).fetchall()

    def text(self, name: str) -> str:
        schema, view = name.split(".")
        ((sql,),) = self.run(
            f"SELECT sql FROM duckdb_views() WHERE schema_name = '{schema}' AND view_name = '{view}'"
        )
        return str(sql)

    def promote(self) -> None:
        self.sink.note("g1", state="ready", facts={})
        self.sink.promote("g1", keep_until=UNTIL)

    def close(self) -> None:
        self.other.close()
        self.sink.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    made = File(tmp_path / "warehouse.duckdb")
    yield made
    made.close()


def test_definitions_comments_and_indexes_come_along(file: File) -> None:
    columns = (
        'id INTEGER DEFAULT(7) PRIMARY KEY, t VARCHAR COLLATE nocase NOT NULL, "odd (name" DECIMAL(38,4),'
        " twice INTEGER GENERATED ALWAYS AS (id * 2), l STRUCT(a INTEGER, b VARCHAR[]), UNIQUE (t),"
        " CHECK (id > 0)"
    )
    for schema, number in (("STAGING", 1), ("STAGING_G1", 2)):
        file.run(f'CREATE TABLE {schema}."a ""table""" ({columns})')
        file.run(f"""INSERT INTO {schema}."a ""table\""" VALUES ({number}, 'x', 0.1, {{a: 1, b: ['é']}})""")
        file.run(f"""COMMENT ON TABLE {schema}."a ""table\""" IS 'it''s {number}'""")
        file.run(f"""COMMENT ON COLUMN {schema}."a ""table\"""."odd (name" IS 'column {number}'""")
        file.run(f'CREATE UNIQUE INDEX "an index" ON {schema}."a ""table""" (lower(t), id)')
        file.run(f'CREATE VIEW {schema}.v AS SELECT * FROM {schema}."a ""table"""')
        file.run(f"COMMENT ON VIEW {schema}.v IS 'view {number}'")
        file.run(f"COMMENT ON COLUMN {schema}.v.t IS 'column of view {number}'")
    before = file.run(CATALOG)
    file.promote()

    def changed(row: tuple[Any, ...]) -> tuple[Any, ...]:
        turn = {"1": "2", "2": "1"}
        schema, name, sql, comment = row
        kept = (
            comment if not comment or not schema.startswith("STAGING") else comment[:-1] + turn[comment[-1]]
        )
        return schema, name, sql, kept

    assert file.run(CATALOG) == [changed(row) for row in before]
    assert file.run('SELECT id, twice, l, "odd (name"::VARCHAR FROM STAGING."a ""table"""') == [
        (2, 4, {"a": 1, "b": ["é"]}, "0.1000")
    ]
    with pytest.raises(duckdb.ConstraintException):
        file.run("""INSERT INTO STAGING."a ""table\""" VALUES (2, 'y', 1, NULL)""")
    file.sink.rollback()
    assert file.run(CATALOG) == before


def test_rows_keep_their_order_whatever_the_process_has_set(file: File) -> None:
    for schema in ("STAGING", "STAGING_G1"):
        file.run(
            f"CREATE TABLE {schema}.t AS SELECT hash(i, '{schema}') AS h FROM range(300000) r(i)"
            " ORDER BY 1 % 977"
        )
        file.run(f"DELETE FROM {schema}.t WHERE h % 3 = 0")
    ordered = "SELECT list(h ORDER BY rowid) FROM {}.t"
    live, other = file.run(ordered.format("STAGING")), file.run(ordered.format("STAGING_G1"))
    file.run("SET preserve_insertion_order = false")
    file.promote()
    assert file.run(ordered.format("STAGING")) == other
    assert file.run(ordered.format("STAGING_G1")) == live
    assert file.run("SELECT current_setting('preserve_insertion_order')") == [(False,)], "theirs again"


VIEWS = {
    "plain": ("SELECT n FROM STAGING{}.t", "SELECT n FROM STAGING{}.t"),
    "catalog": ('SELECT "n" FROM "warehouse"."STAGING{}"."t"', "SELECT n FROM STAGING{}.t"),
    "case": ("select x.n from staging{}.T as x, Mart{}.u", "SELECT x.n FROM STAGING{}.T AS x , MART{}.u"),
    "column": (
        "SELECT STAGING{}.t.n FROM STAGING{}.t WHERE STAGING{}.t.n > 0",
        "SELECT STAGING{}.t.n FROM STAGING{}.t WHERE (STAGING{}.t.n > 0)",
    ),
    "strings": (
        "SELECT n, 'STAGING_G1.t', 'STAGING.t 🃏 é' FROM STAGING{}.t",
        "SELECT n, 'STAGING_G1.t', 'STAGING.t 🃏 é' FROM STAGING{}.t",
    ),
    "aliases": (
        "SELECT staging_g1.t AS t, staging_g1.t AS mart_g1 FROM MINE.aliased AS staging_g1, MART{}.u",
        "SELECT staging_g1.t AS t, staging_g1.t AS mart_g1 FROM MINE.aliased AS staging_g1 , MART{}.u",
    ),
    "common": (
        "WITH t AS (SELECT n FROM STAGING{}.t), common AS (SELECT n FROM t) SELECT n FROM common",
        "WITH t AS (SELECT n FROM STAGING{}.t), common AS (SELECT n FROM t) SELECT n FROM common",
    ),
    "within": (
        "SELECT n FROM (SELECT n FROM MART{}.u WHERE n IN (SELECT n FROM STAGING{}.t)) WHERE n = 1",
        "SELECT n FROM (SELECT n FROM MART{}.u WHERE (n = ANY(SELECT n FROM STAGING{}.t))) WHERE (n = 1)",
    ),
    "raw": ("SELECT event_id AS n FROM RAW{}.EVENTS", "SELECT event_id AS n FROM RAW{}.EVENTS"),
    "live_alone": ("SELECT n FROM STAGING.alone", "SELECT n FROM STAGING.alone"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_names_in_a_view_are_replaced_and_nothing_else(file: File, name: str) -> None:
    written, due = VIEWS[name]
    file.run("CREATE TABLE STAGING.alone (n INTEGER); CREATE TABLE MINE.aliased (t INTEGER)")
    for suffix in ("", "_G1"):
        file.run(f"CREATE TABLE STAGING{suffix}.t (n INTEGER); CREATE TABLE MART{suffix}.u (n INTEGER)")
        file.run(f"CREATE VIEW STAGING{suffix}.v AS {written.replace('{}', suffix)}")
    file.run("CREATE VIEW MINE.v AS SELECT n FROM STAGING.t")
    before = file.run(CATALOG)
    mine = file.text("MINE.v")
    file.promote()
    assert _upper(file.text("STAGING.v")) == _upper(f"CREATE VIEW STAGING.v AS {due.replace('{}', '')};")
    assert _upper(file.text("STAGING_G1.v")) == _upper(
        f"CREATE VIEW STAGING_G1.v AS {due.replace('{}', '_G1')};"
    )
    assert file.text("MINE.v") == mine
    file.sink.rollback()
    assert [_upper(str(row)) for row in file.run(CATALOG)] == [_upper(str(row)) for row in before]


def _upper(text: str) -> str:
    """DuckDB does not tell cases apart; the schema of a name is written as the catalog has it."""
    return text.upper()


def test_views_of_views_are_made_in_the_order_in_which_they_read_each_other(file: File) -> None:
    for suffix in ("", "_G1"):
        file.run(f"CREATE TABLE STAGING{suffix}.t AS SELECT 1 AS n")
        file.run(f"CREATE VIEW STAGING{suffix}.z AS SELECT n FROM STAGING{suffix}.t")
        file.run(f"CREATE VIEW MART{suffix}.m AS SELECT n FROM STAGING{suffix}.z")
        file.run(f"CREATE VIEW STAGING{suffix}.a AS SELECT n FROM MART{suffix}.m")
        file.run(f'CREATE VIEW STAGING{suffix}.b (one, "and two") AS SELECT n, n FROM STAGING{suffix}.a')
    before = file.run(CATALOG)
    file.promote()
    assert file.run("SELECT * FROM STAGING.b") == [(1, 1)]
    assert file.run(CATALOG) == before, "the same names, read in the same places"


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (
            """CREATE TABLE MINE.gone (n INTEGER); CREATE VIEW STAGING_G1.v AS SELECT n FROM MINE.gone;
            DROP TABLE MINE.gone""",
            SinkError,
        ),
        (
            """CREATE TABLE STAGING_G1.p (i INTEGER PRIMARY KEY);
            CREATE TABLE STAGING_G1.c (i INTEGER REFERENCES STAGING_G1.p (i))""",
            GenerationError,
        ),
        ("CREATE INDEX own ON RAW.EVENTS (event_id)", GenerationError),
        ("CREATE TABLE STAGING.t__moving (n INTEGER)", SinkError),
    ],
)
def test_what_cannot_change_places_is_refused_with_nothing_moved(
    file: File, broken: str, error: type[SinkError]
) -> None:
    for suffix in ("", "_G1"):
        file.run(f"CREATE TABLE STAGING{suffix}.t AS SELECT '{suffix}' AS n")
    file.run(broken)
    before = file.run(CATALOG)
    with pytest.raises(error):
        file.promote()
    assert file.run(CATALOG) == before
    assert file.run("SELECT n FROM STAGING.t") == [("",)]
    assert [each.state for each in file.sink.generations()] == ["live", "ready"]


def test_a_commit_between_the_beginning_and_the_claim_is_not_lost(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What DuckDB does not refuse: a table that was written to is altered by an older transaction."""
    claim = Exchange.claim
    for table in ("RAW.EVENTS", "STAGING.t"):
        for suffix in ("", "_G1"):
            file.run(f"CREATE TABLE IF NOT EXISTS STAGING{suffix}.t (n INTEGER)")

        def overtaken(exchange: Exchange, table: str = table) -> None:
            exchange.connection.execute("SELECT count(*) FROM RAW.CHECKPOINTS").fetchall()
            if table == "STAGING.t":
                file.run("INSERT INTO STAGING.t VALUES (1)")
            else:
                _load(file.sink._again(), 0, None)
            claim(exchange)

        monkeypatch.setattr(Exchange, "claim", overtaken)
        with pytest.raises(SinkUnavailableError):
            file.promote()
    monkeypatch.setattr(Exchange, "claim", claim)
    assert file.run("SELECT (SELECT count(*) FROM RAW.EVENTS), (SELECT count(*) FROM STAGING.t)") == [(1, 1)]
    with pytest.raises(GenerationError, match="lies behind"):
        file.promote()


def test_nobody_commits_into_tables_that_change_places(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    for suffix in ("", "_G1"):
        file.run(f"CREATE TABLE STAGING{suffix}.t AS SELECT 1 AS n")
    refused = []
    run = Exchange.run

    def meanwhile(exchange: Exchange, *back: Any) -> Any:
        for statement in (
            "INSERT INTO STAGING.t VALUES (2)",
            "UPDATE STAGING_G1.t SET n = 2",
            "DELETE FROM STAGING.t",
            "DELETE FROM RAW.EVENTS",
            "INSERT INTO RAW.CHECKPOINTS VALUES ('r', 's', 'e', 1, 'd', 'f', now()::TIMESTAMP)",
            "INSERT INTO RAW.EVENTS__G1 SELECT * FROM RAW.EVENTS",
        ):
            try:
                file.run(statement)
            except duckdb.TransactionException:
                refused.append(statement)
        return run(exchange, *back)

    monkeypatch.setattr(Exchange, "run", meanwhile)
    file.promote()
    # The two that change no row are no changes.
    assert len(refused) == 4, refused
    assert file.run("SELECT n FROM STAGING.t") == [(1,)]


def test_what_speaks_of_all_generations_stays(file: File) -> None:
    file.run("CREATE TABLE RAW.DISMISSED AS SELECT 1 AS n; CREATE TABLE RAW_G1.DISMISSED AS SELECT 2 AS n")
    file.promote()
    assert file.run("SELECT * FROM RAW.DISMISSED") == [(1,)]
    assert file.run("SELECT name FROM RAW.GENERATIONS ORDER BY 1") == [("first",), ("g1",)]
    assert file.run("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'GENERATIONS'") == [(1,)]


def test_looking_at_generations_makes_no_table(tmp_path: Path) -> None:
    with DuckDBSink(tmp_path / "w.duckdb", clock=TickingClock()) as sink:
        assert [each.name for each in sink.generations()] == ["first"]
        sink.drop("g1")
        with pytest.raises(GenerationError):
            sink.promote("g1", keep_until=UNTIL)
        found = sink._open().execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        assert found == [("CHECKPOINTS",), ("EVENTS",), ("QUARANTINE",)]


def test_a_raw_schema_of_another_name(tmp_path: Path) -> None:
    with DuckDBSink(tmp_path / "w.duckdb", clock=TickingClock(), raw_schema="Landing") as sink:
        begun = sink.begin_generation("g1", schemas=["STAGING", "landing"], plan="p", facts={})
        assert begun.schemas == ("Landing", "STAGING")
        with sink.shadow("g1") as shadow:
            _load(shadow, 0, None)
        sink.note("g1", state="ready", facts={})
        sink.promote("g1", keep_until=UNTIL)
        assert sink.partitions() == ["journal"]
        assert sink.rollback().schemas == ("Landing",)
        assert sink.partitions() == []
        sink.drop("g1")
        found = sink._open().execute("SELECT DISTINCT schema_name FROM duckdb_tables()").fetchall()
        assert found == [("Landing",)]


def test_a_shadow_is_no_place_to_ask_for_generations(file: File) -> None:
    with file.sink.shadow("g1") as shadow, pytest.raises(SinkError):
        shadow.generations()
    with pytest.raises(GenerationError, match="g2 has no tables"):
        DuckDBSink(file.path, clock=TickingClock(), generation="g2")
    with pytest.raises(ConfigError):
        file.sink.note("g1", state="ready", facts={"no": float("nan")})
    with pytest.raises(ConfigError):
        file.sink.promote("g1", keep_until=datetime(2027, 1, 1))  # noqa: DTZ001 - what is to be refused


def _load(sink: DuckDBSink, position: int, expected: Checkpoint | None) -> None:
    with sink:
        sink.begin("suite/journal")
        sink.write(example_rows(range(position, position + 1)))
        due = Checkpoint(source="journal", epoch="e", position=position, digest="d", fingerprint="f")
        sink.commit(due, expected=expected)
