"""run and promote: what is built, what is caught up with, what moved under a plan, and every way to die."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from eventreplay.capabilities.generations import FIRST
from eventreplay.errors import CodecChangedError, GenerationError, PlanError, SinkUnavailableError
from eventreplay.log import Log
from eventreplay.rebuild import (
    Plan,
    Promotion,
    RunReceipt,
    Selection,
    check,
    drop,
    drop_expired,
    generations,
    new_receipt,
    rollback,
)
from eventreplay.replay import replay
from eventreplay.testing import MemorySink, MemoryWarehouse, SimulatedCrash
from tests.hex_codec import FixedCodec
from tests.records import memory_storage, open_log
from tests.unit.rebuild.conftest import NEW, OLD, Shop
from tests.unit.rebuild.house import AT_ONCE, NOW, SINK, TYPES, House, a_dbt, fill, generation


def rows(warehouse: MemoryWarehouse) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    return (
        sorted((row["log_offset"], row["payload"]) for row in warehouse.events),
        sorted((row["stage"], row["log_offset"], row["error_code"]) for row in warehouse.quarantine),
    )


def from_scratch(log: Log) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """What the new code makes of the whole log."""
    house = House()
    replay(log, house.open_sink(), NEW)
    return rows(house.live_raw)


def test_a_run_builds_beside_the_live_tables_and_catches_up_with_the_log(shop: Shop) -> None:
    made = shop.plan()
    live = rows(shop.house.live_raw)
    fill(shop.log, 30)
    done = shop.run(made)
    assert (done.read, done.loaded, done.quarantined, done.left_out) == (30, 30, 0, 0)
    assert (done.state, done.rounds, done.builds) == ("ready", 1, 2)
    head = shop.log.reader("journal").head()
    assert head is not None
    assert done.positions == {"journal": {"commit": head.number, "digest": head.sha256}}
    assert rows(shop.house.raws["g1"]) == from_scratch(shop.log)
    assert rows(shop.house.live_raw) == live
    built = shop.house.the("g1")
    assert built.facts["codec"] == "hex-2"
    assert built.facts["models"] == {name: model.fingerprint for name, model in made.models.items()}
    assert (built.facts["built"], built.facts["plan"]) == ({"journal": head.number}, made.sha256)
    # The first build is whole, the next ones are not; all are the shadow's.
    builds = [(environment, whole) for command, environment, whole in shop.dbt.calls if command == "build"]
    shadow = {"EVENTREPLAY_RAW_SCHEMA": "RAW_G1", "EVENTREPLAY_SCHEMA_SUFFIX": "_G1"}
    assert builds == [(shadow, True), (shadow, False)]
    assert shop.house.marts == {"g1": 30}


def test_running_again_does_nothing_until_the_log_grows(shop: Shop) -> None:
    made = shop.plan()
    shop.run(made)
    calls = len(shop.dbt.calls)
    again = shop.run(made)
    assert (again.read, again.builds, again.state, len(shop.dbt.calls)) == (0, 0, "ready", calls)
    fill(shop.log, 24)
    assert (shop.run(made).read, shop.house.marts["g1"]) == (4, 24)


def test_models_alone_are_built_of_the_live_raw(shop: Shop) -> None:
    same = evolve(shop, codec=OLD)
    made = same.plan()
    done = same.run(made)
    assert (done.read, done.builds, done.positions["journal"]["commit"]) == (0, 1, 4)
    assert same.dbt.calls[-1] == (
        "build", {"EVENTREPLAY_RAW_SCHEMA": "RAW", "EVENTREPLAY_SCHEMA_SUFFIX": "_G1"}, True,
    )  # fmt: skip
    assert "g1" not in same.house.raws
    same.load(20)
    assert same.promote(made).built
    assert same.house.marts["g1"] == 16


@pytest.mark.parametrize(
    ("selection", "loaded", "quarantined"),
    [
        (Selection(types=[TYPES[0]]), 10, 0),
        (Selection(streams=["stream-1", "stream-2"]), 13, 0),
        (Selection(sources=["till-1"], types=[TYPES[0]]), 0, 0),
        (Selection(types=["none"]), 0, 0),
    ],
)
def test_what_a_selection_leaves_out_balances(
    shop: Shop, selection: Selection, loaded: int, quarantined: int
) -> None:
    done = shop.run(shop.plan(selection=selection))
    assert (done.read, done.loaded, done.quarantined) == (20, loaded, quarantined)
    assert done.left_out == 20 - loaded - quarantined
    taken = {row["log_offset"] for row in shop.house.raws["g1"].events}
    assert len(taken) == loaded
    with pytest.raises(GenerationError, match="only some of the rows"):
        shop.promote("g1")


def test_as_of_stops_there_and_catches_up_when_it_is_promoted(shop: Shop) -> None:
    made = shop.plan(until=[{"journal": 2}])
    done = shop.run(made)
    assert (done.read, done.rounds, done.positions["journal"]["commit"]) == (8, 0, 2)
    promoted = shop.promote(made)
    assert (promoted.read, promoted.built, promoted.before) == (12, True, FIRST)
    assert rows(shop.house.live_raw) == from_scratch(shop.log)
    assert shop.house.marts["g1"] == 20


def test_rounds_end_when_little_comes_and_in_any_case(shop: Shop) -> None:
    made = shop.plan()
    count = [20]

    def grow() -> None:
        if count[0] < 200:
            count[0] += 4
            fill(shop.log, count[0])

    shop.house.meanwhile = grow
    done = shop.run(made, lag_rows_max=0, rounds_max=3)
    assert done.rounds == 3
    assert done.state == "ready"
    assert shop.run(made, lag_rows_max=1000).rounds == 1


def test_a_warehouse_that_locks_others_out_is_let_go_between_slices(shop: Shop) -> None:
    shop.house.exclusive = True
    turns: list[int] = []

    def turn() -> None:
        shadow = shop.house.raws.get("g1")
        turns.append(0 if shadow is None else len(shadow.events))

    shop.house.meanwhile = turn
    shop.run(shop.plan(), slice_rows=5)
    assert rows(shop.house.raws["g1"]) == from_scratch(shop.log)
    assert {8, 16, 20} <= set(turns)  # two commits of four are the first that hold five
    opened = shop.house.opened
    shop.house.exclusive = False
    shop.run(shop.plan("g2"), slice_rows=5)
    assert shop.house.opened - opened < opened


def test_a_busy_warehouse_is_waited_for_and_not_for_ever(shop: Shop) -> None:
    made = shop.plan()
    shop.house.busy = 3
    assert shop.run(made).state == "ready"
    shop.house.busy = 100
    with pytest.raises(SinkUnavailableError):
        shop.run(made)


def test_a_run_that_died_anywhere_ends_in_the_same_tables(shop: Shop, tmp_path: Path) -> None:
    made = shop.plan()
    crash = _Crash(None)
    undisturbed = _another(tmp_path, crash)
    _whole_story(undisturbed, made)
    expected = from_scratch(undisturbed.log)
    assert len(crash.seen) > 30
    for at in range(len(crash.seen)):
        dying = _Crash(at)
        again = _another(tmp_path, dying)
        with pytest.raises(SimulatedCrash):
            _whole_story(again, made)
        point = dying.seen[-1]
        # A reader sees one generation or the other, each whole.
        live = again.house.live.name
        assert (live, again.house.marts[live]) in {(FIRST, 16), ("g1", 24), ("g1", 28)}, point
        _whole_story(again, made)
        assert rows(again.house.live_raw) == expected, point
        assert (again.house.live.name, again.house.marts["g1"]) == ("g1", 28), point


def _another(folder: Path, crash: _Crash) -> Shop:
    """The same company, in which somebody may die."""
    house = House(exclusive=True)
    made = Shop(open_log(memory_storage()), house, a_dbt(folder, house))
    made.load(16)
    fill(made.log, 20)
    house.marts[FIRST] = 16
    house.crash = crash
    return made


def _whole_story(shop: Shop, made: Plan) -> None:
    """Build, catch up with what came in, catch up once more and promote; begun again after any end."""
    if shop.house.live.name == FIRST:
        shop.run(made, slice_rows=8)
        _grown(shop.log, 24)
        shop.run(made, slice_rows=8)
        _grown(shop.log, 28)
    shop.promote(made)


def _grown(log: Log, count: int) -> None:
    head = log.reader("journal").head()
    if head is not None and head.next_offset < count:
        fill(log, count)


class _Crash:
    """Dies at the n-th point; counts from 0."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.seen: list[str] = []
        self.fired = False

    def __call__(self, what: str) -> None:
        self.seen.append(what)
        if len(self.seen) - 1 == self.at:
            self.fired = True
            raise SimulatedCrash(what)


def test_what_moved_under_a_plan_is_named(shop: Shop) -> None:
    made = shop.plan()
    fill(shop.log, 30)
    check(made, shop.log, shop.codec, shop.dbt)  # a log that grew is as planned
    for moved, said, other in (
        ("log", "commit 5 of journal is not there", evolve(shop, log=_shorter(12))),
        ("log", "commit 1 of journal is not there", evolve(shop, log=open_log(memory_storage()))),
        ("codec", r"the codec moved \(\*\)", evolve(shop, codec=FixedCodec(fingerprint="hex-3"))),
    ):
        with pytest.raises(PlanError, match=said) as caught:
            other.run(made)
        assert caught.value.fields["moved"] == [moved]
    (shop.dbt.project / "mart.sql").write_text("select 2\n")
    with pytest.raises(PlanError, match="files that no model is made of"):
        shop.run(made)
    with pytest.raises(PlanError, match=r"the dbt project moved \(mart\)") as caught:
        shop.with_code(mart="select 2").run(made)
    assert caught.value.fields["moved"] == ["project"]
    assert [each.name for each in shop.house.known] == [FIRST]
    (shop.dbt.project / "mart.sql").write_text("select 1\n")
    assert shop.run(made).state == "ready"


def test_rows_that_another_codec_made_meanwhile_are_named(shop: Shop) -> None:
    made = shop.plan()
    replay(shop.log, shop.house.open_sink(), FixedCodec(fingerprint="hex-9"), accept_codec_change=True)
    with pytest.raises(PlanError, match="made by another codec") as caught:
        shop.run(made)
    assert caught.value.fields["moved"] == ["live"]


def _shorter(count: int) -> Log:
    log = open_log(memory_storage())
    fill(log, count)
    return log


def test_a_log_with_another_history_is_another_log(shop: Shop) -> None:
    made = shop.plan()
    other = open_log(memory_storage())
    fill(other, 12)
    fill(other, 15)  # the fourth commit holds three
    fill(other, 24)
    with pytest.raises(PlanError, match="commit 5 of journal is another one"):
        evolve(shop, log=other).run(made)


def test_two_plans_of_one_live_generation_do_not_follow_each_other(shop: Shop) -> None:
    first, second = shop.plan("g1"), shop.plan("g2")
    shop.run(first)
    shop.run(second)
    shop.promote(first)
    with pytest.raises(PlanError, match="first was live, and now g1 is") as caught:
        shop.promote(second)
    assert caught.value.fields["moved"] == ["live"]
    with pytest.raises(PlanError, match="now g1 is"):
        shop.run(second)
    assert shop.house.live.name == "g1"


def test_promote_takes_only_what_is_ready_and_of_this_plan(shop: Shop) -> None:
    made = shop.plan()
    with pytest.raises(GenerationError, match="no generation"):
        shop.promote(made)
    sink = shop.house.open_sink()
    sink.begin_generation("g1", schemas=made.schemas, plan=made.sha256, facts={})  # type: ignore[attr-defined]
    with pytest.raises(GenerationError, match="is building") as caught:
        shop.promote(made)
    assert "rebuild run" in caught.value.hint
    shop.run(made)
    with pytest.raises(PlanError, match="another plan"):
        shop.promote(evolve(made, notes=("x",)))
    fill(shop.log, 30)
    with pytest.raises(CodecChangedError):
        evolve(shop, codec=OLD).promote("g1")
    assert shop.house.live.name == FIRST


def test_promote_catches_up_and_builds_and_can_be_told_not_to(shop: Shop) -> None:
    made = shop.plan()
    shop.run(made)
    fill(shop.log, 26)
    shop.load(26)
    told: list[Promotion] = []
    done = shop.promote(made, build=False, keep=timedelta(days=2), told=told.append)
    assert told == [done]
    assert (done.before, done.read, done.built, done.behind) == (FIRST, 6, False, True)
    assert shop.house.the(FIRST).keep_until == NOW + timedelta(days=2)
    assert rows(shop.house.live_raw) == from_scratch(shop.log)
    assert shop.house.marts["g1"] == 20
    again = shop.promote(made)
    assert (again.before, again.built, shop.house.marts["g1"]) == (None, True, 26)
    live = {"EVENTREPLAY_RAW_SCHEMA": "RAW", "EVENTREPLAY_SCHEMA_SUFFIX": ""}
    assert shop.dbt.calls[-1] == ("build", live, False)


def test_nothing_is_built_if_nothing_came_in(shop: Shop) -> None:
    made = shop.plan()
    shop.run(made)
    done = shop.promote(made)
    assert (done.read, done.built, done.behind) == (0, False, False)


def test_old_code_stops_after_a_promotion_and_new_code_goes_on(shop: Shop) -> None:
    made = shop.plan()
    shop.run(made)
    shop.promote(made)
    fill(shop.log, 24)
    with pytest.raises(CodecChangedError):
        replay(shop.log, shop.house.open_sink(), OLD)
    assert replay(shop.log, shop.house.open_sink(), NEW).read == 4


def test_rollback_and_drop(shop: Shop) -> None:
    made = shop.plan()
    shop.run(made)
    shop.promote(made)
    with pytest.raises(GenerationError, match="to be kept until"):
        drop(shop.house.open_sink, FIRST, now=NOW, patience=AT_ONCE)
    assert drop_expired(shop.house.open_sink, NOW + timedelta(days=6), AT_ONCE) == []
    assert rollback(shop.house.open_sink, AT_ONCE).name == FIRST
    assert drop(shop.house.open_sink, "g1", now=NOW).name == "g1"
    with pytest.raises(GenerationError, match="no generation 'g1'"):
        drop(shop.house.open_sink, "g1", now=NOW)
    again = shop.plan("g2")
    shop.run(again)
    shop.promote(again)
    gone = drop_expired(shop.house.open_sink, NOW + timedelta(days=7), AT_ONCE)
    assert [each.name for each in gone] == [FIRST]
    assert [each.name for each in generations(shop.house.open_sink)] == ["g2"]


def test_a_promotion_that_was_broken_off_stops_runs_and_is_finished_by_promote(shop: Shop) -> None:
    made = shop.plan()
    shop.run(made)
    shop.house.replace(evolve(shop.house.the("g1"), state="promoting"))
    with pytest.raises(GenerationError, match="broken off"):
        shop.run(made)
    assert shop.promote(made).before == FIRST
    assert shop.house.live.name == "g1"


def test_a_sink_without_generations_is_refused() -> None:
    with pytest.raises(GenerationError, match="one generation"):
        generations(MemorySink)


def test_a_receipt_tells_of_a_run_that_an_error_ended(shop: Shop) -> None:
    made = shop.plan()
    receipt = new_receipt(made)
    shop.house.crash = _Crash(8)
    with pytest.raises(SimulatedCrash):
        shop.run(made, receipt=receipt)
    assert receipt.to_json()["action"] == "run"
    assert 0 < receipt.read < 20
    assert isinstance(receipt, RunReceipt)
    assert receipt.sink == SINK
    assert generation("g9", "kept", ("RAW",), "").suffix == "_G9"
