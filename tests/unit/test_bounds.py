"""Numbers that somebody sets: inside the bounds or refused, with both said; never anything else repeated."""

from __future__ import annotations

import math

import pytest
from attrs import frozen

from eventreplay import bounds
from eventreplay.errors import ConfigError
from eventreplay.secret import Secret


@frozen
class Settings:
    size: object = 1
    port: object = None


@pytest.mark.parametrize("size", [1, 7])
def test_whole_numbers_within_bounds_pass(size: object) -> None:
    bounds.whole(Settings(size), "size", 1, 7)


@pytest.mark.parametrize("size", [0, 8, -1, True, 1.0, math.nan, None, "5"])
def test_whole_numbers_outside_and_what_is_none_are_refused(size: object) -> None:
    with pytest.raises(ConfigError, match=r"^size is ") as caught:
        bounds.whole(Settings(size), "size", 1, 7)
    assert caught.value.hint == "size is a whole number from 1 to 7."
    assert caught.value.fields["setting"] == "size"


def test_without_an_upper_bound_only_the_lower_one_counts() -> None:
    bounds.whole(Settings(1 << 80), "size", 1)
    with pytest.raises(ConfigError, match=r"size is 0\.") as caught:
        bounds.whole(Settings(0), "size", 1)
    assert caught.value.hint == "size is at least 1."


@pytest.mark.parametrize(("size", "above", "fits"), [
    (0, False, True), (0, True, False), (0.5, True, True), (5, True, True), (5.01, False, False),
    (-0.1, False, False), (math.nan, False, False), (math.inf, False, False), (True, False, False),
    ("1", False, False),
])  # fmt: skip
def test_numbers(size: object, above: bool, fits: bool) -> None:  # noqa: FBT001 - a case of the table
    if fits:
        bounds.number(Settings(size), "size", 0, 5, above=above)
        return
    with pytest.raises(ConfigError) as caught:
        bounds.number(Settings(size), "size", 0, 5, above=above)
    assert caught.value.hint == f"size is {'above' if above else 'at least'} 0 and at most 5."


@pytest.mark.parametrize("port", [None, 1, 65_535])
def test_ports_pass(port: object) -> None:
    bounds.port(Settings(port=port))


@pytest.mark.parametrize("port", [0, 65_536, -1, "80"])
def test_what_is_no_port_is_refused(port: object) -> None:
    with pytest.raises(ConfigError, match=r"^port is "):
        bounds.port(Settings(port=port))


@pytest.mark.parametrize("misplaced", ["hush-hush", Secret("hush-hush")], ids=["str", "Secret"])
def test_what_is_no_number_is_not_repeated(misplaced: object) -> None:
    for see in (bounds.whole, bounds.number):
        with pytest.raises(ConfigError) as caught:
            see(Settings(misplaced), "size", 1, 7)
        assert "hush" not in f"{caught.value}{caught.value.hint}{caught.value.fields}"
