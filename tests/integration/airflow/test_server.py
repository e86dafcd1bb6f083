"""The Airflow that tests get is a real one: runs, logs, XComs, assets, clearing, tasks that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from eventreplay.errors import EventReplayError
from eventreplay.testing.services import AirflowError, AirflowServer, Run, RunState
from tests.integration.services.processes import alive, below, eventually

PARENT = """
import sys, threading
from pathlib import Path
from eventreplay.testing.services import AirflowServer
server = AirflowServer.start(Path(sys.argv[1]))
before = server.pid("scheduler")
server.kill("scheduler")
server.revive()
assert server.pid("scheduler") != before
print(server.guarded.guard_pid, flush=True)
threading.Event().wait()
"""


@pytest.fixture(scope="module")
def ended(airflow: AirflowServer) -> RunState:
    """A run that nothing happened to."""
    airflow.unpause_dag("tests_after")
    return airflow.wait(airflow.trigger("tests_own"), 90)


def test_a_run_is_triggered_and_its_tasks_are_seen(airflow: AirflowServer, ended: RunState) -> None:
    assert ended.state == "success"
    seen = {(task.task_id, task.map_index): (task.state, task.try_number) for task in ended.tasks}
    names = [("say", -1), ("gated", -1), ("double", 0), ("double", 1), ("double", 2), ("end", -1)]
    assert seen == dict.fromkeys(names, ("success", 1))
    assert [airflow.xcom(ended.run, "double", map_index=at) for at in range(3)] == [2, 4, 6]
    assert airflow.xcom(ended.run, "say") == {
        "text": "Zo\u00eb \U0001f0cf",
        "number": 2**60,
        "connection": str(airflow.home),
    }
    assert airflow.xcom(ended.run, "end") is None
    assert "said by" in airflow.log(ended.run, "say")


def test_an_asset_starts_the_next_dag(airflow: AirflowServer, ended: RunState) -> None:
    [event] = airflow.asset_events("tests_own_done")
    assert (event["source_dag_id"], event["source_run_id"]) == ("tests_own", ended.run.run_id)
    [after] = airflow.wait_runs("tests_after", 1)
    assert airflow.wait(after.run).run_type == "asset_triggered"


def test_a_task_killed_with_9_is_tried_again(airflow: AirflowServer, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = airflow.trigger("tests_own", {"gate": str(gate)})
    pid = airflow.task_pid(run, "gated")
    supervisor = airflow.supervisor_pid(pid)
    os.kill(pid, signal.SIGKILL)
    second = airflow.task_pid(run, "gated", try_number=2)
    assert second != pid
    assert Path(f"/proc/{supervisor}").exists()
    gate.touch()
    assert [task.try_number for task in airflow.wait(run, 90).of("gated")] == [2]
    assert "signal" in airflow.log(run, "gated", try_number=1).lower()


def test_cleared_tasks_run_again_and_no_others(airflow: AirflowServer, ended: RunState) -> None:
    cleared = airflow.clear(ended.run, ["double"], downstream=False)
    assert sorted(task.map_index for task in cleared) == [0, 1, 2]
    again = airflow.wait(ended.run, 90)
    assert {task.task_id: task.try_number for task in again.tasks} == {
        "say": 1, "gated": 1, "double": 2, "end": 1,
    }  # fmt: skip


def test_a_failed_run_says_why(airflow: AirflowServer) -> None:
    run = airflow.trigger("tests_own", {"fail": True})
    with pytest.raises(AirflowError, match="As the test wanted it") as caught:
        airflow.wait(run, 90)
    assert "end[-1] failed" in str(caught.value)
    assert airflow.wait(run, check=False).state == "failed"


def test_what_is_not_there_is_an_error_at_once(airflow: AirflowServer) -> None:
    with pytest.raises(AirflowError, match="no_such_dag"):
        airflow.wait_known("no_such_dag", timeout_s=1)
    with pytest.raises(AirflowError, match="404"):
        airflow.state(Run("tests_own", "no-such-run"))
    assert airflow.import_errors() == {}


def test_it_listens_on_the_loopback_alone_and_wants_a_login(airflow: AirflowServer) -> None:
    port = int(airflow.url.rpartition(":")[2])
    wanted = {f"0100007F:{port:04X}"}
    listening = {
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    }
    assert listening == wanted
    other = type(airflow.api)(airflow.url, airflow.user, "wrong")
    with pytest.raises(AirflowError, match="401"):
        other.get("/dags")
    assert airflow.password not in repr(vars(AirflowError("x"))) + repr(airflow)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_killed_test_process_leaves_nothing_and_killed_parts_come_back(tmp_path: Path) -> None:
    with TemporaryDirectory() as name:
        temporary = Path(name)
        temporary.chmod(0o711)  # PostgreSQL may run as another user, and passes through
        with subprocess.Popen(
            [sys.executable, "-c", PARENT, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": name},
        ) as parent:
            assert parent.stdout is not None
            line = parent.stdout.readline()
            assert line, "it could not start, or its scheduler did not come back; see above"
            everything = below(int(line))
            assert len(everything) > 5
            parent.kill()
        assert eventually(lambda: not alive(everything)), alive(everything)
        assert eventually(lambda: not list(temporary.iterdir()))


def test_a_folder_that_is_not_there_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(EventReplayError, match="no folder"):
        AirflowServer.start(tmp_path / "nothing")
