"""kill -9 at steps spread over `rebuild run` and `rebuild promote`: begun again, they end in the same tables.

Real processes of the command line over a small company: a log, a DuckDB file, a dbt project of two models.
Live loading goes on after each kill. See `killing/sitecustomize.py` for what a step is.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import duckdb
from attrs import define, field

from tests.integration.rebuild import material

HERE = Path(__file__).parent
EVENTS = 1_200
BEFORE, LIVE_MORE = 800, 20
PROGRAM = str(Path(sys.executable).parent / "eventreplay")
TABLES = ("RAW.EVENTS", "RAW.QUARANTINE", "STAGING.orders", "MART.orders_daily")
CLOCKS = "'inserted_at', 'quarantined_at'"
SAMPLES = 4
SAMPLES_LONG = 50


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
            timeout=200,
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
                rows = connection.execute(
                    f"SELECT COLUMNS(c -> c NOT IN ({CLOCKS})) FROM {table} ORDER BY ALL"
                ).fetchall()
                found[table] = hashlib.sha256(repr(rows).encode()).hexdigest()
            return found
