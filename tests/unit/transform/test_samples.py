from __future__ import annotations

from eventreplay.transform import Node, samples


def red(unique_id: str) -> Node:
    return Node(unique_id=unique_id, name="t", kind="test", status="fail", seconds=0, message="", failures=1)


def test_the_question_is_bounded() -> None:
    many = [red(f"test.p.t{n}") for n in range(40)]
    question = samples.query(many, {node.unique_id: "select 1" for node in many})
    assert question is not None
    assert question.count("run_query") == samples.TESTS_MAX
    long = samples.query(many, {node.unique_id: "select '" + "x" * 40_000 + "'" for node in many})
    assert long is not None
    assert long.count("run_query") == 2
    assert f"limit_subquery_sql(failing, {samples.ROWS_MAX})" in question
    assert f"[:{samples.VALUE_CHARACTERS_MAX}]" in question


def test_what_would_end_its_quoting_is_left_out() -> None:
    nodes = [red("test.p.a"), red("test.p.b'c"), red("test.p.d")]
    compiled = {"test.p.a": "select '{% endraw %}'", "test.p.b'c": "select 1"}
    assert samples.query(nodes, compiled) is None


def test_nothing_failed_asks_nothing() -> None:
    assert samples.query([], {}) is None


def test_names_of_columns_are_the_same_on_every_warehouse() -> None:
    said = '{"test": "test.p.a", "columns": ["BATCH_ID", "rate"], "rows": [["B", "null"]]}'
    (node, other) = samples.with_rows([red("test.p.a"), red("test.p.z")], [said])
    assert node.rows == ({"batch_id": "B", "rate": "null"},)
    assert other.rows == ()
