"""What holds for every DAG: parsed in silence, nothing asked of anybody, documented, bounded, retried."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

ROOT = Path(__file__).resolve().parents[3]
DAGS = ROOT / "dags"
PARSING = Path(__file__).with_name("parsing.py")
NAMES = {
    "events_live",
    "events_backfill_to_s3",
    "s3_to_snowflake_load_raw",
    "dbt_transform_and_test",
    "data_quality",
    "full_rebuild",
    "rebuild_rollback",
}
ROLES = {"eventreplay_callbacks", "eventreplay_defaults"}


def parsed(folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(PARSING), str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugins/eventreplay-airflow/src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout[done.stdout.index('{"asked"') :])
    return found


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return parsed(DAGS)


def test_they_are_imported_without_an_error_or_a_warning(found: dict[str, Any]) -> None:
    assert found["errors"] == {}
    assert found["warnings"] == []


def test_nothing_is_asked_of_anybody_at_import(found: dict[str, Any]) -> None:
    assert found["asked"] == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import os; os.environ['HOME']", "os.environ HOME"),
        ("open('/etc/hostname').read()", "open /etc/hostname"),
        ("from airflow.sdk import Variable; Variable.get('eventreplay_log_url')", "Variable.get"),
        ("from airflow.sdk import Connection; Connection.get('eventreplay_log')", "Connection.get"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
    ],
)
@pytest.mark.long
def test_the_trap_bites(tmp_path: Path, line: str, said: str) -> None:
    folder = Path(shutil.copytree(DAGS, tmp_path / "dags"))
    path = folder / "events_live.py"
    path.write_text(f"{path.read_text('utf-8')}\n{line}\n", "utf-8")
    assert any(each.startswith(said) for each in parsed(folder)["asked"])


def test_one_file_is_one_dag_of_its_name(found: dict[str, Any]) -> None:
    assert {dag_id: dag["file"] for dag_id, dag in found["dags"].items()} == {name: name for name in NAMES}
    assert {path.stem for path in DAGS.glob("*.py")} == NAMES | ROLES


def test_each_says_what_it_does_and_what_to_do(found: dict[str, Any]) -> None:
    for dag_id, dag in found["dags"].items():
        for part in ("**On retry**", "**On failure**"):
            assert part in dag["doc_md"], dag_id
        for name in dag["params"]:
            assert f"`{name}`" in dag["doc_md"], f"{dag_id} does not speak of {name}"
        assert dag["description"]
        assert "eventreplay" in dag["tags"]
        assert dag["deadline"]
        assert (dag["catchup"], dag["max_active_runs"]) == (False, 1)


def test_every_task_is_retried_bounded_owned_and_documented(found: dict[str, Any]) -> None:
    for dag_id, dag in found["dags"].items():
        for task_id, task in dag["tasks"].items():
            what = f"{dag_id}.{task_id}"
            assert task["retries"] >= 1, what
            assert task["backoff"] > 1, what
            longest_s = 7 * 86_400 if task_id.startswith("approve_") else 86_400  # a person may be away
            assert 0 < task["timeout_s"] <= longest_s, what
            assert task["callback"], what
            assert task["owner"] == "eventreplay", what
            assert task["doc_md"], what


WRONG: dict[str, dict[str, list[object]]] = {
    "events_live": {
        "consumers": [0, 65, "2", 1.5, None],
        "run_for_s": [0, -1, 3001, "10"],
        "idle_end_s": [0, None],
        "age_s": [0, 601],
    },
    "events_backfill_to_s3": {
        "first": [-1, "0", 2**63, 0.5],
        "upto": [-1, "x"],
        "segment_positions": [0, None],
        "range_positions": [0, None, 10**12 + 1],
    },
    "s3_to_snowflake_load_raw": {
        "workers": [0, 65],
        "beyond": [[], {"live-0": "1"}, {"live-0": -1}, None],
        "accept_codec_change": ["true", 1],
    },
    "dbt_transform_and_test": {"full_refresh": ["yes", None], "docs": [0]},
    "full_rebuild": {
        "name": ["G1", "_g1", "1g", "a; drop", "g" * 17, None],
        "schemas": ["a b", "{{ x }}", None],
        "project": ["{{ x }}", None],
        "raw": [0],
        "workers": [0],
        "approve": ["yes"],
        "accept_unexplained": ["no"],
        "promote": ["no"],
        "keep_days": [0, 3651, "7"],
        "sink_conn_id": ["", "a b", "{{ x }}"],
    },
    "rebuild_rollback": {"sink_conn_id": ["", "a b", "{{ x }}"]},
    "data_quality": {},
}


def test_parameters_refuse_wrong_values(found: dict[str, Any]) -> None:
    for dag_id, wrong in WRONG.items():
        dag = found["dags"][dag_id]
        assert set(wrong) == set(dag["params"])
        for name, values in wrong.items():
            schema = dag["params"][name]
            jsonschema.validate(dag["defaults"][name], schema)
            for value in values:
                with pytest.raises(jsonschema.ValidationError):
                    jsonschema.validate(value, schema)


def test_the_order_of_tasks(found: dict[str, Any]) -> None:
    after = {
        dag_id: {t: task["after"] for t, task in dag["tasks"].items()}
        for dag_id, dag in found["dags"].items()
    }
    assert after["events_live"] == {"partitions": [], "capture": ["partitions"], "load": ["capture"]}
    assert after["events_backfill_to_s3"] == {"plan": [], "capture": ["plan"], "balance": ["capture", "plan"]}
    assert after["s3_to_snowflake_load_raw"] == {"wait": [], "load": ["wait"], "verify": ["load"]}
    steps = ["plan", "approve_plan", "run", "verify", "diff"]
    steps += ["promote_wanted", "approve_promotion", "promote", "verify_live"]
    assert after["full_rebuild"] == dict(zip(steps, [[], *([name] for name in steps)], strict=False))
    assert after["rebuild_rollback"] == {"rollback": [], "verify_live": ["rollback"]}
    assert set(after["data_quality"]) == {"freshness", "volume", "domain", "reconciliation"}


def test_who_writes_the_live_marts_does_it_alone(found: dict[str, Any]) -> None:
    pools: dict[str, set[str]] = {}
    for dag_id, dag in found["dags"].items():
        for task_id, task in dag["tasks"].items():
            pools.setdefault(task["pool"], set()).add(f"{dag_id}.{task_id}")
    assert pools["eventreplay_marts"] == {
        "dbt_transform_and_test.build", "full_rebuild.promote", "rebuild_rollback.rollback",
    }  # fmt: skip


def test_no_clock_is_asked_in_a_dag_file() -> None:
    for path in DAGS.glob("*.py"):
        found = re.findall(r"\b(?:now|utcnow|today|monotonic|time)\(", path.read_text("utf-8"))
        assert found == [], path.name
