"""kill -9 at steps spread over `rebuild run` and `rebuild promote`: begun again, they end in the same tables.

Real processes of the command line over a small company: a log, a DuckDB file, a dbt project of two models.
Live loading goes on after each kill. See `killing/sitecustomize.py` for what a step is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from attrs import define, field

from tests.integration.rebuild import material

HERE = Path(__file__).parent
pytestmark = [pytest.mark.long, pytest.mark.timeout(1_200)]
EVENTS = 1_200
BEFORE, LIVE_MORE = 800, 20
PROGRAM = str(Path(sys.executable).parent / "eventreplay")
TABLES = ("RAW.EVENTS", "RAW.QUARANTINE", "STAGING.orders", "MART.orders_daily")
CLOCKS = {"inserted_at", "quarantined_at"}
SAMPLES_LONG = 50
LINES_MORE_OR_LESS = 20


@define
class Company:
    """A folder with a log, a warehouse and a plan; copied for each point."""

    folder: Path
    installed: dict[str, str]
    journal: material.Journal = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.journal = material.Journal(self.folder, EVENTS, segment_positions=200)

    @property
    def warehouse(self) -> Path:
        """The file."""
        return self.folder / "w.duckdb"

    def command(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command line in the folder, as a user types it."""
        path = os.pathsep.join([str(HERE / "killing"), self.installed["PYTHONPATH"]])
        given = {
            **{name: value for name, value in os.environ.items() if not name.startswith("EVENTREPLAY_")},
            "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment,
        }  # fmt: skip
        return subprocess.run(
            [PROGRAM, *words], cwd=self.folder, env=given, capture_output=True, text=True, check=False,
            timeout=280,
        )  # fmt: skip

    def see(self, *words: str, **environment: str) -> str:
        """Run it; it has to succeed."""
        done = self.command(*words, **environment)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def tables(self) -> dict[str, str]:
        """A hash of the rows of each live table, but for the moments at which they were written."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            found = {}
            for table in TABLES:
                described = connection.execute(f"DESCRIBE {table}").fetchall()
                columns = ", ".join(name for name, *_ in described if name not in CLOCKS)
                rows = connection.execute(f"SELECT {columns} FROM {table} ORDER BY ALL").fetchall()
                found[table] = hashlib.sha256(repr(rows).encode()).hexdigest()
            return found


def steps(count: int, samples: int) -> list[int]:
    """So many of the steps from 1 to `count`, spread evenly, the first and the last among them."""
    if samples >= count:
        return list(range(1, count + 1))
    return sorted({1 + round(at * (count - 1) / max(1, samples - 1)) for at in range(samples)})


@define
class Stage:
    """A company before `run`, before `promote`, and after an undisturbed one of each.

    Attributes:
        company: in the folder that every point uses.
        before: a copy of the folder before `run`.
        ready: one before `promote`, when more was loaded than the generation has seen.
        counts: steps of the undisturbed `run` and `promote`.
        due: hashes of the live tables when everything is over.
        discounted: ids of events that the change is about.
    """

    company: Company
    before: Path
    ready: Path
    counts: dict[str, int]
    due: dict[str, str]
    discounted: list[str]

    def restore(self, copy: Path) -> None:
        """Make the folder what it was."""
        shutil.rmtree(self.company.folder)
        shutil.copytree(copy, self.company.folder)

    def goes_on(self) -> None:
        """Live loading, whatever was killed: more events, loaded by whichever code the live tables are of."""
        company = self.company
        company.journal.happened(BEFORE + 2 * LIVE_MORE)
        said = [load(company, schemas) for schemas in ("sportscards", material.SCHEMAS)]
        assert 0 in {done.returncode for done in said}, [done.stderr for done in said]

    def ends(self, *, from_run: bool) -> None:
        """The rest, undisturbed; then the tables are those of an undisturbed rebuild."""
        company = self.company
        if from_run:
            company.see("rebuild", "run", "g1.plan.json")
        company.see("rebuild", "promote", "g1.plan.json")
        assert company.tables() == self.due
        company.see("verify", "--log", "log", "--sink", "duckdb:///w.duckdb", "--no-receipt")

    def see_no_mixture(self) -> None:
        """Each live table is of one generation, whole: discounts of v1 stand in all its rows, or in none."""
        with duckdb.connect(str(self.company.warehouse), read_only=True) as connection:
            for table in ("RAW.EVENTS", "STAGING.orders"):
                ((rows, old),) = connection.execute(
                    f"""
                    SELECT count(*), count(*) FILTER (payload::VARCHAR LIKE '%"discount":"%')
                    FROM {table} WHERE list_contains(?, event_id)
                    """,
                    [self.discounted],
                ).fetchall()
                assert rows >= len(self.discounted), f"{table} lacks rows"
                assert old in {0, rows}, f"{old} of {rows} rows of {table} are of another generation"


def load(company: Company, schemas: str) -> subprocess.CompletedProcess[str]:
    """What the live service does."""
    return company.command("replay", "--log", "log", "--sink", "duckdb:///w.duckdb", "--schemas", schemas)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """One rebuild, undisturbed and counted."""
    base = tmp_path_factory.mktemp("killed")
    folder = base / "company"
    folder.mkdir()
    company = Company(folder, material.installed(base))
    shutil.copytree(HERE / "small", folder / "dbt")
    company.journal.happened(BEFORE)
    ends = ("--log", "log", "--sink", "duckdb:///w.duckdb")
    company.see("replay", *ends, "--schemas", "sportscards")
    company.see("dbt", "build", *ends, "--project", "dbt")
    model = folder / "dbt/models/orders_daily.sql"
    model.write_text(
        model.read_text("utf-8").replace("count(*) as orders", "2 * count(*) as orders"), "utf-8"
    )
    company.see("rebuild", "plan", "g1", *ends, "--schemas", material.SCHEMAS, "--project", "dbt")
    with duckdb.connect(str(company.warehouse), read_only=True) as connection:
        found = connection.execute(
            """
            SELECT DISTINCT event_id FROM RAW.EVENTS
            WHERE event_type LIKE '%.v1.OrderPlaced' AND payload::VARCHAR LIKE '%"discount":"%'
            """
        ).fetchall()
    discounted = [event for (event,) in found]
    assert len(discounted) > 10
    copies = {name: base / name for name in ("before", "ready")}
    counts = {}
    for step, copy in (("run", "before"), ("promote", "ready")):
        if step == "promote":
            company.journal.happened(BEFORE + LIVE_MORE)
            assert load(company, "sportscards").returncode == 0
        shutil.copytree(folder, copies[copy])
        company.see("rebuild", step, "g1.plan.json", REBUILD_STEPS=str(base / "steps"))
        counts[step] = int((base / "steps").read_text("utf-8"))
    company.journal.happened(BEFORE + 2 * LIVE_MORE)
    assert load(company, material.SCHEMAS).returncode == 0
    company.see("rebuild", "promote", "g1.plan.json")
    made = Stage(company, copies["before"], copies["ready"], counts, company.tables(), discounted)
    made.see_no_mixture()
    return made


def killed_at(stage: Stage, step: str, at: int) -> None:
    """Kill one step of the command line, let live loading go on, and begin it again."""
    stage.restore(stage.before if step == "run" else stage.ready)
    given = {"REBUILD_STEPS": str(stage.before.parent / "steps"), "REBUILD_KILL_AT": str(at)}
    done = stage.company.command("rebuild", step, "g1.plan.json", **given)
    # dbt does not say exactly as many lines each time, so the last step may not come.
    is_last = at > stage.counts[step] - LINES_MORE_OR_LESS
    ends = {-signal.SIGKILL, 0} if is_last else {-signal.SIGKILL}
    assert done.returncode in ends, f"{step} was not killed at {at}: {done.stderr}"
    stage.see_no_mixture()
    stage.goes_on()
    stage.ends(from_run=step == "run")


def test_the_rebuild_is_worth_killing(stage: Stage) -> None:
    assert stage.counts["run"] > 100
    assert stage.counts["promote"] > 30


@pytest.mark.parametrize(("step", "share"), [("run", 0.4), ("promote", 0.6)])
def test_killed_in_the_middle_and_begun_again_it_ends_in_the_same_tables(
    stage: Stage, step: str, share: float
) -> None:
    killed_at(stage, step, round(share * stage.counts[step]))


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("step", ["run", "promote"])
def test_killed_at_many_steps_and_begun_again_it_ends_in_the_same_tables(stage: Stage, step: str) -> None:
    for at in steps(stage.counts[step], SAMPLES_LONG // 2):
        killed_at(stage, step, at)
