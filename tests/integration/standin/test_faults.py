import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import snowflake.connector

from eventreplay.testing.services import StandInServer
from tests.integration.standin.client import Client

Control = Callable[..., dict[str, Any]]
Open = Callable[..., Client]


def test_a_request_sent_again_runs_once(client: Client, control: Control) -> None:
    """The connector sends a lost query again with the same requestId; Snowflake answers with the first's
    result."""
    client.run("CREATE TABLE t (n NUMBER)")
    control("POST", kind="cut", match="^INSERT INTO t", times=2)
    assert client.rows("INSERT INTO t VALUES (1)") == [(1,)]
    assert control("GET")["faults"][0]["struck"] == 2
    assert client.one("SELECT COUNT(*) FROM t") == 1


def test_a_request_lost_before_it_ran_runs_when_sent_again(client: Client, control: Control) -> None:
    """Cut before the statement: the retry is the first to run it."""
    client.run("CREATE TABLE t (n NUMBER)")
    control("POST", kind="cut_before", match="^INSERT INTO t")
    client.run("INSERT INTO t VALUES (1)")
    assert control("GET")["faults"][0]["struck"] == 1
    assert client.one("SELECT COUNT(*) FROM t") == 1


def test_a_reply_lost_for_good(connect: Open, control: Control) -> None:
    """Every retry is cut too: the caller does not know, and the COMMIT was done."""
    client, other = connect(network_timeout=3), connect()
    client.run("CREATE TABLE t (n NUMBER)", "BEGIN", "INSERT INTO t VALUES (1)")
    control("POST", kind="cut", match="^COMMIT", for_good=True)
    with pytest.raises(snowflake.connector.errors.Error):
        client.run("COMMIT")
    assert control("GET")["faults"][0]["struck"] >= 1
    assert other.one("SELECT COUNT(*) FROM t") == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_is_busy_is_asked_again(client: Client, control: Control, status: int) -> None:
    """HTTP 429 and 5xx are tried again by the connector; the statement runs once."""
    client.run("CREATE TABLE t (n NUMBER)")
    control("POST", kind="status", match="^INSERT", status=status, times=1)
    client.run("INSERT INTO t VALUES (1)")
    assert control("GET")["faults"][0]["struck"] == 1
    assert client.one("SELECT COUNT(*) FROM t") == 1


def test_only_the_chosen_statement_is_struck(client: Client, control: Control) -> None:
    """`skip` counts matching statements."""
    client.run("CREATE TABLE t (n NUMBER)")
    control("POST", kind="status", match="^INSERT", skip=1, status=503)
    client.run("INSERT INTO t VALUES (1)")
    assert control("GET")["faults"][0]["struck"] == 0
    client.run("INSERT INTO t VALUES (2)")
    assert control("GET")["faults"][0]["struck"] == 1


def test_a_statement_is_cancelled(connect: Open) -> None:
    """docs.snowflake.com/en/sql-reference/parameters#statement-timeout-in-seconds: a query ends with 604
    or 630."""
    client = connect()
    client.run("ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 1")
    slow = "SELECT COUNT(*) FROM range(1000000000) a, range(1000) b WHERE a.range + b.range < 0"
    assert client.error(slow).errno in (604, 630)
    assert client.one("SELECT 1") == 1


def test_killed_at_a_statement_it_keeps_what_was_committed() -> None:
    """SIGKILL in a transaction: after a restart the committed rows are there, the others are not."""
    with StandInServer.start() as server:
        database = server.database()
        client = Client(**server.connect_args(database), client_session_keep_alive=False)
        client.run("CREATE TABLE t (n NUMBER)", "CREATE STAGE s", "INSERT INTO t VALUES (1)")
        client.run("BEGIN", "INSERT INTO t VALUES (2)", "UPDATE t SET n = n + 10")
        server.kill()
        server.restart()
        again = Client(**server.connect_args(database))
        assert again.rows("SELECT n FROM t") == [(1,)]
        assert again.rows("LIST @s") == []
        again.run("UPDATE t SET n = 3")
        again.connection.close()


def test_one_request_id_at_the_same_time_runs_once(client: Client, control: Control) -> None:
    """A retry that comes while the first still runs waits for it."""
    client.run("CREATE TABLE t (n NUMBER)")
    control("POST", kind="delay", match="^INSERT", seconds=0.3, times=2)
    barrier = threading.Barrier(2)
    request = "0f8fad5b-d9cb-469f-a165-70867728950e"

    def insert() -> Any:
        barrier.wait(10)
        with client.connection.cursor() as cursor:
            cursor.execute("INSERT INTO t VALUES (1)", _statement_params={"requestId": request})
            return cursor.fetchall()

    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(insert) for _ in range(2)]
        assert [result.result(20) for result in results] == [[(1,)], [(1,)]]
    assert client.one("SELECT COUNT(*) FROM t") == 1
