from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from eventreplay.errors import ConfigError, TransformError, TransformUnavailableError
from eventreplay.secret import Secret
from eventreplay.transform import Transformation, transform
from eventreplay.transform.samples import MARK
from tests.unit.transform.conftest import MANIFEST, MODEL, RED, Dbt, logged, results

WAIT_S_MAX = 30.0
GREEN = {"run_results.json": results(MODEL), "manifest.json": MANIFEST}
FAILING = {"run_results.json": results(MODEL, RED), "manifest.json": MANIFEST}


def run(dbt: Dbt, command: str = "build", **more: Any) -> Transformation:
    return transform(dbt.project, command, environment=more.pop("environment", {}), work=dbt.work, **more)


def rows_said(*rows: list[str]) -> dict[str, Any]:
    said = {"test": RED["unique_id"], "columns": ["ID", "RATE"], "rows": rows}
    return {"say": [logged(MARK + json.dumps(said))]}


def test_a_run_gives_typed_nodes_and_progress(dbt: Dbt) -> None:
    dbt.plan(say=[logged("1 of 2 OK", index=1, total=2), logged("2 of 2", index=2, total=2)], artifacts=GREEN)
    seen: list[tuple[int, int | None]] = []
    done = run(dbt, progress=lambda at, of: seen.append((at, of)))
    assert seen == [(1, 2), (2, 2)]
    (node,) = done.nodes
    assert (node.name, node.kind, node.status, node.relation) == ("fct", "model", "success", "MART.fct")
    assert (done.invocation_id, done.failed) == ("inv-1", ())
    assert len(done.project_fingerprint) == 64


def test_everything_asked_for_reaches_dbt(dbt: Dbt) -> None:
    dbt.plan(artifacts=GREEN)
    run(
        dbt, "build", target="prod", select=["a+", "b"], exclude=["tag:x"], full_refresh=True,
        variables={"days": 3}, threads=2, environment={"PLACE": "here"},
    )  # fmt: skip
    (call,) = dbt.calls()
    said = " ".join(call["argv"])
    for part in (
        "build --select a+ b --exclude tag:x", '--vars {"days": 3}', "--full-refresh", "--threads 2",
        f"--project-dir {dbt.project}", f"--profiles-dir {dbt.project}", "--target prod",
    ):  # fmt: skip
        assert part in said
    assert call["env"]["PLACE"] == "here"
    assert call["env"]["DBT_TARGET_PATH"] == str(dbt.work)


def test_a_profiles_folder_given_goes_before_the_projects(dbt: Dbt) -> None:
    dbt.plan(artifacts=GREEN)
    run(dbt, environment={"DBT_PROFILES_DIR": "/elsewhere"})
    (call,) = dbt.calls()
    assert "--profiles-dir" not in call["argv"]


def test_a_red_test_names_table_column_and_rows(dbt: Dbt) -> None:
    dbt.plan(artifacts=FAILING, code=1, inline=rows_said(["B-7", "1.2"], ["B-9", "x" * 200]))
    with pytest.raises(TransformError) as caught:
        run(dbt)
    error = caught.value
    assert "1 of 2 failed. within failed on MART.fct.rate: 7 rows: id=B-7, rate=1.2; id=B-9" in error.message
    assert error.message.endswith("; and 5 more.")
    assert error.fields["failed"] == ["within"]
    assert not error.retryable
    found = error.fields["transformation"]
    assert isinstance(found, Transformation)
    assert found.failed[0].rows[0] == {"id": "B-7", "rate": "1.2"}


def test_rows_are_asked_for_only_after_a_failure_and_leave_the_results_alone(dbt: Dbt) -> None:
    dbt.plan(artifacts=GREEN)
    run(dbt)
    assert len(dbt.calls()) == 1
    dbt.plan(artifacts=FAILING, code=1, inline={"code": 2})
    with pytest.raises(TransformError, match=r"within failed on MART.fct.rate: 7 rows\."):
        run(dbt)
    inline = dbt.calls()[-1]["argv"]
    assert "--no-write-json" in inline
    assert "select id, rate from fct" in inline[inline.index("--inline") + 1]


def test_results_of_an_earlier_run_are_never_taken_for_this_ones(dbt: Dbt) -> None:
    dbt.plan(artifacts=GREEN)
    run(dbt)
    dbt.plan(say=[logged("The profile is wrong", level="error")], code=2)
    with pytest.raises(TransformError, match="before it had run anything: The profile is wrong"):
        run(dbt)


def test_an_end_without_a_failed_node_is_an_error_all_the_same(dbt: Dbt) -> None:
    dbt.plan(say=[logged("Out of disk", level="error")], artifacts=GREEN, code=2)
    with pytest.raises(TransformError, match=r"0 of 1 failed\. Out of disk"):
        run(dbt)


@pytest.mark.parametrize("plan", [
    {"say": [logged("IO Error: Could not set lock on file", level="error")], "code": 2},
    {"artifacts": {"run_results.json": results({**MODEL, "status": "error",
        "message": "250001 (08001): Failed to connect"})}, "code": 1},
])  # fmt: skip
def test_a_busy_or_absent_warehouse_is_worth_another_try(dbt: Dbt, plan: dict[str, Any]) -> None:
    dbt.plan(**plan)
    with pytest.raises(TransformUnavailableError) as caught:
        run(dbt)
    assert caught.value.retryable


def test_dbt_or_its_adapter_may_be_missing(dbt: Dbt) -> None:
    dbt.plan(say=[logged("Could not find adapter type snowflake!", level="error")], code=2)
    with pytest.raises(ConfigError, match="not installed"):
        run(dbt)
    dbt.plan(code=127)
    with pytest.raises(ConfigError, match="not installed"):
        run(dbt)


def test_resuming_goes_on_from_the_last_run_only_if_it_was_the_same(dbt: Dbt) -> None:
    dbt.plan(artifacts=FAILING, code=1, inline={})
    with pytest.raises(TransformError):
        run(dbt, select=["a"])
    before = json.loads((dbt.work / "run_results.json").read_text("utf-8"))
    dbt.plan(artifacts=GREEN)
    run(dbt, select=["a"], resume=True)
    last = dbt.calls()[-1]["argv"]
    assert "retry" in last
    state = Path(last[last.index("--state") + 1])
    assert json.loads((state / "run_results.json").read_text("utf-8")) == before
    # That one succeeded: there is nothing to go on from.
    run(dbt, select=["a"], resume=True)
    assert "retry" not in dbt.calls()[-1]["argv"]


@pytest.mark.parametrize("change", ["select", "project", "gone"])
def test_another_request_or_project_is_run_whole(dbt: Dbt, change: str) -> None:
    dbt.plan(artifacts=FAILING, code=1, inline={})
    with pytest.raises(TransformError):
        run(dbt, select=["a"])
    if change == "project":
        (dbt.project / "models.sql").write_text("select 1", "utf-8")
    if change == "gone":
        (dbt.work / "run_results.json").unlink()
    dbt.plan(artifacts=GREEN)
    run(dbt, select=["b"] if change == "select" else ["a"], resume=True)
    assert "retry" not in dbt.calls()[-1]["argv"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"command": "build --threads 9"}, "has options"),
        ({"command": " "}, "empty"),
        ({"select": ["--full-refresh"]}, "select has"),
        ({"exclude": [""]}, "exclude has"),
        ({"variables": {"a": Secret("hush")}}, "not plain data"),
        ({"arguments": {"a": object()}}, "not plain data"),
        ({"environment": {"PASSWORD": Secret("hush")}}, "PASSWORD is a secret, but dbt would not mask it"),
    ],
)
def test_a_request_that_makes_no_sense_starts_nothing(dbt: Dbt, more: dict[str, Any], said: str) -> None:
    dbt.plan(artifacts=GREEN)
    with pytest.raises(ConfigError, match=said):
        run(dbt, **more)
    assert dbt.calls() == []


def test_a_folder_without_a_project(dbt: Dbt, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no dbt project"):
        transform(tmp_path / "none", "build", environment={}, work=dbt.work)


def test_a_secret_reaches_the_child_alone(dbt: Dbt) -> None:
    text = 'hush "quoted"\nsecond line of it'
    lines = ['plain hush "quoted"', logged("second line of it said", level="error"), json.dumps(text)]
    dbt.plan(say=lines, code=2)
    with pytest.raises(TransformError) as caught:
        run(dbt, environment={"DBT_ENV_SECRET_KEY": Secret(text)})
    assert "second line of it" not in str(caught.value)
    assert "*** said" in str(caught.value)
    (call,) = dbt.calls()
    assert call["env"]["DBT_ENV_SECRET_KEY"] == text
    assert "DBT_ENV_SECRET_KEY" not in os.environ
    assert not any("hush" in word for word in call["argv"])
    assert not any(b"hush" in path.read_bytes() for path in dbt.work.rglob("*") if path.is_file())


def started(dbt: Dbt) -> int:
    """Process id of a dbt that waits."""
    until = time.monotonic() + WAIT_S_MAX
    while not dbt.calls():
        assert time.monotonic() < until
        threading.Event().wait(0.02)
    return int(dbt.calls()[-1]["pid"])


def ended(pid: int) -> None:
    until = time.monotonic() + WAIT_S_MAX
    while Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text("utf-8"):
        assert time.monotonic() < until
        threading.Event().wait(0.02)


def test_dbt_does_not_outlive_who_waits_for_it(dbt: Dbt) -> None:
    """A killed run must not go on beside the one that takes its place."""
    dbt.plan(wait=True)
    code = (
        "from pathlib import Path; from eventreplay.transform import transform; "
        f"transform(Path({str(dbt.project)!r}), 'build', environment={{}}, work=Path({str(dbt.work)!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        pid = started(dbt)
        # Meanwhile the folder is taken.
        with pytest.raises(TransformUnavailableError, match="Another run of dbt works in"):
            run(dbt)
        parent.send_signal(signal.SIGKILL)
    ended(pid)
    assert (dbt.folder / "cancelled").exists()
    # And the lock went with it.
    dbt.plan(artifacts=GREEN)
    assert run(dbt).failed == ()


def test_an_interrupt_ends_dbt_first(dbt: Dbt) -> None:
    dbt.plan(say=[logged("1 of 9", index=1, total=9)], wait=True)

    def interrupt(_at: int, _of: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(dbt, progress=interrupt)
    pid = int(dbt.calls()[-1]["pid"])
    assert not Path(f"/proc/{pid}").exists()
