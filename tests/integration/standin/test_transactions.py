from collections.abc import Callable

from tests.integration.standin.client import Client

TRANSACTIONS = "docs.snowflake.com/en/sql-reference/transactions"


def test_a_failed_statement_leaves_the_transaction_open(client: Client) -> None:
    """TRANSACTIONS, "Failed statements": its changes are undone, the transaction is kept open."""
    client.run("CREATE TABLE t (n NUMBER, s VARCHAR(3))", "BEGIN", "INSERT INTO t VALUES (1, 'a')")
    assert client.error("INSERT INTO t SELECT 2, 'long'").errno == 100078
    assert client.error("INSERT INTO t SELECT 'x'::NUMBER, 'b'").errno == 100038
    assert client.error("SELECT * FROM missing").errno == 2003
    client.run("INSERT INTO t VALUES (3, 'c')", "COMMIT")
    assert client.rows("SELECT n FROM t ORDER BY n") == [(1,), (3,)]


def test_rollback_undoes_insert_update_delete_and_merge(client: Client) -> None:
    """TRANSACTIONS: all statements are applied or undone as a unit; MERGE inside BEGIN works."""
    client.run(
        "CREATE TABLE t (n NUMBER, s VARCHAR)", "INSERT INTO t VALUES (1, 'a'), (2, 'b')", "BEGIN",
        "INSERT INTO t VALUES (3, 'c')", "UPDATE t SET s = 'x' WHERE n = 1", "DELETE FROM t WHERE n = 2",
        "MERGE INTO t USING (SELECT 1 AS n UNION ALL SELECT 9) q ON t.n = q.n WHEN MATCHED THEN UPDATE "
        "SET s = 'm' "
        "WHEN NOT MATCHED THEN INSERT (n, s) VALUES (q.n, 'new')",
    )  # fmt: skip
    assert client.rows("SELECT n, s FROM t ORDER BY n") == [(1, "m"), (3, "c"), (9, "new")]
    client.run("ROLLBACK")
    assert client.rows("SELECT n, s FROM t ORDER BY n") == [(1, "a"), (2, "b")]


def test_without_autocommit_nothing_is_committed_early(connect: Callable[..., Client]) -> None:
    """TRANSACTIONS, "Autocommit": with it off, the first DML starts a transaction; MERGE commits none of
    it."""
    writer, other = connect(autocommit=False), connect()
    other.run("CREATE TABLE t (n NUMBER)")
    writer.run(
        "INSERT INTO t VALUES (1)",
        "MERGE INTO t USING (SELECT 2 AS n) q ON t.n = q.n WHEN NOT MATCHED THEN INSERT (n) VALUES (q.n)",
    )
    assert other.one("SELECT COUNT(*) FROM t") == 0
    writer.connection.rollback()
    writer.run("INSERT INTO t VALUES (3)")
    writer.connection.commit()
    assert other.rows("SELECT n FROM t") == [(3,)]


def test_ddl_commits_what_is_open(connect: Callable[..., Client]) -> None:
    """TRANSACTIONS: "Executing a DDL statement within an open transaction commits the open transaction"."""
    writer, other = connect(), connect()
    writer.run("CREATE TABLE t (n NUMBER)", "BEGIN", "INSERT INTO t VALUES (1)")
    assert other.one("SELECT COUNT(*) FROM t") == 0
    writer.run("CREATE TABLE another (n NUMBER)")
    assert other.one("SELECT COUNT(*) FROM t") == 1
    writer.run("ROLLBACK")
    assert other.one("SELECT COUNT(*) FROM t") == 1


def test_each_statement_sees_what_was_committed_before_it(connect: Callable[..., Client]) -> None:
    """TRANSACTIONS, "READ COMMITTED isolation": two statements of one transaction may see different data."""
    one, other = connect(), connect()
    one.run("CREATE TABLE t (n NUMBER)", "BEGIN", "INSERT INTO t VALUES (1)")
    assert one.rows("SELECT n FROM t") == [(1,)]
    other.run("INSERT INTO t VALUES (2)")
    assert other.rows("SELECT n FROM t") == [(2,)]
    assert one.rows("SELECT n FROM t ORDER BY n") == [(1,), (2,)]
    one.run("ROLLBACK")
    assert one.rows("SELECT n FROM t") == [(2,)]


def test_a_closed_session_rolls_back(connect: Callable[..., Client]) -> None:
    """TRANSACTIONS: "If a session with an open transaction is closed, the open transaction is rolled
    back"."""
    one, other = connect(), connect()
    one.run("CREATE TABLE t (n NUMBER)", "BEGIN", "INSERT INTO t VALUES (1)", "UPDATE t SET n = 2")
    one.connection.close()
    other.run("UPDATE t SET n = 5")  # its lock is free
    assert other.one("SELECT COUNT(*) FROM t") == 0
