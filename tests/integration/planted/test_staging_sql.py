"""The SQL that deduplicates, run as it stands in its model, against a dictionary (promise P2).

dbt is left out: a dozen lines of its templates stand in for it here, so that many histories can be tried.
What dbt makes of the models is tested with dbt itself.
"""

from __future__ import annotations

import datetime as dt
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
from attrs import frozen
from hypothesis import example, given, settings
from hypothesis import strategies as st

PROJECT = Path(__file__).resolve().parents[3] / "dbt"
MODEL = PROJECT / "models/staging/events/stg_events__deliveries.sql"
PRUNING = PROJECT / "macros/pruning.sql"
BUILT = "STAGING.DELIVERIES"
START = datetime(2026, 1, 1)  # noqa: DTZ001 - RAW's moments are naive and mean UTC


@frozen
class Row:
    """A row of RAW.EVENTS, as far as deduplication sees it."""

    partition: str
    event: str
    payload: bytes


rows = st.builds(Row, st.sampled_from(["a", "b", "c"]), st.sampled_from("xyz"), st.sampled_from([b"1", b"2"]))
loads = st.lists(st.tuples(st.lists(rows, max_size=6), st.integers(-2, 3)), min_size=1, max_size=4)


class ReturnedError(Exception):
    """What dbt's `return` gives, on its way out of a macro."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.value = value


def rendered(connection: duckdb.DuckDBPyConnection, *, incremental: bool) -> str:
    """The model's SQL, with dbt's names resolved."""
    template = jinja2.Environment(autoescape=True).from_string(MODEL.read_text("utf-8"))
    return template.render(
        config=lambda **_: "",
        clustered=lambda _: None,
        source=source,
        is_incremental=lambda: incremental,
        settled_before=lambda: settled_before(connection),
        this=BUILT,
    )


def source(schema: str, table: str) -> str:
    return f"{schema}.{table}"


def settled_before(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The macro of that name, asking this connection; nothing that is newer counts as settled."""

    def returned(value: Any) -> None:
        raise ReturnedError(value)

    def rows(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query).fetchall()

    # The one macro that returns into another one, which an exception cannot.
    text = PRUNING.read_text("utf-8").partition("{% macro one_value")[0]
    environment = jinja2.Environment(autoescape=True, extensions=["jinja2.ext.do"])
    environment.globals.update(
        {
            "return": returned, "execute": True, "source": source, "this": BUILT, "log": lambda *_, **__: "",
            "modules": SimpleNamespace(datetime=dt), "var": lambda _: 0,
            "one_value": lambda query: rows(query)[0][0],
            "run_query": lambda query: SimpleNamespace(
                rows=[SimpleNamespace(values=partial(tuple, row)) for row in rows(query)]
            ),
        }
    )  # fmt: skip
    try:
        environment.from_string(text).module.settled_before()  # type: ignore[attr-defined]
    except ReturnedError as end:
        found: str | None = end.value
        return found
    raise AssertionError("it returned nothing")


def expected(placed: list[tuple[Row, int]]) -> dict[tuple[str, int], str]:
    """What each delivery is: the first of its id in log order counts, whenever it was loaded."""
    first: dict[str, Row] = {}
    judged: dict[tuple[str, int], str] = {}
    for row, offset in sorted(placed, key=lambda one: (one[0].partition, one[1])):
        if row.event not in first:
            first[row.event] = row
            judged[row.partition, offset] = "distinct"
        else:
            same = row.payload == first[row.event].payload
            judged[row.partition, offset] = "duplicate" if same else "conflicting"
    return judged


@settings(max_examples=12)
@given(loads)
@example([([Row("a", "x", b"1"), Row("a", "x", b"2"), Row("a", "x", b"1")], 0)])
@example([([Row("b", "x", b"1"), Row("b", "y", b"1")], 0), ([Row("a", "x", b"2")], -1)])
@example([([Row("a", "x", b"1")], 3), ([Row("a", "y", b"1")], 3), ([Row("b", "y", b"2")], 0)])
def test_the_first_in_log_order_counts_whenever_its_rows_were_loaded(
    loads: list[tuple[list[Row], int]],
) -> None:
    placed: list[tuple[Row, int]] = []
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA raw; CREATE SCHEMA STAGING")
        connection.execute(
            "CREATE TABLE raw.events (log_partition VARCHAR, log_offset BIGINT, event_id VARCHAR,"
            " payload_type VARCHAR, payload_sha256 BLOB, inserted_at TIMESTAMP)"
        )
        for number, (load, step) in enumerate(loads):
            for row in load:
                offset = sum(1 for other, _ in placed if other.partition == row.partition)
                placed.append((row, offset))
                # A clock that stands still or steps back, as clocks do.
                moment = START + timedelta(seconds=step)
                connection.execute(
                    "INSERT INTO raw.events VALUES (?, ?, ?, 't', ?, ?)",
                    [row.partition, offset, row.event, row.payload, moment],
                )
            step_through(connection, incremental=number > 0)
            assert dispositions(connection) == expected(placed)


def step_through(connection: duckdb.DuckDBPyConnection, *, incremental: bool) -> None:
    """What dbt does with the model: make the table, or delete and insert by its key."""
    query = rendered(connection, incremental=incremental)
    if not incremental:
        connection.execute(f"CREATE TABLE {BUILT} AS {query}")
        return
    connection.execute(f"CREATE OR REPLACE TEMP TABLE changed AS {query}")
    key = "(log_partition, log_offset)"
    connection.execute(f"DELETE FROM {BUILT} WHERE {key} IN (SELECT {key} FROM changed)")
    connection.execute(f"INSERT INTO {BUILT} SELECT * FROM changed")


def dispositions(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, int], str]:
    found = connection.execute(f"SELECT log_partition, log_offset, disposition FROM {BUILT}").fetchall()
    assert len({row[:2] for row in found}) == len(found), "a delivery stands there twice"
    return {(partition, offset): disposition for partition, offset, disposition in found}
