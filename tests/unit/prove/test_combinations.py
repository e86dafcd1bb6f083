"""Everything that must have no part in a result is varied: by two runs already, and in effect."""

from __future__ import annotations

import random
import sys

import pytest
from attrs import evolve, fields

from eventreplay.errors import ConfigError
from eventreplay.prove.combinations import (
    OF_DBT,
    OF_REPLAY,
    WHAT,
    Combination,
    Values,
    chosen_locales,
    combinations,
    values_here,
)
from eventreplay.prove.proof import varied_in

NAMES = [attribute.name for attribute in fields(Combination)]


def here(seed: int, *, pythons: tuple[str, ...] = ("a", "b"), cores: int = 2) -> Values:
    return values_here(
        segment_rows=1_000,
        pythons=pythons,
        draw=random.Random(seed),  # noqa: S311 - a shuffle
        locales=("de_DE.utf8", "C", "C.utf8"),
        cores=cores,
    )


def made(seed: int, runs: int, **how: object) -> tuple[Combination, ...]:
    draw = random.Random(seed)  # noqa: S311 - a shuffle
    return combinations(here(seed, **how), runs, draw)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("runs", [2, 3, 7])
def test_every_dimension_has_two_values_at_least_whatever_the_seed(name: str, runs: int) -> None:
    for seed in range(20):
        assert len({getattr(each, name) for each in made(seed, runs)}) > 1, seed


def test_two_runs_have_the_two_most_unlike_values_of_each() -> None:
    for seed in range(20):
        one, other = made(seed, 2)
        assert {one.zone, other.zone} == {"Pacific/Kiritimati", "America/St_Johns"}
        assert {one.decimals, other.decimals} == {"narrow", "usual"}
        assert {one.locale, other.locale} == {"de_DE.utf8", "C"}
        assert {one.row_order, other.row_order} == {"reversed", "log"}
        assert {one.batch_rows_max, other.batch_rows_max} == {65_536, 333}
        assert {one.workers, other.workers} == {1, 2}


def test_a_seed_gives_the_same_again_and_another_gives_others() -> None:
    assert made(5, 4) == made(5, 4)
    assert made(5, 4) != made(6, 4)
    first = [made(seed, 2)[0] for seed in range(20)]
    assert all(len({getattr(each, name) for each in first}) > 1 for name in NAMES)


def test_every_interpreter_takes_part() -> None:
    found = made(1, 3, pythons=("a", "b", "c"))
    assert {each.python for each in found} == {"a", "b", "c"}
    with pytest.raises(ConfigError, match="3 interpreters take part in 2 runs"):
        made(1, 2, pythons=("a", "b", "c"))


@pytest.mark.parametrize("runs", [0, 1, 64])
def test_runs_that_prove_nothing_are_refused(runs: int) -> None:
    with pytest.raises(ConfigError, match="runs"):
        made(1, runs)


def test_a_locale_with_a_decimal_comma_comes_first_where_one_is_installed() -> None:
    points = {"de_DE.utf8": ",", "en_US.utf8": ".", "C.utf8": ".", "xx_XX": ","}
    assert chosen_locales(["C", "C.utf8", "POSIX", "de_DE.utf8", "en_US.utf8"], points.get) == (
        "de_DE.utf8", "C", "C.utf8", "en_US.utf8",
    )  # fmt: skip
    assert chosen_locales(["C", "xx_XX"], points.get) == ("xx_XX", "C")
    assert chosen_locales(["C", "C.utf8", "POSIX"], points.get) == ("C", "C.utf8")
    assert chosen_locales(["C", "POSIX"], points.get) == ("C",)


def test_the_environment_sets_what_an_interpreter_reads_as_it_starts() -> None:
    how = evolve(made(1, 2)[0], locale="C", hash_seed=17, zone="Asia/Kathmandu")
    assert how.environment(ascii_only=True) == {
        "PYTHONHASHSEED": "17", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }  # fmt: skip
    assert how.environment(ascii_only=False)["PYTHONUTF8"] == "1"
    assert evolve(how, locale="C.utf8").environment(ascii_only=False)["PYTHONUTF8"] == "0"


def test_each_dimension_matters_to_dbt_or_to_a_replay_and_has_words() -> None:
    assert set(WHAT) == set(NAMES) == {*OF_DBT, *OF_REPLAY}
    assert len(set(WHAT.values())) == len(WHAT)


def test_what_had_no_effect_does_not_count_as_varied() -> None:
    """A zone that the machine does not know leaves the clock at UTC, whatever it is called."""
    one, other = made(1, 2, pythons=(sys.executable,))
    effects = {
        "zone": ["UTC"],
        "locale": ["C", ".", "ANSI"],
        "decimals": [6],
        "hash_seed": 1,
        "python": ["x"],
    }
    moved = {"decimals": [28], "hash_seed": 2}
    varied, constant = varied_in([(one, effects), (other, {**effects, **moved})], 1_000, with_dbt=False)
    assert set(constant) == {"zone", "locale", "python"}
    assert constant["zone"] == "what was asked for had no effect on this machine"
    assert constant["python"] == "no other interpreter was named"
    assert "row_order" not in varied
    assert {"decimals", "hash_seed", "batch_rows_max", "workers", "clock"} <= set(varied)
    _, constant = varied_in([(one, effects), (other, effects)], 1, with_dbt=True)
    assert constant["batch_rows_max"] == "the segments are too small"
