"""Why a table differs, told by what is known of how both generations were made; by example and in general."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventreplay.capabilities.comparison import Counts, Place, TableDifference
from eventreplay.rebuild import Built, Model
from eventreplay.rebuild.explaining import Explaining, State, TypeChange, Verdict, explained_type, raw_verdict

NAMES = ("a", "b", "c", "d", "e")


def model(name: str, parents: tuple[str, ...] = (), reads: tuple[str, ...] = (), print_: str = "1") -> Model:
    return Model(
        fingerprint=print_,
        kind="model",
        schema="MART",
        identifier=name,
        materialized="table",
        parents=parents,
        reads=reads,
        key=(),
        columns=(),
    )


def difference(*, differs: bool) -> TableDifference:
    place = Place("MART", "t")
    return TableDifference(
        before=place,
        after=place,
        key=("k",),
        counts=Counts(before=1, after=1, changed=int(differs)),
        columns={},
    )


def built(**types: str) -> Built:
    return Built(
        fingerprint=str(sorted(types.items())),
        types={"*" if k == "other" else k: v for k, v in types.items()},
    )


@pytest.mark.parametrize(
    ("event_type", "before", "after", "state"),
    [
        ("a", built(a="1", b="1"), built(a="2", b="1"), "explained"),
        ("b", built(a="1", b="1"), built(a="2", b="1"), "unexplained"),
        ("new", built(a="1", other="j"), built(a="1", new="1", other="j"), "explained"),
        ("json", built(a="1", other="j"), built(a="2", other="j"), "unexplained"),
        ("json", built(a="1", other="j"), built(a="1", other="k"), "explained"),
        ("gone", built(gone="1"), built(a="1"), "explained"),
        ("a", None, built(a="1"), "unexplained"),
        ("a", Built(fingerprint="x", types=None), built(a="1"), "explained"),
        ("a", Built(fingerprint="x", types=None), Built(fingerprint="x", types=None), "unexplained"),
        (None, built(a="1"), built(a="2"), "unexplained"),
    ],
)
def test_a_type_is_explained_by_its_own_codec_alone(
    event_type: str | None, before: Built | None, after: Built, state: State
) -> None:
    verdict = explained_type(event_type, before, after)
    assert verdict.state == state
    assert verdict.why


def reference(
    name: str,
    models: Mapping[str, Model],
    before: Mapping[str, str],
    differs: Mapping[str, bool],
    raw: Mapping[str, State],
    lagging: AbstractSet[str],
) -> State:
    """The rule as it is written down, for models that were all compared."""
    if not differs[name]:
        return "equal"
    if name in before and before[name] != models[name].fingerprint:
        return "explained"
    above = [reference(parent, models, before, differs, raw, lagging) for parent in models[name].parents]
    above += [raw.get(table, "equal") for table in models[name].reads]
    if "explained" in above:
        return "explained"
    is_behind = bool(lagging & made_of(name, models))
    return "undecided" if is_behind and name in before and "unexplained" not in above else "unexplained"


def made_of(name: str, models: Mapping[str, Model]) -> set[str]:
    """A model and all that it is made of."""
    return {name}.union(*(made_of(parent, models) for parent in models[name].parents))


@given(st.data())
def test_the_rule_holds_in_any_lineage(data: st.DataObject) -> None:
    models = {}
    for at, name in enumerate(NAMES):
        parents = tuple(sorted(data.draw(st.sets(st.sampled_from(NAMES[:at])))) if at else ())
        reads = data.draw(st.sampled_from([(), ("RAW.EVENTS",), ("RAW.QUARANTINE",)]))
        models[name] = model(name, parents, reads, data.draw(st.sampled_from(["1", "2"])))
    before = data.draw(st.dictionaries(st.sampled_from(NAMES), st.just("1")))
    differs = {name: data.draw(st.booleans()) for name in NAMES}
    states: st.SearchStrategy[State] = st.sampled_from(["equal", "explained", "unexplained"])
    raw = {"RAW.EVENTS": data.draw(states), "RAW.QUARANTINE": data.draw(states)}
    lagging = data.draw(st.frozensets(st.sampled_from(NAMES)))
    explaining = Explaining(
        models=models,
        before=before,
        compared={name: difference(differs=differs[name]) for name in NAMES},
        raw={
            name: Verdict(state=state, why=("x",) if state != "equal" else ()) for name, state in raw.items()
        },
        lagging=dict.fromkeys(lagging, "late"),
    )
    for name in NAMES:
        verdict = explaining.verdict(name)
        assert verdict.state == reference(name, models, before, differs, raw, lagging)
        assert bool(verdict.why) == (verdict.state != "equal")


def test_through_what_has_no_table_the_cause_above_it_is_seen() -> None:
    models = {"a": model("a", print_="2"), "through": model("through", ("a",)), "b": model("b", ("through",))}
    compared = {"a": difference(differs=True), "b": difference(differs=True)}
    explaining = Explaining(models=models, before={"a": "1", "b": "1"}, compared=compared, raw={})
    assert explaining.verdict("b").why == ("a differs",)
    itself = {**models, "a": model("a"), "through": model("through", ("a",), print_="2")}
    known = {"a": "1", "through": "1", "b": "1"}
    changed = Explaining(models=itself, before=known, compared={"b": difference(differs=True)}, raw={})
    assert changed.verdict("b").state == "explained"
    equal = {"a": difference(differs=False), "b": difference(differs=True)}
    nothing = Explaining(models={**models, "a": model("a")}, before=known, compared=equal, raw={})
    assert nothing.verdict("b").state == "unexplained"


def test_of_raw_an_explained_type_reaches_what_is_below() -> None:
    def change(state: State, events: int) -> TypeChange:
        return TypeChange(
            type=state,
            events=Counts(changed=events),
            refused=Counts(),
            verdict=Verdict(state=state, why=(state,)),
        )

    both = [change("unexplained", 1), change("explained", 1)]
    assert raw_verdict(both, "events").state == "explained"
    assert raw_verdict(both, "refused").state == "equal"
    assert raw_verdict([change("unexplained", 1), change("explained", 0)], "events").state == "unexplained"
