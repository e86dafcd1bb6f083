import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.standin.client import Client

COPY = "docs.snowflake.com/en/sql-reference/sql/copy-into-table"
MATCH = "FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
Put = Callable[..., None]


def test_a_transformation_casts_and_names_its_file_and_row(client: Client, staged: Put) -> None:
    """COPY and docs.snowflake.com/en/user-guide/querying-metadata: $1:c::t, METADATA$FILENAME, rows from
    1."""
    at = dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    staged(
        "a.parquet",
        {
            "id": [7, 8], "amount": pa.array([Decimal("1.25"), None], pa.decimal128(38, 9)),
            "payload": [b"\x00\xff", b""], "text": ['{"k": 12345678901234567890.5}', None],
            "at": pa.array([at, None], pa.timestamp("us", "UTC")),
        },
    )  # fmt: skip
    client.run(
        "CREATE TABLE t (id NUMBER, amount NUMBER(38,9), payload BINARY, v VARIANT, at TIMESTAMP_NTZ, f "
        "VARCHAR, r NUMBER)"
    )
    copied = client.rows(
        "COPY INTO t (id, amount, payload, v, at, f, r) FROM (SELECT $1:id::NUMBER(38,0), "
        "$1:amount::NUMBER(38,9), "
        "$1:payload::BINARY, PARSE_JSON($1:text::VARCHAR), $1:at::TIMESTAMP_NTZ, METADATA$FILENAME, "
        "METADATA$FILE_ROW_NUMBER FROM @files/in) FILES = ('a.parquet') "
        "FILE_FORMAT = (TYPE = PARQUET BINARY_AS_TEXT = FALSE USE_LOGICAL_TYPE = TRUE) ON_ERROR = "
        "ABORT_STATEMENT"
    )
    assert copied == [("files/in/a.parquet", "LOADED", 2, 2, 1, 0, None, None, None, None)]
    assert client.rows("SELECT id, amount, payload, v:k::NUMBER(38,1), at, f, r FROM t ORDER BY id") == [
        (7, Decimal("1.250000000"), b"\x00\xff", Decimal("12345678901234567890.5"), at.replace(tzinfo=None),
         "in/a.parquet", 1),
        (8, None, b"", None, None, "in/a.parquet", 2),
    ]  # fmt: skip


def test_binary_is_text_unless_said_otherwise(client: Client, staged: Put) -> None:
    """COPY, BINARY_AS_TEXT = TRUE (default): binary columns are read as UTF-8 text, so bytes do not arrive
    as bytes."""
    staged("a.parquet", {"b": [b"\x00\xff"]})
    client.run("CREATE TABLE t (b BINARY)")
    client.error(f"COPY INTO t FROM @files/in {MATCH}")
    client.run(f"COPY INTO t FROM @files/in {MATCH.replace('PARQUET', 'PARQUET BINARY_AS_TEXT = FALSE')}")
    assert client.rows("SELECT b FROM t") == [(b"\x00\xff",)]


def test_text_into_a_variant_stays_text(client: Client, staged: Put) -> None:
    """COPY: a string column becomes a VARIANT that holds a string; only PARSE_JSON makes an object of it."""
    staged("a.parquet", {"v": ['{"k": 1}']})
    client.run("CREATE TABLE t (v VARIANT)", f"COPY INTO t FROM @files/in {MATCH}")
    assert client.rows("SELECT v:k::NUMBER, v::VARCHAR FROM t")[0][0] is None


def test_columns_are_matched_by_name(client: Client, staged: Put) -> None:
    """COPY, MATCH_BY_COLUMN_NAME: more columns in the file are ignored, missing ones are NULL."""
    staged("a.parquet", {"B": [2], "extra": [9]})
    client.run("CREATE TABLE t (a NUMBER, b NUMBER)", f"COPY INTO t FROM @files/in {MATCH}")
    assert client.rows("SELECT a, b FROM t") == [(None, 2)]


def test_a_file_is_loaded_once_unless_forced_changed_or_forgotten(client: Client, staged: Put) -> None:
    """COPY, FORCE = FALSE and load metadata (64 days): the same file is skipped, another content is
    loaded."""
    staged("a.parquet", {"n": [1]})
    client.run("CREATE TABLE t (n NUMBER)")
    copy = f"COPY INTO t FROM @files/in FILES = ('a.parquet') {MATCH}"
    assert client.rows(copy)[0][1] == "LOADED"
    assert client.rows(copy)[0][1] == "LOAD_SKIPPED"
    assert client.rows(f"{copy} FORCE = FALSE")[0][1] == "LOAD_SKIPPED"
    assert client.rows(f"{copy} FORCE = TRUE")[0][1] == "LOADED"
    client.run("CALL SYSTEM$STANDIN_FORGET_COPY_HISTORY('t')")
    assert client.rows(copy)[0][1] == "LOADED"
    staged("a.parquet", {"n": [2]})
    assert client.rows(copy)[0][1] == "LOADED"
    assert client.one("SELECT SUM(n) FROM t") == 5


def test_a_rolled_back_load_is_no_load(client: Client, staged: Put) -> None:
    """docs.snowflake.com/en/sql-reference/transactions: COPY is DML; its rows and its metadata are undone
    together."""
    staged("a.parquet", {"n": [1]})
    client.run("CREATE TABLE t (n NUMBER)", "BEGIN", f"COPY INTO t FROM @files/in {MATCH} PURGE = TRUE")
    assert client.one("SELECT COUNT(*) FROM t") == 1
    client.run("ROLLBACK")
    assert client.one("SELECT COUNT(*) FROM t") == 0
    assert len(client.rows("LIST @files")) == 1
    assert client.rows(f"COPY INTO t FROM @files/in {MATCH} PURGE = TRUE")[0][1] == "LOADED"
    assert client.rows("LIST @files") == []


def test_one_bad_file_stops_them_all(client: Client, staged: Put) -> None:
    """COPY, ON_ERROR = ABORT_STATEMENT (default): nothing of the statement is loaded."""
    staged("a.parquet", {"n": ["1"]})
    staged("b.parquet", {"n": ["x"]})
    client.run("CREATE TABLE t (n NUMBER)")
    assert client.error(f"COPY INTO t FROM @files/in {MATCH}").errno == 100038
    assert client.one("SELECT COUNT(*) FROM t") == 0
    assert (
        client.error(f"COPY INTO t FROM @files/in FILES = ('a.parquet', 'c.parquet') {MATCH}").errno == 91016
    )
    assert client.one("SELECT COUNT(*) FROM t") == 0
    assert client.rows(f"COPY INTO t FROM @files/in PATTERN = '.*a[.]parquet' {MATCH}")[0][1] == "LOADED"


@pytest.mark.parametrize(
    "option", ["ON_ERROR = CONTINUE", "ON_ERROR = 'SKIP_FILE_3'", "VALIDATION_MODE = RETURN_ERRORS"]
)
def test_options_that_are_not_offered_are_refused(client: Client, staged: Put, option: str) -> None:
    """They would load part of a file: the stand-in says so instead of guessing."""
    staged("a.parquet", {"n": [1]})
    client.run("CREATE TABLE t (n NUMBER)")
    assert client.error(f"COPY INTO t FROM @files/in {MATCH} {option}").sqlstate == "0A000"


def test_json_lines_into_a_variant(client: Client, tmp_path: Path) -> None:
    """COPY, TYPE = JSON: one object a line, $1 is the object; numbers stay exact."""
    (tmp_path / "a.json").write_text('{"n": 123456789012345678901}\n{"n": 2}\n')
    client.run(
        "CREATE STAGE files FILE_FORMAT = (TYPE = JSON)",
        f"PUT file://{tmp_path}/a.json @files AUTO_COMPRESS=FALSE",
        "CREATE TABLE t (v VARIANT)", "COPY INTO t FROM @files",
    )  # fmt: skip
    assert client.rows("SELECT v:n::NUMBER FROM t ORDER BY 1") == [(2,), (123456789012345678901,)]


def test_a_large_file_is_one_statement_of_duckdb(client: Client, tmp_path: Path) -> None:
    """65,536 rows with payloads: no row passes through Python."""
    rows = 65_536
    pq.write_table(pa.table({"id": range(rows), "payload": [b"x" * 100] * rows}), tmp_path / "big.parquet")
    client.run(
        "CREATE STAGE files", f"PUT file://{tmp_path}/big.parquet @files AUTO_COMPRESS=FALSE",
        "CREATE TABLE t (id NUMBER, payload BINARY)",
        "COPY INTO t FROM @files FILE_FORMAT = (TYPE = PARQUET BINARY_AS_TEXT = FALSE) "
        "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE",
    )  # fmt: skip
    assert client.rows("SELECT COUNT(*), SUM(id), SUM(LENGTH(payload)) FROM t") == [
        (rows, rows * (rows - 1) // 2, rows * 100)
    ]
