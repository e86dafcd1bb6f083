"""What a manifest says of models: which have rows, what is above them, what names a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from eventreplay.errors import ConfigError
from eventreplay.prove.models import asking, begins, lay, model_outputs, models_of, see_ignored
from eventreplay.sinks.duckdb_tables import connect, create_tables


def node(name: str, kind: str = "model", **more: Any) -> dict[str, Any]:
    config = {"materialized": more.pop("materialized", "table"), **more.pop("config", {})}
    facts = {"database": "warehouse", "schema": "MART", "alias": name, "resource_type": kind, "name": name}
    return {**facts, "config": config, **more}


def unique(model: str, name: str, **arguments: Any) -> dict[str, Any]:
    about = {"name": name, "kwargs": arguments}
    return node(f"{name}_{model}", "test", test_metadata=about, attached_node=f"model.p.{model}")


MANIFEST = {
    "nodes": {
        "model.p.a": node("a", config={"unique_key": "id"}, compiled_code="select 'now()' -- random()"),
        "model.p.gone": node("gone", materialized="ephemeral"),
        "model.p.b": node("b", compiled_code="select current_date, Random ()"),
        "model.p.c": node("c", materialized="view", config={"unique_key": ["x", "y"]}),
        "test.p.1": unique("a", "unique", column_name="key"),
        "test.p.2": unique("b", "unique_key", columns=["order_id", "line"]),
    },
    "parent_map": {
        "model.p.a": ["source.p.raw.events"],
        "model.p.gone": ["model.p.a"],
        "model.p.b": ["model.p.gone"],
        "model.p.c": ["model.p.b"],
    },
}


def test_models_with_rows_have_parents_through_those_without_and_the_key_that_tests_say() -> None:
    found = {model.name: model for model in models_of(MANIFEST)}
    assert set(found) == {"a", "b", "c"}
    assert (found["b"].parents, found["c"].parents) == (("model.p.a",), ("model.p.b",))
    assert (found["a"].key, found["b"].key, found["c"].key) == (("key",), ("order_id", "line"), ("x", "y"))
    assert found["a"].asks == ()
    assert found["b"].asks == ("current_date", "random")


def test_the_trouble_begins_where_the_parents_are_equal() -> None:
    models = models_of(MANIFEST)
    assert begins({"model.p.a", "model.p.b"}, models) == {"model.p.a"}
    assert begins({"model.p.b", "model.p.c"}, models) == {"model.p.b"}
    assert begins({"model.p.a", "model.p.c"}, models) == {"model.p.a", "model.p.c"}


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select now() from t", ("now",)),
        ("select uuid(), gen_random_uuid()", ("gen_random_uuid", "uuid")),
        ("select known, is_random, today from t where x = 'current_date'", ()),
        ('select "current_date" from t /* now() */', ()),
    ],
)
def test_words_that_ask_the_clock_or_chance_are_found_in_code_alone(sql: str, words: tuple[str, ...]) -> None:
    assert asking(sql) == words


def test_a_column_is_ignored_everywhere_or_in_one_model(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA MART")
        for name in "abc":
            connection.execute(
                f"CREATE TABLE MART.{name} AS SELECT 1 AS id, 2 AS v, 3 AS w, now() AS inserted_at"
            )
    outputs = model_outputs(path, models_of(MANIFEST), ("b.v", "ID"))
    compared = {name.rpartition(".")[2]: set(found.columns) for name, found in outputs.items()}
    assert compared == {"a": {"v", "w"}, "b": {"w"}, "c": {"v", "w"}}


def test_a_model_that_is_not_there_cannot_be_ignored() -> None:
    with pytest.raises(ConfigError, match="No model is called 'z'"):
        see_ignored(models_of(MANIFEST), ("z.v",))


@pytest.mark.parametrize("order", ["log", "reversed", "shuffled"])
def test_rows_lie_in_another_order_and_are_the_same(tmp_path: Path, order: str) -> None:
    path = tmp_path / "warehouse.duckdb"
    connection = connect(path)
    create_tables(connection)
    connection.execute(
        "INSERT INTO RAW.EVENTS BY NAME SELECT 'e' || i AS event_id, 't' AS event_type, '' AS stream_id,"
        " '' AS source, now() AS occurred_at, 'x' AS content_type, '{}' AS headers, 't' AS payload_type,"
        " '{}' AS payload, ''::BLOB AS payload_sha256, 1 AS event_hash, 'p' AS log_partition,"
        " i AS log_offset, now() AS inserted_at"
        " FROM range(50) t(i)"
    )
    connection.close()
    lay(path, order, 7)
    with duckdb.connect(str(path)) as again:
        found = [row[0] for row in again.execute("SELECT log_offset FROM RAW.EVENTS").fetchall()]
        left = again.execute("SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'RAW'").fetchall()
    assert sorted(found) == list(range(50))
    assert left == [(3,)]
    straight = list(range(50))
    assert (found == straight, found == straight[::-1]) == (order == "log", order == "reversed")
