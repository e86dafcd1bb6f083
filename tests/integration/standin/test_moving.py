"""Tables and views on the move, as Snowflake documents it: what goes along, what stays, and who may."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.standin.client import Client

Open = Callable[..., Client]


@pytest.mark.parametrize("how", ["SWAP WITH b", "RENAME TO b"])
def test_rows_of_an_open_transaction_belong_to_the_table_whatever_it_is_called_then(
    connect: Open, how: str
) -> None:
    """docs.snowflake.com/en/sql-reference/transactions: a statement is bound to its table when it runs."""
    writer, other = connect(), connect()
    other.run("CREATE TABLE a (n NUMBER)", *(["CREATE TABLE b (n NUMBER)"] if "SWAP" in how else []))
    writer.run("BEGIN", "INSERT INTO a VALUES (1)")
    other.run(f"ALTER TABLE a {how}", *(["CREATE TABLE a (n NUMBER)"] if "RENAME" in how else []))
    writer.run("INSERT INTO a VALUES (2)")
    assert writer.rows("SELECT n FROM b") == [(1,)]
    assert other.rows("SELECT n FROM b") == []
    writer.run("COMMIT")
    assert other.rows("SELECT n FROM a") == [(2,)]
    assert other.rows("SELECT n FROM b") == [(1,)]


def test_rows_swapped_away_between_the_last_statement_and_commit(connect: Open) -> None:
    writer, other = connect(), connect()
    other.run("CREATE SCHEMA s", "CREATE TABLE public.a (n NUMBER)", "CREATE TABLE s.a (n NUMBER)")
    writer.run("BEGIN", "INSERT INTO public.a VALUES (1)")
    other.run("ALTER TABLE public.a SWAP WITH s.a")
    writer.run("COMMIT")
    assert (other.rows("SELECT n FROM public.a"), other.rows("SELECT n FROM s.a")) == ([], [(1,)])


def test_lengths_of_columns_are_those_of_the_table_it_is_like_and_move_with_it(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/sql/create-table: LIKE and CLONE copy the columns' definitions."""

    def kinds(table: str) -> list[str]:
        return [row[1] for row in client.rows(f"DESCRIBE TABLE {table}")]

    client.run(
        "CREATE TABLE a (x BINARY(32), y VARCHAR(7))", "CREATE TABLE b LIKE a", "CREATE TABLE c CLONE a"
    )
    assert kinds("a") == kinds("b") == kinds("c") == ["BINARY(32)", "VARCHAR(7)"]
    client.run("CREATE TABLE d (x BINARY(8), y VARCHAR(5))", "ALTER TABLE d SWAP WITH b")
    assert (kinds("b"), kinds("d")) == (["BINARY(8)", "VARCHAR(5)"], ["BINARY(32)", "VARCHAR(7)"])
    client.run("ALTER TABLE d RENAME TO e")
    assert kinds("e") == ["BINARY(32)", "VARCHAR(7)"]


def test_get_ddl_gives_a_view_as_it_was_written(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/functions/get_ddl: columns listed, the query letter by letter."""
    database = client.one("SELECT CURRENT_DATABASE()")
    client.run(
        'CREATE TABLE t (n NUMBER, "Mixed" VARCHAR)',
        "CREATE OR REPLACE VIEW v AS (\n  select  n, \"Mixed\" -- as it 'is'\n  from t\n)",
    )
    query = "(\n  select  n, \"Mixed\" -- as it 'is'\n  from t\n)"
    assert client.one("SELECT GET_DDL('VIEW', 'v', TRUE)") == (
        f'create or replace view {database}.PUBLIC.V(\n\tN,\n\t"Mixed"\n) as\n{query};'
    )
    assert client.one("SELECT GET_DDL('view', 'public.v')").startswith("create or replace view V(")
    client.run(client.one("SELECT GET_DDL('VIEW', 'v', TRUE)"))
    assert client.rows("SELECT * FROM v") == []
    client.run("DROP VIEW v")
    assert client.error("SELECT GET_DDL('VIEW', 'v')").errno == 2003


def test_information_schema_lists_views_with_the_tables(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/info-schema/tables: a row for each table and view."""
    client.run(
        "CREATE TABLE t (n NUMBER)", "CREATE VIEW v AS SELECT n FROM t", "CREATE TEMPORARY TABLE u (n NUMBER)"
    )
    listed = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'PUBLIC'"
    assert sorted(client.rows(listed)) == [("T", "BASE TABLE"), ("V", "VIEW")]


def test_count_if_of_no_rows_is_nought(client: Client) -> None:
    client.run("CREATE TABLE t (n NUMBER)")
    assert client.one("SELECT COUNT_IF(n > 1) FROM t") == 0
    client.run("INSERT INTO t VALUES (1), (2), (3), (NULL)")
    assert client.one("SELECT COUNT_IF(n > 1) FROM t") == 2


def test_replacing_takes_the_rights_away_unless_they_are_copied(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/sql/create-view: COPY GRANTS retains the access permissions."""
    client.run(
        "CREATE ROLE IF NOT EXISTS ANALYST", "CREATE TABLE t (n NUMBER)", "CREATE VIEW v AS SELECT n FROM t"
    )

    def readers(kind: str, name: str) -> list[str]:
        rows = client.rows(f"SHOW GRANTS ON {kind} {name}")
        return [row[4] for row in rows if row[0] == "SELECT"]

    client.run("GRANT SELECT ON VIEW v TO ROLE ANALYST", "GRANT SELECT ON TABLE t TO ROLE ANALYST")
    client.run("CREATE OR REPLACE VIEW v COPY GRANTS AS SELECT n FROM t")
    assert readers("VIEW", "v") == ["ANALYST"]
    client.run("CREATE OR REPLACE VIEW v AS SELECT n FROM t", "CREATE OR REPLACE TABLE t (n NUMBER)")
    assert (readers("VIEW", "v"), readers("TABLE", "t")) == ([], [])


def test_into_a_schema_with_managed_access_only_its_owner_moves_own_tables(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/sql/alter-table: the owner of the table has to own the schema."""
    client.run(
        "CREATE ROLE IF NOT EXISTS BUILDER", "CREATE SCHEMA managed WITH MANAGED ACCESS", "USE SCHEMA public",
        "CREATE TABLE t (n NUMBER)", "GRANT OWNERSHIP ON TABLE t TO ROLE BUILDER COPY CURRENT GRANTS",
    )  # fmt: skip
    assert client.error("ALTER TABLE t RENAME TO managed.t").errno == 3001
    client.run("GRANT OWNERSHIP ON TABLE t TO ROLE ACCOUNTADMIN COPY CURRENT GRANTS")
    client.run("ALTER TABLE t RENAME TO managed.t")
    assert client.rows("SELECT n FROM managed.t") == []
    assert client.error("ALTER TABLE managed.t RENAME TO nowhere.t").errno == 2003


def test_what_runs_in_a_session_can_be_cancelled_from_another(connect: Open) -> None:
    """docs.snowflake.com/en/sql-reference/functions/system_cancel_all_queries."""
    one, other = connect(), connect()
    number = one.one("SELECT CURRENT_SESSION()")
    assert "cancelled" in other.one(f"SELECT SYSTEM$CANCEL_ALL_QUERIES({number})")
    assert one.one("SELECT 1") == 1, "the session itself goes on"
