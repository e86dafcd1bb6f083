"""The steps of a rebuild as tasks: each hands on what the next one needs, and may be tried again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from airflow.sdk.exceptions import AirflowFailException

from eventreplay.log import Log
from eventreplay.receipts import Receipts
from eventreplay_airflow import (
    CaptureOperator,
    DbtOperator,
    RebuildDiffOperator,
    RebuildPlanOperator,
    RebuildPromoteOperator,
    RebuildRollbackOperator,
    RebuildRunOperator,
    ReplayOperator,
    VerifyOperator,
)
from eventreplay_airflow.assets import MARTS


class Shop:
    """Ten events, loaded and built, and a dbt project that is about to change."""

    def __init__(self, folder: Path, orders: str, runs: Any) -> None:
        self.runs = runs
        self.project = folder / "dbt"
        (self.project / "models").mkdir(parents=True)
        for name, text in FILES.items():
            (self.project / name).parent.mkdir(exist_ok=True)
            (self.project / name).write_text(text, "utf-8")
        self.file = folder / "w.duckdb"
        self.ends = {"log": str(folder / "log"), "sink": f"duckdb:///{self.file}"}
        self.code = {
            **self.ends, "schemas": "sportscards", "project": str(self.project), "target": "",
            "work": str(folder / "work"),
        }  # fmt: skip
        self.do(CaptureOperator, source=orders, log=self.ends["log"], partition="journal")
        self.do(ReplayOperator, **self.ends, schemas="sportscards")
        self.do(
            DbtOperator, **self.ends, command="build", project=str(self.project), target="",
            work=str(folder / "work"),
        )  # fmt: skip

    def do(self, kind: type[Any], **given: Any) -> dict[str, Any]:
        """Run a task."""
        return self.seen(kind, **given)[0]

    def seen(self, kind: type[Any], **given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run a task; what it returned, and the assets it announced."""
        run = self.runs()
        found = kind(task_id="task", **given).execute(run.context)
        assert json.loads(json.dumps(found)) == found, "a return value is plain data"
        return found, run.announced

    def views(self) -> int:
        """What the live model says."""
        with duckdb.connect(str(self.file), read_only=True) as connection:
            ((count,),) = connection.execute("SELECT views FROM MART.views").fetchall()
        return int(count)


FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\n"
    "flags:\n  send_anonymous_usage_stats: false\n"
    "models:\n  shop:\n    +materialized: table\n    +schema: MART\n",
    "profiles.yml": "shop:\n  target: duckdb\n  outputs:\n    duckdb:\n      type: duckdb\n"
    "      path: \"{{ env_var('EVENTREPLAY_DUCKDB_PATH') }}\"\n      schema: STAGING\n",
    "macros/schemas.sql": "{% macro generate_schema_name(name, node) -%}\n"
    "{{ (name or target.schema) ~ env_var('EVENTREPLAY_SCHEMA_SUFFIX', '') }}\n{%- endmacro %}\n",
    "models/sources.yml": "version: 2\nsources:\n  - name: raw\n"
    "    schema: \"{{ env_var('EVENTREPLAY_RAW_SCHEMA', 'RAW') }}\"\n    tables:\n      - name: EVENTS\n",
    "models/views.sql": "select 1 as one, count(*) as views from {{ source('raw', 'EVENTS') }}\n",
}


@pytest.fixture
def shop(tmp_path: Path, orders: str, runs: Any) -> Shop:
    return Shop(tmp_path, orders, runs)


def test_from_a_plan_that_nobody_edited_to_the_rollback(shop: Shop) -> None:
    before = shop.views()
    model = shop.project / "models/views.sql"
    model.write_text(model.read_text("utf-8").replace("count(*)", "100 + count(*)"), "utf-8")
    planned, announced = shop.seen(RebuildPlanOperator, **shop.code, generation="g1")
    assert announced == {}
    assert (planned["name"], planned["raw_of"]) == ("g1", "")
    assert planned["plan"]["models_changed"] == ["views"]
    assert "views" in planned["summary"]
    plan = json.dumps(planned["plan"])  # as a template renders it

    with pytest.raises(AirflowFailException, match="PlanError"):
        shop.do(RebuildRunOperator, **shop.code, plan={**planned["plan"], "name": "g2"})
    elsewhere = {**shop.code, "sink": "duckdb:////nowhere/other.duckdb"}
    with pytest.raises(AirflowFailException, match=r"other\.duckdb"):
        shop.do(RebuildRunOperator, **elsewhere, plan=plan)

    ran = shop.do(RebuildRunOperator, **shop.code, plan=plan)
    assert (ran["state"], shop.views()) == ("ready", before)
    again = shop.do(RebuildRunOperator, **shop.code, plan=planned["plan"])
    assert (again["state"], again["builds"]) == ("ready", 0), "a second try finds it done"

    found = shop.do(RebuildDiffOperator, **shop.code, plan=plan)
    assert (found["ok"], found["equal"]) == (True, False)
    assert found["tables"]["views"]["state"] == "explained"

    promoted, announced = shop.seen(RebuildPromoteOperator, **shop.code, plan=plan, keep_days=1)
    assert (promoted["name"], promoted["before"], shop.views()) == ("g1", "first", before + 100)
    assert announced[MARTS.name]["generation"] == "g1"
    assert shop.do(RebuildPromoteOperator, **shop.code, plan=plan)["before"] is None

    for _ in range(2):
        back = shop.do(RebuildRollbackOperator, **shop.ends)
        assert (back["name"], shop.views()) == ("first", before)
    kept = [each.facts["action"] for each in Receipts(Log.open(shop.ends["log"])).list(kind="rebuild")]
    assert kept[0] == "run"
    assert kept.count("diff") == 1
    assert kept[-4:] == ["promote", "promote", "rollback", "rollback"]


@pytest.mark.long
def test_what_nothing_explains_is_red_and_names_the_model_and_no_row(shop: Shop) -> None:
    planned = shop.do(RebuildPlanOperator, **shop.code, generation="g1", raw=True)
    assert planned["raw_of"] == "g1"
    shop.do(RebuildRunOperator, **shop.code, plan=planned["plan"])
    with duckdb.connect(str(shop.file)) as connection:
        connection.execute("DELETE FROM RAW.EVENTS WHERE log_offset = 7")
    with pytest.raises(AirflowFailException, match=r"RAW\.EVENTS is not what .* 1 missing"):
        shop.do(VerifyOperator, **shop.ends)
    seen = shop.do(VerifyOperator, **shop.ends, generation="g1")
    assert (seen["ok"], seen["partitions"][0]["rows"]) == (True, 10)
    with duckdb.connect(str(shop.file)) as connection:
        connection.execute("UPDATE MART.views SET views = 4711")
    with pytest.raises(AirflowFailException, match="views") as caught:
        shop.do(RebuildDiffOperator, **shop.code, plan=planned["plan"])
    assert "4711" not in str(caught.value)
    accepted = shop.do(RebuildDiffOperator, **shop.code, plan=planned["plan"], accept_unexplained="true")
    assert (accepted["ok"], accepted["unexplained"]) == (False, ["RAW, web.viewed", "views"])
