"""The log into the Snowflake stand-in, against the DuckDB sink and the stand-in's own COPY of finished rows.

The stand-in runs on this machine and keeps its tables in DuckDB, so nothing here is a figure of Snowflake.
What it shows is what our side costs beside the COPY that any way of loading has to make.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from attrs import frozen

from benchmarks.contest import Contestant, child, contest
from benchmarks.report import Report, rates, ratio
from eventreplay.testing.services import StandInServer

OURS = "log to the Snowflake stand-in"
DUCKDB = "log to DuckDB"
COPY = "stand-in: PUT and COPY of finished rows (limit)"


@frozen(kw_only=True)
class Options:
    """What is measured: `events` of one type, loaded `turns` times."""

    events: int = 200_000
    turns: int = 3


def measure(options: Options) -> Report:
    """Events per second of each way into an empty warehouse."""
    with (
        tempfile.TemporaryDirectory(prefix="eventreplay-bench-") as name,
        StandInServer.start() as server,
    ):
        folder = Path(name)
        made = Contestant(
            title="input",
            command=child("warehouse.ways", "make", options.events, folder),
            events=options.events,
        )
        contest([made], 1)

        def database() -> dict[str, str]:
            return {"BENCHMARK_SNOWFLAKE": json.dumps(server.connect_args(server.database()))}

        contestants = [
            Contestant(
                title=OURS,
                command=child("warehouse.ways", "to_snowflake", options.events, folder),
                events=options.events,
                prepare=database,
            ),
            Contestant(
                title=DUCKDB,
                command=child("warehouse.ways", "to_duckdb", options.events, folder),
                events=options.events,
            ),
            Contestant(
                title=COPY,
                command=child("warehouse.ways", "bare_copy", options.events, folder),
                events=options.events,
                prepare=database,
            ),
        ]
        found = contest(contestants, options.turns)
    notes = ["the stand-in decodes nothing and checks nothing; ours verifies every hash and decodes first"]
    return rates(found, [ratio(found, OURS, COPY), ratio(found, OURS, DUCKDB)], notes)
