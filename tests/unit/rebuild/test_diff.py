"""What `diff` says of two generations whose differences are known from the payloads."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from attrs import evolve

from eventreplay import receipts
from eventreplay.capabilities.generations import suffix_of
from eventreplay.errors import ConfigError, GenerationError
from eventreplay.log import Log
from eventreplay.rebuild import Built, Selection
from eventreplay.rebuild.diff import diff
from eventreplay.rebuild.difference import Compared, Difference
from eventreplay.replay import replay
from tests.unit.log.doubles import MemoryLog
from tests.unit.rebuild.diffing import (
    CLICKS,
    MODELS,
    NAME,
    ORDERS,
    SCHEMAS,
    Company,
    VersionedCodec,
    build,
    company,
    grow,
    model,
)

NEW = VersionedCodec({ORDERS: 2, CLICKS: 1})
REVENUE = {
    "fct_orders": MODELS["fct_orders"].replace("amount::DECIMAL(38, 9)", "(amount * 2)::DECIMAL(38, 9)")
}


@pytest.fixture
def log() -> Log:
    return MemoryLog().log


def found(made: Company, **options: object) -> Difference:
    with made.sink() as sink:
        return diff(made.plan, made.log, sink, **options)  # type: ignore[arg-type]


def one(difference: Difference, name: str) -> Compared:
    return next(table for table in difference.tables if table.name == name)


def states(difference: Difference) -> dict[str, str]:
    return {table.name: table.verdict.state for table in difference.tables if not table.is_raw}


def except_all(file: Path, table: str, columns: str = "*") -> tuple[int, int]:
    """Rows that only one side has, both ways, by SQL that shares nothing with ours."""
    schema, name = table.split(".")
    with duckdb.connect(str(file)) as connection:
        counts = [
            connection.execute(
                f"SELECT count(*) FROM (SELECT {columns} FROM {a}.{name}"
                f" EXCEPT ALL SELECT {columns} FROM {b}.{name})"
            ).fetchall()[0][0]
            for a, b in ((f"{schema}_G1", schema), (schema, f"{schema}_G1"))
        ]
    return counts[0], counts[1]


def test_the_same_code_gives_the_same_tables(tmp_path: Path, log: Log) -> None:
    difference = found(company(tmp_path, log))
    assert difference.equal
    assert difference.ok
    assert difference.unexplained == difference.undecided == ()
    assert not difference.types
    assert [table.name for table in difference.tables[:3]] == [
        "RAW.EVENTS",
        "RAW.QUARANTINE",
        "RAW.QUARANTINE",
    ]
    # inserted_at differs in every row of RAW and of stg_orders: when it was loaded is not what it is.
    assert one(difference, "RAW.EVENTS").difference.ignored == ("inserted_at",)
    assert one(difference, "stg_orders").difference.ignored == ("inserted_at",)


def test_a_changed_codec_explains_what_is_made_of_its_type_and_nothing_else(tmp_path: Path, log: Log) -> None:
    made = company(tmp_path, log, after=NEW)
    difference = found(made, samples_max=3)
    assert difference.ok
    assert states(difference) == {
        "stg_orders": "explained",
        "fct_orders": "explained",
        "agg_orders": "explained",
        "stg_clicks": "equal",
        "fct_clicks": "equal",
    }
    (change,) = difference.types
    assert (change.type, change.verdict.state) == (ORDERS, "explained")
    assert change.verdict.why == ("the codec of order is another one: order-1, now order-2",)
    fixed = sum(at % 8 == 6 and at % 10 != 9 for at in range(200))
    assert change.from_quarantine == fixed
    assert change.to_quarantine == 0
    assert one(difference, "RAW.EVENTS").difference.counts.added == fixed
    for table in ("STAGING.stg_orders", "MART.fct_orders", "MART.agg_orders"):
        counts = one(difference, table.partition(".")[2]).difference.counts
        assert (counts.added + counts.changed, counts.removed + counts.changed) == except_all(
            made.file, table, "* EXCLUDE (inserted_at)" if table.endswith("stg_orders") else "*"
        )
    assert "stg_orders differs" in one(difference, "fct_orders").verdict.why


def test_a_changed_model_explains_itself_and_what_is_made_of_it(tmp_path: Path, log: Log) -> None:
    models = {name: model(name, "2" if name == "fct_orders" else "1") for name in MODELS}
    made = company(tmp_path, log, changed=REVENUE, models=models, raw_reasons=(), schemas=SCHEMAS[1:])
    difference = found(made)
    assert difference.ok
    assert states(difference)["stg_orders"] == "equal"
    assert states(difference)["agg_orders"] == "explained"
    fact = one(difference, "fct_orders")
    assert fact.verdict.why == ("fct_orders is made otherwise: fct_orde, now fct_orde",)
    assert fact.difference.columns == {"revenue": fact.difference.counts.changed}
    assert not [table for table in difference.tables if table.is_raw]


def test_an_edited_row_is_unexplained_although_another_type_changed(tmp_path: Path, log: Log) -> None:
    made = company(tmp_path, log, after=NEW)
    made.edit("UPDATE MART.fct_clicks SET clicks = clicks + 1 WHERE stream_id = 'click-3'")
    difference = found(made)
    assert not difference.ok
    assert difference.unexplained == ("fct_clicks",)
    (sample,) = one(difference, "fct_clicks").difference.samples
    assert (sample.kind, sample.key) == ("changed", {"stream_id": "click-3"})
    assert sample.before is not None
    assert sample.after is not None
    assert int(sample.before["clicks"] or 0) == int(sample.after["clicks"] or 0) + 1


def test_rows_of_raw_of_a_type_that_is_decoded_as_before_are_unexplained(tmp_path: Path, log: Log) -> None:
    made = company(tmp_path, log, after=NEW)
    made.edit("DELETE FROM RAW.EVENTS WHERE event_id = 'e3'")
    difference = found(made)
    assert difference.unexplained == ("RAW, click",)
    # The change of another type does not make up for it, nor does it hide that one.
    assert {change.type: change.verdict.state for change in difference.types} == {
        ORDERS: "explained",
        CLICKS: "unexplained",
    }


def test_what_is_above_and_unexplained_explains_nothing(tmp_path: Path, log: Log) -> None:
    made = company(tmp_path, log)
    made.edit(
        "UPDATE STAGING.stg_orders SET amount = amount + 1 WHERE event_id = 'e0'",
        "UPDATE MART.fct_orders SET revenue = revenue + 1 WHERE order_id = 'e0'",
    )
    difference = found(made)
    assert difference.unexplained == ("stg_orders", "fct_orders")
    assert one(difference, "fct_orders").verdict.why == ("stg_orders differs, unexplained",)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"models_before": None}, "nothing is known of how the live one was made"),
        ({"codec_before": None, "after": NEW}, "nothing is known of the codec that made the live rows"),
    ],
)
def test_what_nothing_is_known_of_is_unexplained(
    tmp_path: Path, log: Log, changes: dict[str, object], why: str
) -> None:
    changed = {"stg_clicks": MODELS["stg_clicks"] + " AND event_id <> 'e3'"}
    difference = found(company(tmp_path, log, changed=changed, **changes))  # type: ignore[arg-type]
    assert not difference.ok
    reasons = [table.verdict.why for table in difference.tables] + [
        kind.verdict.why for kind in difference.types
    ]
    assert (why,) in reasons


def test_of_a_codec_whose_types_are_unknown_the_whole_explains(tmp_path: Path, log: Log) -> None:
    before = Built(fingerprint="another", types=None)
    difference = found(company(tmp_path, log, after=NEW, codec_before=before))
    assert difference.ok
    assert "is not known" in difference.types[0].verdict.why[0]


def test_what_one_side_has_read_further_is_a_matter_of_position(tmp_path: Path, log: Log) -> None:
    made = company(tmp_path, log, between=lambda: grow(log, 64, 200))
    difference = found(made)
    (standing,) = difference.standings
    assert standing.beyond == sum(at % 10 != 9 for at in range(200, 264))
    assert standing.after is not None
    assert 0 < standing.before < standing.after
    assert standing.compared_below == sum(at % 10 != 9 for at in range(200))
    assert all(table.difference.equal for table in difference.tables if table.is_raw)
    assert difference.ok
    assert set(difference.undecided) == {"stg_orders", "stg_clicks", "fct_orders", "fct_clicks", "agg_orders"}
    assert "rebuild run" in one(difference, "fct_orders").verdict.why[0]
    assert any("matter of position" in note for note in difference.notes)


def test_models_alone_that_were_built_of_less_than_is_live_are_undecided(tmp_path: Path, log: Log) -> None:
    made = company(tmp_path, log, raw_reasons=(), schemas=SCHEMAS[1:])
    for commit, undecided in ((4, ()), (3, ("fct_clicks",))):
        with made.sink() as sink:
            sink.note(made.plan.name, state="ready", facts={"built": {"journal": commit}})
        made.edit("UPDATE MART.fct_clicks SET clicks = 0 WHERE stream_id = 'click-3'")
        difference = found(made)
        (standing,) = difference.standings
        assert (standing.before, standing.after, standing.built) == (4, None, commit)
        assert difference.undecided == undecided
        assert difference.ok == bool(undecided)


def test_live_models_that_have_not_seen_all_of_raw_are_undecided(tmp_path: Path, log: Log) -> None:
    """Loads go on while dbt runs now and then: what came in between is no change of logic."""
    made = company(tmp_path, log, raw_reasons=(), schemas=SCHEMAS[1:])
    ran_dbt(made)
    grow(log, 64, 200)
    with made.sink() as sink:
        replay(log, sink, VersionedCodec(), replay_id="live")
    build(made.file, suffix_of(NAME), None, SCHEMAS[1:])
    difference = found(made)
    assert difference.ok
    assert set(difference.undecided) == set(MODELS)
    (why,) = one(difference, "fct_clicks").verdict.why
    younger = sum(at % 10 != 9 and at % 8 != 6 for at in range(200, 264))  # less what is refused
    assert f"{younger} rows of RAW are younger" in why

    # When dbt has run, nothing differs; and what somebody edits then is nobody's doing.
    build(made.file)
    ran_dbt(made)
    assert found(made).equal
    made.edit("UPDATE MART.fct_clicks SET clicks = 0 WHERE stream_id = 'click-3'")
    assert found(made).unexplained == ("fct_clicks",)


def ran_dbt(made: Company) -> None:
    """Keep the receipt of a build of the live models that begins now."""
    now = datetime.now(UTC)
    facts = {"sink": made.plan.sink_url, "suffix": "", "fingerprints": made.plan.models_before}
    receipts.keep(made.log, "dbt", facts, began=now, ended=now)


def test_a_part_is_compared_with_the_same_part_of_raw(tmp_path: Path, log: Log) -> None:
    made = company(tmp_path, log, after=NEW, selection=Selection(types=(ORDERS,)))
    difference = found(made)
    assert difference.is_partial
    events = one(difference, "RAW.EVENTS").difference
    assert events.counts.removed == 0
    assert events.counts.changed
    assert {change.type for change in difference.types} == {ORDERS}
    assert "fct_clicks" in difference.undecided
    assert difference.ok


def test_only_what_is_asked_for_and_what_it_is_made_of(tmp_path: Path, log: Log) -> None:
    told: list[tuple[int, int | None]] = []
    made = company(tmp_path, log, after=NEW)
    difference = found(made, models=["agg_orders"], progress=lambda done, total: told.append((done, total)))
    assert list(states(difference)) == ["stg_orders", "fct_orders", "agg_orders"]
    assert told[-1] == (6, 6)
    with pytest.raises(ConfigError, match="no model"):
        found(made, models=["fct_unknown"])


def test_new_and_forgotten_tables_are_told_apart(tmp_path: Path, log: Log) -> None:
    made = company(tmp_path, log)
    made.edit(
        "DROP TABLE MART.agg_orders",
        "CREATE TABLE MART.by_hand AS SELECT 1 AS one",
    )
    difference = found(made)
    assert difference.others == ("MART.by_hand",)
    table = one(difference, "agg_orders")
    assert table.difference.before is None
    assert table.difference.counts.added == table.difference.counts.after > 0
    # The plan knows how it was made before: that it is gone is nobody's change.
    assert difference.unexplained == ("agg_orders",)


def test_a_model_that_is_new_explains_itself(tmp_path: Path, log: Log) -> None:
    before = {name: f"{name}-1" for name in MODELS if name != "agg_orders"}
    made = company(tmp_path, log, models_before=before)
    made.edit("DROP TABLE MART.agg_orders")
    difference = found(made)
    assert difference.ok
    assert one(difference, "agg_orders").verdict.why == ("agg_orders is new",)


def test_no_value_leaves_the_warehouse_if_no_sample_is_asked_for(tmp_path: Path, log: Log) -> None:
    difference = found(company(tmp_path, log, after=NEW), samples_max=0)
    assert all(not table.difference.samples for table in difference.tables)
    assert "e6" not in str(difference.to_json()["tables"])


def test_a_models_yaml_says_how_it_is_compared(tmp_path: Path, log: Log) -> None:
    told = {
        "day": "order_date",
        "by": "order_id",
        "metrics": [],
        "ignored": "revenue",
        "holds": {"each": "x"},
    }
    models = {name: model(name) for name in MODELS}
    models["fct_orders"] = evolve(models["fct_orders"], compare=told)
    made = company(tmp_path, log, after=NEW, models=models)
    table = one(found(made), "fct_orders").difference
    assert (table.counts.changed, table.ignored) == (0, ("revenue",))
    assert table.metrics is not None
    assert (table.metrics.names, table.metrics.by) == (("rows",), "order_id")
    for name, value in (("day", ["order_date"]), ("metrics", {"revenue": 1}), ("ignored", [1])):
        wrong = {**models, "fct_orders": evolve(models["fct_orders"], compare={name: value})}
        replanned = evolve(made.plan, models=wrong)
        with made.sink() as sink:
            sink.drop(made.plan.name)
            sink.begin_generation(replanned.name, schemas=replanned.schemas, plan=replanned.sha256, facts={})
            with pytest.raises(ConfigError, match=f"meta.eventreplay.{name} of fct_orders"):
                diff(replanned, made.log, sink)


def test_a_plan_that_was_not_run_or_is_another_is_refused(tmp_path: Path, log: Log) -> None:
    made = company(tmp_path, log)
    with made.sink() as sink, pytest.raises(GenerationError, match="no generation g1"):
        diff(evolve(made.plan, notes=("another",)), made.log, sink)
