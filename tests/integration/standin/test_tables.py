from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.integration.standin.client import Client


def test_keys_are_not_enforced_and_not_null_is(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/constraints-overview: only NOT NULL is enforced; fakesnow
    enforces keys."""
    client.run(
        "CREATE TABLE t (k NUMBER PRIMARY KEY, u NUMBER UNIQUE, f NUMBER REFERENCES other (k))",
        "CREATE TABLE composed (a NUMBER, b NUMBER, CONSTRAINT pk PRIMARY KEY (a, b), UNIQUE (b))",
        "INSERT INTO t VALUES (1, 1, 5), (1, 1, 5)",
        "INSERT INTO composed VALUES (1, 1), (1, 1)",
    )
    assert client.one("SELECT COUNT(*) FROM t") == 2
    assert client.error("INSERT INTO t VALUES (NULL, 1, 1)").errno == 100072
    assert client.error("INSERT INTO composed VALUES (NULL, 1)").errno == 100072


def test_varchar_length_is_enforced(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/data-types-text: a longer string is an error at insert and
    update."""
    client.run("CREATE TABLE t (s VARCHAR(3), c CHAR)", "INSERT INTO t VALUES ('äöü', 'x')")
    assert client.error("INSERT INTO t VALUES ('four', 'x')").errno == 100078
    assert client.error("INSERT INTO t VALUES ('abc', 'xy')").errno == 100078
    assert client.error("UPDATE t SET s = 'four'").errno == 100078


def test_binary_length_is_enforced_and_described(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/data-types-text: BINARY(n) holds n bytes at most."""
    client.run("CREATE TABLE t (b BINARY(3) NOT NULL, v VARBINARY, s VARCHAR(5))")
    client.run("INSERT INTO t SELECT TO_BINARY('00ff00', 'HEX'), TO_BINARY('00ff0000', 'HEX'), 'x'")
    assert client.rows("SELECT b, v FROM t") == [(b"\x00\xff\x00", b"\x00\xff\x00\x00")]
    assert client.error("INSERT INTO t SELECT TO_BINARY('00ff0000', 'HEX'), NULL, 'x'").errno == 100078
    assert client.error("UPDATE t SET b = TO_BINARY('00ff0000', 'HEX')").errno == 100078
    assert [row[1] for row in client.rows("DESCRIBE TABLE t")] == [
        "BINARY(3)",
        "BINARY(8388608)",
        "VARCHAR(5)",
    ]


@pytest.mark.parametrize("name", ['My "Events" 1', "a.b; DROP TABLE c"])
def test_a_schema_may_have_any_name_in_quotes(client: Client, name: str) -> None:
    """docs.snowflake.com/en/sql-reference/identifiers-syntax: in double quotes anything, a quote twice."""
    quoted = '"' + name.replace('"', '""') + '"'
    client.run(f"CREATE SCHEMA {quoted}", f"CREATE SCHEMA IF NOT EXISTS {quoted}", "USE SCHEMA PUBLIC")
    assert client.error(f"CREATE SCHEMA {quoted}").errno == 2002
    client.run(
        f"CREATE TABLE {quoted}.t (n NUMBER)", f"INSERT INTO {quoted}.t VALUES (1)", f"USE SCHEMA {quoted}"
    )
    assert client.one("SELECT CURRENT_SCHEMA()") == name
    assert client.rows("SELECT n, n / 2 FROM t") == [(1, Decimal("0.5"))]
    assert [row[0] for row in client.rows(f"DESCRIBE TABLE {quoted}.t")] == ["N"]


def test_swap_exchanges_both_tables_and_their_load_history(
    client: Client, staged: Callable[..., None]
) -> None:
    """docs.snowflake.com/en/sql-reference/sql/alter-table: SWAP WITH exchanges all content and metadata,
    at once."""
    client.run(
        "CREATE TABLE a (n NUMBER NOT NULL)",
        "CREATE TABLE b (n NUMBER, m NUMBER)",
        "INSERT INTO b VALUES (2, 2)",
    )
    staged("one.parquet", {"n": [1]})
    copy = (
        "COPY INTO {} FROM @files/in FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
    )
    client.run(copy.format("a"), "ALTER TABLE a SWAP WITH b")
    assert client.rows("SELECT * FROM a") == [(2, 2)]
    assert client.rows("SELECT * FROM b") == [(1,)]
    assert client.rows(copy.format("b"))[0][1] == "LOAD_SKIPPED"
    assert client.error("INSERT INTO b VALUES (NULL)").errno == 100072
    assert client.error("ALTER TABLE a SWAP WITH missing").errno == 2003


def test_clones_are_copies_of_their_own(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/sql/create-clone: table and schema; changes do not reach the
    source."""
    client.run(
        "CREATE TABLE t (n NUMBER NOT NULL, s VARCHAR(2))", "INSERT INTO t VALUES (1, 'a')",
        "CREATE TABLE u CLONE t",
        "INSERT INTO u VALUES (2, 'b')", "CREATE SCHEMA other CLONE public", "USE SCHEMA other",
        "DELETE FROM t", "USE SCHEMA public",
    )  # fmt: skip
    assert client.rows("SELECT n FROM t") == [(1,)]
    assert client.one("SELECT COUNT(*) FROM other.u") == 2
    assert client.error("INSERT INTO u VALUES (3, 'long')").errno == 100078
    assert client.error("CREATE TABLE u CLONE t").errno == 2002
    client.run("CREATE OR REPLACE TABLE u CLONE t")
    assert client.one("SELECT COUNT(*) FROM u") == 1


def test_truncate_forgets_the_load_history(client: Client, staged: Callable[..., None]) -> None:
    """docs.snowflake.com/en/sql-reference/sql/truncate-table: it deletes the load metadata of the table
    too."""
    client.run("CREATE TABLE t (n NUMBER)")
    staged("one.parquet", {"n": [1]})
    copy = "COPY INTO t FROM @files/in FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
    assert [client.rows(copy)[0][1] for _ in range(2)] == ["LOADED", "LOAD_SKIPPED"]
    client.run("TRUNCATE TABLE t")
    assert client.rows(copy)[0][1] == "LOADED"


def test_a_temporary_table_is_the_sessions_own(connect: Callable[..., Client]) -> None:
    """docs.snowflake.com/en/user-guide/tables-temp-transient: it hides a permanent one of its name, in its
    session."""
    one, other = connect(), connect()
    one.run(
        "CREATE TABLE t (n NUMBER)", "INSERT INTO t VALUES (1)", "CREATE TEMPORARY TABLE t AS SELECT 2 AS n"
    )
    assert one.rows("SELECT t.n FROM public.t") == [(2,)]
    assert other.rows("SELECT n FROM t") == [(1,)]
    one.run("DROP TABLE t")
    assert one.rows("SELECT n FROM t") == [(1,)]
    one.run("CREATE TEMPORARY TABLE gone AS SELECT 1 AS n")
    one.connection.close()
    assert other.error("SELECT * FROM gone").errno == 2003
    assert other.rows("SHOW TABLES LIKE '%TEMPORARY%'") == []


def test_a_view_reads_where_it_was_made(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/sql/create-view: unqualified names belong to the view's schema."""
    client.run(
        "CREATE TABLE t (n NUMBER)", "INSERT INTO t VALUES (4)",
        "CREATE VIEW v AS SELECT n / 3 AS third FROM t",
        "CREATE SCHEMA elsewhere", "CREATE TABLE t (n NUMBER)",
    )  # fmt: skip
    assert str(client.one("SELECT third FROM public.v")) == "1.333333"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t AT (OFFSET => -60)", "SELECT * FROM t BEFORE (STATEMENT => 'x')", "UNDROP TABLE t",
        "CREATE STREAM s ON TABLE t", "CREATE TASK k SCHEDULE = '1 minute' AS SELECT 1",
        "CREATE PIPE p INTEGRATION = 'x' AS COPY INTO t FROM @s",
        "CREATE DYNAMIC TABLE d TARGET_LAG = '1 minute' AS SELECT 1",
        "COPY INTO @s FROM t", "FROBNICATE t", "SELECT 1; SELECT 2", "SELECT FROM WHERE",
        "EXECUTE IMMEDIATE 'x'",
    ],
)  # fmt: skip
def test_what_is_not_offered_is_refused_at_once(client: Client, sql: str) -> None:
    """An error with a number and an SQLSTATE, as Snowflake's are: fakesnow's HTTP 500 is tried again for
    ever."""
    client.run("CREATE TABLE t (n NUMBER)")
    error = client.error(sql)
    assert error.errno in (2, 8, 1003, 904), error
    assert error.sqlstate in ("0A000", "42000", "42601")


def test_query_tags_are_recorded(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/parameters#query-tag: each statement of the session carries it."""
    client.run(
        "ALTER SESSION SET QUERY_TAG = 'replay 7'",
        "CREATE TABLE t (n NUMBER)",
        "ALTER SESSION UNSET QUERY_TAG",
    )
    client.run("INSERT INTO t VALUES (1)")
    tagged = client.rows(
        "SELECT query_text, query_tag, execution_status FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY()) "
        "WHERE database_name = CURRENT_DATABASE() AND query_text ILIKE '%t (%' OR query_text ILIKE "
        "'INSERT INTO t%'"
    )
    assert ("CREATE TABLE t (n NUMBER)", "replay 7", "SUCCESS") in tagged
    assert ("INSERT INTO t VALUES (1)", "", "SUCCESS") in tagged


def test_like_makes_the_same_columns_without_rows_and_a_comment_goes_with_its_table(client: Client) -> None:
    """CREATE TABLE ... LIKE copies definitions, NOT NULL included; SWAP WITH exchanges metadata too."""
    client.run("CREATE TABLE a (n NUMBER(19,0) NOT NULL, t VARCHAR)", "INSERT INTO a VALUES (1, 'x')")
    client.run(
        "CREATE TABLE b LIKE a", "CREATE TABLE IF NOT EXISTS b LIKE a", "COMMENT ON TABLE b IS 'second'"
    )
    assert client.one("SELECT count(*) FROM b") == 0
    assert [row[3] for row in client.rows("DESCRIBE TABLE b")] == ["N", "Y"]
    client.run("ALTER TABLE a SWAP WITH b")
    comments = "SELECT table_name, comment FROM information_schema.tables WHERE table_name IN ('A', 'B', 'C')"
    assert sorted(client.rows(comments)) == [("A", "second"), ("B", None)]
    client.run("ALTER TABLE a RENAME TO c")
    assert ("C", "second") in client.rows(comments)
    assert client.one("SELECT count(*) FROM b") == 1
