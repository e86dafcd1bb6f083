"""Headers from the text of jsonb against the json module: the same maps, the same rows refused."""

from __future__ import annotations

import json

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from eventreplay.sources.postgres.headers import maps_of

TEXTS = st.text(alphabet='ab"\\{}:, \né🂡', max_size=6)
USUAL = st.dictionaries(TEXTS, TEXTS, max_size=3)
SCALARS = st.none() | st.booleans() | st.integers() | TEXTS
ODD = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(TEXTS, SCALARS | USUAL, max_size=3)
ROWS = st.lists(st.none() | USUAL | USUAL | ODD, max_size=12)


def printed(value: object) -> str | None:
    """As jsonb prints it; None is SQL's NULL."""
    return None if value is None else json.dumps(value, ensure_ascii=False)


def due(value: object) -> tuple[list[tuple[str, str]] | None, bool]:
    if value is None:
        return None, False
    if isinstance(value, dict) and all(isinstance(each, str) for each in value.values()):
        return list(value.items()) or None, False
    return None, True


@given(rows=ROWS, before=st.integers(0, 3), after=st.integers(0, 3))
@example(rows=[{"a": "b"}, {"a": 1}, {"a": "1.5"}, {"a": 1.5}, [], {}, None, {'"': "\\"}], before=1, after=1)
@example(rows=[{"a": '", "b": "'}, {"a": "b", "c": "d"}, '": "', {"x": ": "}], before=0, after=0)
def test_maps_are_what_the_text_says(rows: list[object], before: int, after: int) -> None:
    padding: list[str | None] = ['{"q": "', "{}", None]
    texts = pa.array([*padding[:before], *map(printed, rows), *padding[:after]], pa.string())
    maps, bad = maps_of(texts.slice(before, len(rows)))
    maps.validate(full=True)
    assert [(found, bool(is_bad)) for found, is_bad in zip(maps.to_pylist(), bad, strict=True)] == [
        due(value) for value in rows
    ]


def test_long_columns_stay_columns() -> None:
    texts = pa.array([f'{{"trace": "{row}", "k": "v"}}' for row in range(5000)] + ["{}"] * 5)
    maps, bad = maps_of(texts)
    assert not bad.any()
    assert maps[4321].as_py() == [("trace", "4321"), ("k", "v")]
    assert maps.null_count == 5


def test_an_abyss_is_no_object_of_texts() -> None:
    depth = 100_000
    maps, bad = maps_of(pa.array(['{"a": "b"}', '{"a": ' + "[" * depth + "]" * depth + "}"]))
    assert maps.to_pylist() == [[("a", "b")], None]
    assert bad.tolist() == [False, True]
