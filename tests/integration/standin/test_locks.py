import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.standin.client import Client

LOCKS = "docs.snowflake.com/en/sql-reference/transactions, Resource locking"


@pytest.fixture
def two(connect: Callable[..., Client]) -> tuple[Client, Client]:
    one = connect()
    one.run("CREATE TABLE c (k NUMBER, v NUMBER)", "CREATE TABLE r (n NUMBER)", "INSERT INTO c VALUES (1, 0)")
    return one, connect()


def _until_waiting(watcher: Client) -> None:
    """Until a statement in this database waits for a lock."""
    database = watcher.one("SELECT CURRENT_DATABASE()")
    until = time.monotonic() + 10
    while not any(
        row[0].startswith(f"{database}.") and row[3] == "WAITING" for row in watcher.rows("SHOW LOCKS")
    ):
        assert time.monotonic() < until


def test_a_second_update_waits_and_then_sees_the_first(two: tuple[Client, Client]) -> None:
    """LOCKS: UPDATE blocks other UPDATEs until commit; the compare-and-set of the second then finds
    nothing."""
    one, other = two
    one.run("BEGIN", "INSERT INTO r VALUES (1)")
    other.run("BEGIN", "INSERT INTO r VALUES (2)")
    assert other.rows("SELECT v FROM c") == [(0,)]
    assert one.rows("UPDATE c SET v = 1 WHERE k = 1 AND v = 0")[0][0] == 1
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(other.rows, "UPDATE c SET v = 2 WHERE k = 1 AND v = 0")
        _until_waiting(one)
        assert not second.done()
        one.run("COMMIT")
        assert second.result(20)[0][0] == 0
    assert other.rows("SELECT n FROM r ORDER BY n") == [(1,), (2,)]
    other.run("ROLLBACK")
    assert other.rows("SELECT n FROM r") == [(1,)]
    assert other.rows("SELECT v FROM c") == [(1,)]


def test_inserts_wait_for_nobody(two: tuple[Client, Client]) -> None:
    """LOCKS: INSERT and COPY only add partitions and run beside UPDATE, DELETE and MERGE."""
    one, other = two
    one.run("BEGIN", "UPDATE c SET v = 1")
    other.run("ALTER SESSION SET LOCK_TIMEOUT = 1", "INSERT INTO c VALUES (2, 0)")
    one.run("COMMIT")
    assert one.rows("SELECT k, v FROM c ORDER BY k") == [(1, 1), (2, 0)]


def test_a_wait_ends_with_lock_timeout(two: tuple[Client, Client]) -> None:
    """docs.snowflake.com/en/sql-reference/parameters#lock-timeout: the waiting statement is aborted with
    an error."""
    one, other = two
    one.run("BEGIN", "DELETE FROM c")
    other.run("ALTER SESSION SET LOCK_TIMEOUT = 1", "BEGIN", "INSERT INTO r VALUES (7)")
    assert (
        other.error(
            "MERGE INTO c USING (SELECT 1 AS k) q ON c.k = q.k WHEN MATCHED THEN UPDATE SET v = 3"
        ).errno
        == 625
    )
    one.run("ROLLBACK")
    other.run("COMMIT")
    assert other.rows("SELECT n FROM r") == [(7,)]


def test_a_deadlock_aborts_one_statement(two: tuple[Client, Client]) -> None:
    """LOCKS, "Deadlocks": Snowflake detects them and aborts a statement; the other goes on."""
    one, other = two
    one.run("INSERT INTO r VALUES (1)", "BEGIN", "UPDATE c SET v = 1")
    other.run("BEGIN", "UPDATE r SET n = 2")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(one.rows, "UPDATE r SET n = 3")
        _until_waiting(other)
        assert other.error("UPDATE c SET v = 2").sqlstate == "40001"
        other.run("ROLLBACK")
        assert first.result(20)[0][0] == 1
    one.run("COMMIT")
    assert one.rows("SELECT v FROM c") == [(1,)]
