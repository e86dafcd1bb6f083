"""Tasks that die half-way, run twice at once, or run again long after: the tables are those of a quiet day.

On a laptop's ends (files, a folder, DuckDB), with Airflow's own processes and real signals. Each kill
proves that it fell in the middle: something of the work was there, and not all of it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import duckdb
import pytest
from attrs import define

from eventreplay.capture import CaptureOptions, capture
from eventreplay.log import Log
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sources.files import FileSource
from eventreplay.testing import TickingClock
from eventreplay.testing.services import AirflowServer, Run
from eventreplay.verify import verify
from tests.integration.airflow.platform import EmbeddedScene, Platform
from tools.airflow_platform.story import BACKFILL, DAG_IDS, DBT, LIVE, LOAD, REBUILD, ROLLBACK

pytestmark = pytest.mark.timeout(1_200)

DAGS = Path(__file__).resolve().parents[3] / "dags"
EVENTS = 6_000
RANGE = 2_000
SEGMENT = 20
"""Positions in a segment, each a commit: a hundred commits a range leave time to kill in the middle."""
HISTORY = {"range_positions": RANGE, "segment_positions": SEGMENT}
TWINS = {BACKFILL: "twin_backfill", LOAD: "twin_load", LIVE: "twin_live"}
"""The same DAGs once more, under other names, without a timetable, and late after a second: two runs of one
DAG wait for each other, these do not."""
MIDDLE_S_MAX = 300.0
WAL_BYTES = 400_000
"""Some transactions of a load, by far not all."""


@pytest.fixture(scope="module")
def laptop(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform of all tests, with the twins; they do nothing any more when these tests have ended."""
    twins = tmp_path_factory.mktemp("twins")
    for dag_id, name in TWINS.items():
        text = (DAGS / f"{dag_id}.py").read_text("utf-8")
        assert f'name="{dag_id}"' in text
        text = text.replace(f'name="{dag_id}"', f'name="{name}"')
        text = text.replace('schedule="*/5 * * * *"', "schedule=None")
        text = re.sub(r"limit=timedelta\(.*?\)", "limit=timedelta(seconds=1)", text)
        (twins / f"{name}.py").write_text(text, "utf-8")
    platform.add_dags(twins)
    platform.airflow.wait_known(*DAG_IDS, *TWINS.values())
    yield platform
    for name in (*DAG_IDS, *TWINS.values()):
        platform.airflow.pause_dag(name)


@define
class Day:
    """A scene, filled, and what its DAGs do; nothing runs that was not told to."""

    airflow: AirflowServer
    scene: EmbeddedScene

    @classmethod
    def begin(cls, platform: Platform, *, live_from: int = 0) -> Day:
        airflow = platform.airflow
        for dag_id in (*DAG_IDS, *TWINS.values()):
            airflow.pause_dag(dag_id)
        scene = platform.embedded()
        scene.fill(EVENTS, live_from=live_from)
        return cls(airflow, scene)

    def start(self, dag_id: str, conf: Mapping[str, object] | None = None) -> Run:
        return self.airflow.trigger(dag_id, conf)

    def kill(self, run: Run, task_id: str, in_the_middle: Callable[[], bool], map_index: int = -1) -> None:
        """SIGKILL to the process that runs the task, as soon as it is in the middle of its work."""
        pid = self.airflow.task_pid(run, task_id, map_index, timeout_s=MIDDLE_S_MAX)
        until(in_the_middle)
        kill(pid)

    def commits(self, partition: str) -> int:
        log = self.scene.log()
        head = log.reader(partition).head() if log.exists() else None
        return 0 if head is None else head.number

    def records(self) -> int:
        """Events and rejects of the log, over all partitions."""
        log = self.scene.log()
        heads = [log.reader(name).head() for name in log.partitions()]
        return sum(head.next_offset + head.next_quarantine_offset for head in heads if head is not None)

    def loaded(self) -> int:
        """Rows of RAW and its quarantine; the file must be free."""
        return self.scene.count("RAW.EVENTS") + self.scene.count("RAW.QUARANTINE")

    def chains(self) -> dict[str, str]:
        """Hash of the last commit by partition of the journal: it stands for every byte before it."""
        log = self.scene.log()
        names = [name for name in log.partitions() if name.startswith("journal")]
        return {name: head.sha256 for name in names if (head := log.reader(name).head()) is not None}

    def see_the_quiet_day(self, *, deliveries: int) -> None:
        """Log, RAW and marts are what they are where nothing goes wrong."""
        assert self.chains() == quiet_chains(self.scene)
        assert self.records() == self.loaded() == deliveries
        with DuckDBSink(self.scene.file, clock=TickingClock()) as sink:
            assert verify(self.scene.log(), sink).ok
        assert self.scene.differences() == []


def kill(pid: int) -> None:
    """SIGKILL, and wait until it is dead: its locks are gone then."""
    os.kill(pid, signal.SIGKILL)
    state = Path(f"/proc/{pid}/stat")
    until(lambda: not state.exists() or state.read_text("utf-8").rpartition(")")[2].split()[0] == "Z")


def until(condition: Callable[[], bool]) -> None:
    pause, end_s = threading.Event(), time.monotonic() + MIDDLE_S_MAX
    while not condition():
        assert time.monotonic() < end_s, "the middle was never reached"
        pause.wait(0.005)


def quiet_chains(scene: EmbeddedScene) -> dict[str, str]:
    """The journal's partitions as the library captures them, one after the other, undisturbed."""
    log = Log.open(scene.work / "quiet-log")
    for number in range(EVENTS // RANGE):
        source = FileSource(scene.work / "journal")
        first = number * RANGE
        options = CaptureOptions(segment_positions=SEGMENT)
        capture(source, log, f"journal-{number:06}", first=first, upto=first + RANGE - 1, options=options)
        source.close()
    return {name: head.sha256 for name in log.partitions() if (head := log.reader(name).head()) is not None}


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def is_free(path: Path) -> bool:
    try:
        duckdb.connect(str(path)).close()
    except duckdb.IOException:
        return False
    return True


def built_of(day: Day) -> int:
    """Models that a dbt run has said to be done, by its log."""
    logs = [path.read_text("utf-8", "replace") for path in (day.scene.work / "airflow").rglob("dbt.log")]
    return sum(text.count("OK created") for text in logs)


@pytest.mark.long
def test_killed_half_way_and_tried_again_with_live_and_history_at_once(laptop: Platform) -> None:
    day = Day.begin(laptop)
    airflow = day.airflow
    wal = day.scene.file.with_name(f"{day.scene.file.name}.wal")
    with duckdb.connect(str(day.scene.file)):  # somebody looks into the warehouse: the load has to wait
        backfill = day.start(BACKFILL, HISTORY)
        live = day.start(TWINS[LIVE])
        day.kill(backfill, "capture", lambda: day.commits("journal-000001") >= 3, map_index=1)
        assert 3 <= day.commits("journal-000001") < RANGE // SEGMENT, "it was not killed in the middle"
        airflow.wait(backfill)
        pid = airflow.task_pid(live, "load", timeout_s=MIDDLE_S_MAX)
    tries = [(task.map_index, task.try_number) for task in airflow.state(backfill).of("capture")]
    assert sorted(tries) == [(0, 1), (1, 2), (2, 1)]
    until(lambda: size_of(wal) > WAL_BYTES)
    kill(pid)
    until(lambda: is_free(day.scene.file))  # its threads end one after the other
    held = day.loaded()
    assert 0 < held < day.records() == 2 * EVENTS, "it was not killed in the middle"
    airflow.wait(live)
    assert airflow.xcom(live, "load")["read"] == 2 * EVENTS - held, "it goes on behind the last transaction"

    load = day.start(LOAD)
    airflow.wait(load)
    assert (airflow.xcom(load, "load")["read"], airflow.xcom(load, "verify")["ok"]) == (0, True)

    dbt = day.start(DBT)
    day.kill(dbt, "build", lambda: built_of(day) >= 5)
    until(lambda: is_free(day.scene.file))  # dbt, a child of the task's process, dies with it
    with duckdb.connect(str(day.scene.file)) as found:
        ((tables,),) = found.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'MART'"
        ).fetchall()
    assert tables < len(list((DAGS.parent / "dbt/models/marts").glob("*.sql"))), (
        "it was not killed in the middle"
    )
    airflow.wait(dbt)
    assert [task.try_number for task in airflow.state(dbt).of("build")] == [2]
    day.see_the_quiet_day(deliveries=2 * EVENTS)


@pytest.mark.long
def test_an_old_run_that_is_cleared_changes_nothing(laptop: Platform) -> None:
    day = Day.begin(laptop)
    old = day.start(BACKFILL, HISTORY)
    day.airflow.wait(old)
    load = day.start(LOAD)
    day.airflow.wait(load)
    day.airflow.wait(day.start(TWINS[LIVE]))
    day.airflow.wait(day.start(DBT))
    for run in (old, load):
        assert day.airflow.clear(run)
        assert day.airflow.wait(run).state == "success"
    assert day.airflow.xcom(load, "load")["read"] == 0
    day.see_the_quiet_day(deliveries=2 * EVENTS)


@pytest.mark.long
def test_the_same_twice_at_once(laptop: Platform) -> None:
    day = Day.begin(laptop)
    captures = [day.start(dag_id, HISTORY) for dag_id in (BACKFILL, TWINS[BACKFILL])]
    assert [day.airflow.wait(run).state for run in captures] == ["success"] * 2
    assert day.chains() == quiet_chains(day.scene)
    loads = [day.start(dag_id) for dag_id in (LOAD, TWINS[LOAD])]
    assert [day.airflow.wait(run).state for run in loads] == ["success"] * 2
    assert sum(day.airflow.xcom(run, "load")["read"] for run in loads) == EVENTS
    day.airflow.wait(day.start(DBT))
    day.see_the_quiet_day(deliveries=EVENTS)


@pytest.mark.long
def test_a_late_run_is_told_and_goes_on(laptop: Platform) -> None:
    day = Day.begin(laptop)
    run = day.start(TWINS[LIVE])
    assert day.airflow.wait(run).state == "success"
    told = day.airflow.home / "logs/executor_callbacks" / TWINS[LIVE] / run.run_id

    def said() -> list[dict[str, object]]:
        texts = [path.read_text("utf-8") for path in told.rglob("*") if path.is_file()]
        found = re.findall(r'\{\\"dag\\".*?deadline_missed.*?\}', "\n".join(texts))
        return [json.loads(each.replace('\\"', '"')) for each in found]

    until(lambda: bool(said()))
    (line,) = said()
    assert (line["event"], line["dag"], line["run"], line["limit_s"]) == (
        "deadline_missed", TWINS[LIVE], run.run_id, 1,
    )  # fmt: skip


@pytest.mark.long
def test_a_rebuild_killed_half_way_promotes_what_is_equal_and_loads_go_on_from_there(
    laptop: Platform,
) -> None:
    day = Day.begin(laptop)
    day.airflow.wait(day.start(BACKFILL, HISTORY))
    day.airflow.wait(day.start(TWINS[LIVE]))
    day.airflow.wait(day.start(DBT))
    wal = day.scene.file.with_name(f"{day.scene.file.name}.wal")
    before = size_of(wal)
    rebuild = day.start(REBUILD, {"name": "g1"})
    day.kill(rebuild, "run", lambda: size_of(wal) > before + WAL_BYTES)
    until(lambda: is_free(day.scene.file))  # its threads end one after the other
    assert 0 < day.scene.count("RAW_G1.EVENTS") < day.scene.count("RAW.EVENTS"), "not killed in the middle"
    assert day.airflow.wait(rebuild, 900).state == "success"
    assert [task.try_number for task in day.airflow.state(rebuild).of("run")] == [2]
    found = [(each.name, each.state) for each in day.scene.generations()]
    assert found == [("g1", "live"), ("first", "kept")]
    day.see_the_quiet_day(deliveries=2 * EVENTS)
    load = day.start(LOAD)
    day.airflow.wait(load)
    assert day.airflow.xcom(load, "load")["read"] == 0, "the checkpoints were promoted with their rows"
    day.airflow.wait(day.start(ROLLBACK))
    assert day.scene.generations()[0].name == "first"
    day.see_the_quiet_day(deliveries=2 * EVENTS)
