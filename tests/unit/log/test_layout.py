"""Names: which partitions may exist, and where things stand."""

from __future__ import annotations

import pytest

from eventreplay.errors import ConfigError
from eventreplay.log import layout


@pytest.mark.parametrize("name", ["a", "0", "journal", "live-0", "a.b_c-d", "x" * 63, "a.b.c"])
def test_partition_names_that_may_be(name: str) -> None:
    assert layout.check_partition(name) == name
    assert layout.partition_of(f"log_partition={name}") == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a..b", "../a", "a/b", "A", "-a", "_a", ".a", "x" * 64, "a b", "a\n", "é", "a=b", "a\0"],
)
def test_partition_names_that_may_not_be(name: str) -> None:
    with pytest.raises(ConfigError):
        layout.check_partition(name)
    assert layout.partition_of(f"log_partition={name}") is None


def test_keys() -> None:
    assert layout.commit_key("p", 7) == "commits/p/00000000000000000007.json"
    assert layout.commit_number("commits/p/00000000000000000007.json") == 7
    assert layout.commit_number("commits/p/7.json") is None
    assert layout.commit_number("commits/p/00000000000000000007.json.staging") is None
    key = layout.segment_key(layout.EVENTS, "p", 12, "0123456789abcdef" * 4)
    assert key == "events/log_partition=p/segment-00000000000000000012-0123456789abcdef.parquet"
    assert layout.is_segment_key(key)
    assert not layout.is_segment_key(key + ".tmp")
    assert layout.partition_of("log_partition=") is None
    assert layout.partition_of("p") is None


def test_keys_sort_as_their_numbers() -> None:
    numbers = [1, 9, 10, 99, 100, 2**62]
    assert sorted(layout.commit_key("p", number) for number in numbers) == [
        layout.commit_key("p", number) for number in numbers
    ]
