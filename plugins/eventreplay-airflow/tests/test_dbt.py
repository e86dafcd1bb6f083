"""DbtOperator: one process of real dbt over a small project; its lines, its errors, its second try."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from eventreplay.errors import TransformUnavailableError
from eventreplay.log import Log
from eventreplay.receipts import Receipts
from eventreplay.transform import Node, Transformation
from eventreplay_airflow import CaptureOperator, DbtOperator
from eventreplay_airflow.jobs import dbt as job
from eventreplay_airflow.jobs import opening

PROFILE = """
small:
  target: duckdb
  outputs:
    duckdb: {type: duckdb, schema: MART, path: "{{ env_var('EVENTREPLAY_DUCKDB_PATH') }}"}
"""
TABLE = "{{ config(materialized='table') }}"
PROJECT = {
    "dbt_project.yml": "{name: small, profile: small, flags: {send_anonymous_usage_stats: false}}",
    "profiles.yml": PROFILE,
    "models/prices.sql": TABLE + " select 1 as sku, {{ env_var('PRICE') }} as price",
    "models/totals.sql": TABLE + " select sum(price) as total from {{ ref('prices') }}",
    "tests/price_is_positive.sql": "select * from {{ ref('prices') }} where price < 0",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


def dbt(project: Path, price: str = "-1", **given: Any) -> DbtOperator:
    usual: dict[str, Any] = {
        "task_id": "build",
        "sink": f"duckdb:///{project.parent / 'w.duckdb'}",
        "project": str(project),
        "target": "",
        "work": str(project.parent / "work"),
        "environment": {"PRICE": price},
    }
    return DbtOperator(**usual | given)


def test_a_red_test_fails_for_good_and_the_next_try_runs_what_was_left(
    project: Path, orders: str, runs: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(project.parent / "log")
    CaptureOperator(task_id="c", source=orders, log=log, partition="journal").execute(runs().context)
    run = runs()
    with pytest.raises(AirflowFailException, match="price_is_positive") as caught:
        dbt(project, log=log).execute(run.context)
    assert "MART.prices" in str(caught.value)
    assert "price=-1" in str(caught.value)
    assert run.announced == {}
    assert "dbt: success model prices" in capsys.readouterr().out
    assert Receipts(Log.open(log)).list(kind="dbt")[0].facts["failed"] == ["price_is_positive"]
    with duckdb.connect(str(project.parent / "w.duckdb")) as connection:
        connection.execute("UPDATE MART.prices SET price = 2")
    again = runs(try_number=2)
    found = dbt(project, log=log).execute(again.context)
    assert found["nodes"] == {"model:success": 1, "test:pass": 1}, "prices is not built again"
    assert found["models"] == ["totals"]
    assert again.announced["eventreplay_marts"]["tables"] == 1
    assert f"{(project.parent / 'w.duckdb').as_uri()}/MART/totals" in again.announced
    with duckdb.connect(str(project.parent / "w.duckdb")) as connection:
        assert connection.execute("SELECT total FROM MART.totals").fetchall() == [(2,)]


class Dbt:
    """Stands for dbt: remembers what it was asked, answers with one model, or with the errors given."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.errors: list[Exception] = []

    def __call__(self, project: Path, command: str, **given: Any) -> Transformation:
        self.asked.append({"project": project, "command": command, **given})
        if self.errors:
            raise self.errors.pop(0)
        node = Node(
            unique_id="model.small.prices",
            name="prices",
            kind="model",
            status="success",
            seconds=0.1,
            message="",
            relation="MART.prices",
        )
        return Transformation(nodes=(node,), invocation_id="1", project_fingerprint="2", seconds=0.1)


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Dbt:
    made = Dbt()
    monkeypatch.setattr(job, "transform", made)
    return made


def test_it_passes_on_what_it_was_told(double: Dbt, project: Path, run: Any) -> None:
    operator = dbt(
        project,
        environment='{"PRICE": 3}',
        threads="2",
        select="prices",
        exclude=["a", "b"],
        full_refresh="True",
        variables={"x": 1},
        arguments="{'y': 2}",
        target="prod",
        command="run",
    )
    operator.execute(run.context)
    (asked,) = double.asked
    assert asked["environment"] == {
        "DBT_TARGET": "duckdb",
        "EVENTREPLAY_DUCKDB_PATH": str(project.parent / "w.duckdb"),
        "PRICE": "3",
    }
    assert {name: asked[name] for name in ("command", "target", "select", "exclude", "full_refresh")} == {
        "command": "run",
        "target": "prod",
        "select": ("prices",),
        "exclude": ("a", "b"),
        "full_refresh": True,
    }
    assert (asked["variables"], asked["arguments"], asked["threads"]) == ({"x": 1}, {"y": 2}, 2)
    assert asked["work"] == project.parent / "work" / "dbt" / "dag-build"
    (written,) = operator.get_openlineage_facets_on_complete(None).outputs
    assert written.name == f"{project.parent / 'w.duckdb'}:MART.prices"


def test_only_a_second_try_of_the_same_run_goes_on_where_the_first_stopped(
    double: Dbt, project: Path, runs: Any
) -> None:
    for run_id in ("first", "first", "second", "first"):
        run = runs()
        run.ti.run_id = run_id
        dbt(project).execute(run.context)
    assert [asked["resume"] for asked in double.asked] == [False, True, False, False]


def test_a_busy_warehouse_is_waited_for_and_then_tried_again_by_airflow(
    double: Dbt, project: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "WAIT_MAX_S", 0.01)
    monkeypatch.setattr(opening, "ATTEMPTS_MAX", 2)
    double.errors = [TransformUnavailableError("The file is open elsewhere.") for _ in range(3)]
    with pytest.raises(AirflowException, match="open elsewhere") as caught:
        dbt(project).execute(run.context)
    assert not isinstance(caught.value, AirflowFailException)
    dbt(project).execute(run.context)
    assert (len(double.asked), double.errors) == (4, [])


def test_asked_to_end_it_waits_for_no_file(double: Dbt, project: Path, run: Any) -> None:
    double.errors = [TransformUnavailableError("The file is open elsewhere.")]
    operator = dbt(project)
    operator.on_kill()
    with pytest.raises(AirflowException, match="as Airflow asked"):
        operator.execute(run.context)
    assert len(double.asked) == 1


@pytest.mark.long
def test_a_file_that_another_process_has_open_is_busy(
    project: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "ATTEMPTS_MAX", 1)
    path = project.parent / "w.duckdb"
    code = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(AirflowException, match="TransformUnavailableError") as caught:
            dbt(project, price="1").execute(run.context)
        holder.communicate("\n", timeout=30)
    assert not isinstance(caught.value, AirflowFailException)
    dbt(project, price="1").execute(run.context)


def test_a_secret_in_the_environment_of_the_task_is_refused(project: Path, run: Any) -> None:
    operator = dbt(project, environment={"DB_PASSWORD": "MARKERsecret"})
    with pytest.raises(AirflowFailException, match="DB_PASSWORD") as caught:
        operator.execute(run.context)
    assert "MARKERsecret" not in str(caught.value)
