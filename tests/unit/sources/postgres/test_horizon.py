"""The gap-safe head against a model of a journal whose every step is told, without a server."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from attrs import define, field

from eventreplay.sources.postgres.holes import Hold, Look
from eventreplay.sources.postgres.horizon import Horizon


@define
class Model:
    """Visible ids and holders of locks; `between` runs once, after the next look and before the next list."""

    visible: set[int] = field(factory=set)
    holders: dict[str, bool] = field(factory=dict)
    after_look: list[Callable[[], None]] = field(factory=list)
    after_list: list[Callable[[], None]] = field(factory=list)

    def look(self, after: int, upto: int | None) -> Look:
        seen = sorted(each for each in self.visible if each > after and (upto is None or each <= upto))
        highest = seen[-1] if seen else None
        end = highest if upto is None else upto
        missing = [
            each for each in range(after + 1, 1 + (after if end is None else end)) if each not in self.visible
        ]
        found = Look(
            snapshot="s", highest=highest, holes=np.array([[each, each] for each in missing]).reshape(-1, 2)
        )
        if self.after_look:
            self.after_look.pop(0)()
        return found

    def writers(self) -> list[Hold]:
        found = [
            Hold(
                transaction=name,
                pid=None if prepared else 1,
                application_name=None,
                user=None,
                state=None,
                age_s=None,
                gid=None,
            )
            for name, prepared in self.holders.items()
        ]
        if self.after_list:
            self.after_list.pop(0)()
        return found

    def horizon(self) -> Horizon:
        made = Horizon(look=self.look, list_writers=self.writers)
        made.resume(0)
        return made


def test_a_hole_without_holder_is_dead_and_written_down() -> None:
    horizon = Model(visible={1, 3, 6}).horizon()
    assert horizon.advance(0) == 6
    (gaps,) = horizon.decided
    assert list(zip(gaps.first.to_pylist(), gaps.last.to_pylist(), strict=True)) == [(2, 2), (4, 4), (5, 5)]


def test_a_hole_is_held_while_its_holder_lives() -> None:
    model = Model(visible={1, 3}, holders={"3/1": False})
    horizon = model.horizon()
    for _ in range(5):
        assert horizon.advance(0) == 1
        assert [hold.transaction for hold in horizon.held_by] == ["3/1"]
    model.holders.clear()
    model.visible.add(2)
    assert horizon.advance(0) == 3
    assert not horizon.decided


def test_who_commits_between_the_look_and_the_list_is_not_taken_for_dead() -> None:
    model = Model(visible={1, 3}, holders={"3/1": False})

    def commit() -> None:
        model.visible.add(2)
        model.holders.clear()

    model.after_look.append(commit)
    horizon = model.horizon()
    assert horizon.advance(0) == 3
    assert not horizon.decided


def test_who_is_prepared_while_it_is_waited_for_still_holds() -> None:
    model = Model(visible={1, 3}, holders={"3/1": False})

    def prepare() -> None:
        model.holders = {"-1/700": True}

    model.after_list.append(prepare)
    horizon = model.horizon()
    assert horizon.advance(0) == 1
    assert not horizon.decided
    model.holders.clear()
    model.visible.add(2)
    assert horizon.advance(0) == 3
    assert not horizon.decided


def test_later_transactions_are_not_waited_for() -> None:
    model = Model(visible={1, 3}, holders={"3/1": False})
    horizon = model.horizon()
    assert horizon.advance(0) == 1
    model.holders = {"4/1": False}
    assert horizon.advance(0) == 3


def test_a_replica_decides_nothing() -> None:
    model = Model(visible={1, 3})
    horizon = Horizon(look=model.look, list_writers=model.writers, is_decidable=False)
    horizon.resume(0)
    assert horizon.advance(0) == 1
    assert not horizon.decided
