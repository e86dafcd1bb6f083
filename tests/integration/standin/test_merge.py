from tests.integration.standin.client import Client

MERGE = "docs.snowflake.com/en/sql-reference/sql/merge"


def test_several_source_rows_for_one_target_row_are_an_error(client: Client) -> None:
    """MERGE, ERROR_ON_NONDETERMINISTIC_MERGE = TRUE (default): 100090, and nothing is changed; fakesnow
    takes one."""
    client.run("CREATE TABLE t (k NUMBER, v NUMBER)", "INSERT INTO t VALUES (1, 0)")
    twice = "(SELECT 1 AS k, 1 AS v UNION ALL SELECT 1, 2 UNION ALL SELECT 5, 5) s"
    for action in ("UPDATE SET v = s.v", "DELETE"):
        sql = f"MERGE INTO t USING {twice} ON t.k = s.k WHEN MATCHED THEN {action} "
        assert client.error(f"{sql} WHEN NOT MATCHED THEN INSERT (k, v) VALUES (s.k, s.v)").errno == 100090
    assert client.rows("SELECT k, v FROM t") == [(1, 0)]


def test_unmatched_duplicates_are_both_inserted(client: Client) -> None:
    """MERGE: nothing in NOT MATCHED makes source rows unique."""
    client.run("CREATE TABLE t (k NUMBER)")
    merged = client.rows(
        "MERGE INTO t USING (SELECT 1 AS k UNION ALL SELECT 1) s ON t.k = s.k WHEN NOT MATCHED THEN "
        "INSERT (k) VALUES (s.k)"
    )
    assert merged == [(2,)]
    assert client.rows("SELECT k FROM t") == [(1,), (1,)]


def test_counts_by_kind(client: Client) -> None:
    """MERGE: rows inserted, updated, deleted are told apart."""
    client.run("CREATE TABLE t (k NUMBER, v NUMBER)", "INSERT INTO t VALUES (1, 0), (2, 0)")
    with client.connection.cursor() as cursor:
        cursor.execute(
            "MERGE INTO t USING (SELECT 1 AS k UNION ALL SELECT 2 UNION ALL SELECT 3) s ON t.k = s.k "
            "WHEN MATCHED AND s.k = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET v = 7 "
            "WHEN NOT MATCHED THEN INSERT (k, v) VALUES (s.k, 9)"
        )
        assert [item[0] for item in cursor.description] == [
            "number of rows inserted", "number of rows updated", "number of rows deleted",
        ]  # fmt: skip
        assert cursor.fetchall() == [(1, 1, 1)]
        assert cursor.rowcount == 3
    assert client.rows("SELECT k, v FROM t ORDER BY k") == [(1, 7), (3, 9)]


def test_a_merge_that_fails_changes_nothing(client: Client) -> None:
    """MERGE is one statement: its inserts, updates and deletes are applied together or not at all."""
    client.run("CREATE TABLE t (k NUMBER, s VARCHAR(2))", "INSERT INTO t VALUES (1, 'a')")
    failed = client.error(
        "MERGE INTO t USING (SELECT 1 AS k, 'b' AS s UNION ALL SELECT 2, 'long') q ON t.k = q.k "
        "WHEN MATCHED THEN UPDATE SET s = q.s WHEN NOT MATCHED THEN INSERT (k, s) VALUES (q.k, q.s)"
    )
    assert failed.errno == 100078
    assert client.rows("SELECT k, s FROM t") == [(1, "a")]
