"""One change of generations, as a program to be killed: `change.py begin|promote|rollback|drop FILE`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from eventreplay.sinks.duckdb import DuckDBSink

NOW = datetime(2026, 11, 21, tzinfo=UTC)
KEEP_UNTIL = datetime(2026, 12, 21, tzinfo=UTC)
SCHEMAS = ("RAW", "STAGING", "MART")


def opened(file: Path) -> DuckDBSink:
    """One thread, so that a run makes the same system calls each time."""
    return DuckDBSink(file, clock=lambda: NOW, threads=1)


def change(what: str, sink: DuckDBSink) -> None:
    """Everything here may be done again, whatever ended it."""
    if what == "begin":
        sink.begin_generation("g1", schemas=SCHEMAS, plan="ab" * 32, facts={"codec": "f-2"})
    elif what == "promote":
        sink.promote("g1", keep_until=KEEP_UNTIL)
    elif what == "rollback":
        sink.rollback()
    else:
        sink.drop("first")


if __name__ == "__main__":
    with opened(Path(sys.argv[2])) as made:
        change(sys.argv[1], made)
