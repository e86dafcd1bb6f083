"""A second generation beside the live one, and the change of places: on DuckDB, in one transaction."""

from __future__ import annotations

from contextlib import closing

import duckdb
import pytest

from eventreplay.sinks.duckdb_tables import check_tables, create_tables
from tests.integration.dbt.payloads import RawEvent, line, order_placed, page_viewed
from tests.integration.dbt.warehouse import Warehouse

SUFFIX = {"EVENTREPLAY_SCHEMA_SUFFIX": "_NEXT", "EVENTREPLAY_RAW_SCHEMA": "RAW_NEXT"}
RUN = ("run", "--select", "+fct_orders")


def operation(warehouse: Warehouse, name: str, generation: str) -> tuple[int, str]:
    code, _, said = warehouse.dbt(
        "run-operation", name, "--args", f"{{suffix: _NEXT, generation: {generation}}}"
    )
    return code, said


def loaded_beside(warehouse: Warehouse, without: str) -> None:
    """What a replay through another codec does: the same log, one event decoded otherwise (here: refused)."""
    with closing(duckdb.connect(str(warehouse.path))) as connection:
        create_tables(connection, "RAW_NEXT")
        connection.execute(
            "INSERT INTO RAW_NEXT.EVENTS SELECT * FROM RAW.EVENTS WHERE event_id <> ?", [without]
        )
        values = "('live/p', 'p', 'e', 7, 'd', 'new codec', now()::TIMESTAMP)"
        connection.execute(f"INSERT INTO RAW_NEXT.CHECKPOINTS VALUES {values}")


def order(name: str, day: int) -> RawEvent:
    return order_placed(name, "C1", f"2026-03-0{day} 10:00", [line(1, "A", 1, "2.0000")])


@pytest.fixture
def rebuilt(warehouse: Warehouse) -> Warehouse:
    """Two orders live; beside them a generation of one."""
    warehouse.load(order("O1", 1), order("O2", 2), page_viewed("P1", "A", "2026-03-01", "1"))
    warehouse.change(
        "INSERT INTO RAW.CHECKPOINTS VALUES ('live/p', 'p', 'e', 5, 'd', 'old codec', now()::TIMESTAMP)"
    )
    warehouse.succeed(*RUN)
    ((event,),) = warehouse.rows("SELECT event_id FROM RAW.EVENTS WHERE payload::VARCHAR LIKE '%O2%'")
    assert operation(warehouse, "begin_generation", "g1")[0] == 0
    loaded_beside(warehouse, event)
    warehouse.succeed(*RUN, "--full-refresh", **SUFFIX)
    return warehouse


def orders(warehouse: Warehouse, schema: str = "MART") -> list[str]:
    return [name for (name,) in warehouse.rows(f"SELECT order_id FROM {schema}.fct_orders ORDER BY 1")]


def test_two_generations_change_places_and_the_next_load_goes_on_where_the_new_one_stands(
    rebuilt: Warehouse,
) -> None:
    assert orders(rebuilt) == ["O1", "O2"], "beside means beside"
    code, said = operation(rebuilt, "begin_generation", "g1")
    assert (code, "goes on" in said) == (0, True)
    assert orders(rebuilt, "MART_NEXT") == ["O1"], "a second attempt keeps what the first one built"
    for _ in range(2):  # a retried task promotes again: nothing changes any more
        code, said = operation(rebuilt, "promote", "g1")
        assert code == 0, said
        assert (orders(rebuilt), orders(rebuilt, "MART_NEXT")) == (["O1"], ["O1", "O2"])
        assert rebuilt.row("SELECT position, fingerprint FROM RAW.CHECKPOINTS") == (7, "new codec")
        assert rebuilt.row("SELECT position, fingerprint FROM RAW_NEXT.CHECKPOINTS") == (5, "old codec")
    with closing(duckdb.connect(str(rebuilt.path))) as connection:
        check_tables(connection)
        check_tables(connection, "RAW_NEXT")
    rebuilt.load(order("O3", 3))
    rebuilt.succeed(*RUN)
    assert orders(rebuilt) == ["O1", "O3"], "incremental over what was promoted"
    assert rebuilt.row("SELECT count(*) FROM STAGING.stg_events__distinct") == (3,), "views read what is live"


@pytest.mark.long
def test_what_was_live_is_kept_and_promoted_back(rebuilt: Warehouse) -> None:
    assert operation(rebuilt, "promote", "g1")[0] == 0
    code, said = operation(rebuilt, "promote", "g0")
    assert (code, "There is no generation g0" in said) == (1, True)
    assert operation(rebuilt, "promote", "first")[0] == 0
    assert (orders(rebuilt), orders(rebuilt, "MART_NEXT")) == (["O1", "O2"], ["O1"])
    assert rebuilt.rows("SELECT generation, state FROM RAW.GENERATION") == [("first", "live")]
    assert rebuilt.rows("SELECT generation, state FROM RAW_NEXT.GENERATION") == [("g1", "kept")]
    assert operation(rebuilt, "begin_generation", "g2")[0] == 0
    assert rebuilt.rows("SELECT table_name FROM duckdb_tables() WHERE schema_name LIKE '%_NEXT'") == [
        ("GENERATION",)
    ], "the next rebuild drops what was kept"
    assert orders(rebuilt) == ["O1", "O2"]
