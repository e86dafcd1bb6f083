"""A program: the same history in several ways within one interpreter, whose environment its caller has set.

Arguments: a folder, and a JSON list of combinations. Prints a JSON list of what each one left.
"""

from __future__ import annotations

import decimal
import hashlib
import json
import locale
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from attrs import asdict, frozen

from eventreplay.capture import CaptureOptions, capture
from eventreplay.codecs.router import codec_for
from eventreplay.demo import schemas
from eventreplay.demo.generator import GeneratedSource
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink

EVENTS = 800


@frozen
class Combination:
    """What has no part in the result, within one interpreter."""

    source_rows: int
    decode_rows: int
    encoders: int
    decoders: int
    precision: int


@frozen
class Result:
    """Hashes of everything a run leaves."""

    log_sha256: str
    files_sha256: str
    rows_sha256: str
    rows: int


def run(folder: Path, how: Combination) -> Result:
    """The pipeline into an empty folder, with whatever decimal context is set."""
    folder.mkdir(parents=True)
    log = Log.open(folder / "log")
    source = GeneratedSource(11, EVENTS, batch_rows_max=how.source_rows)
    capture(source, log, "journal", options=CaptureOptions(segment_positions=170, workers=how.encoders))
    codec = codec_for(schemas.load())
    with DuckDBSink(folder / "warehouse.duckdb", clock=lambda: datetime.now(UTC)) as sink:
        replay(log, sink, codec, batch_rows_max=how.decode_rows, workers=how.decoders)
    files = hashlib.sha256()
    for path in sorted((folder / "log").rglob("*")):
        files.update(f"{path.relative_to(folder)}\n".encode())
        files.update(path.read_bytes() if path.is_file() else b"")
    rows_hash, count = rows(folder / "warehouse.duckdb")
    return Result(log.sha256(), files.hexdigest(), rows_hash, count)


def rows(warehouse: Path) -> tuple[str, int]:
    """One hash over all rows of RAW, in their order, and how many there are."""
    digest, count = hashlib.sha256(), 0
    moments = {"EVENTS": "inserted_at", "QUARANTINE": "quarantined_at", "CHECKPOINTS": "updated_at"}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for table, moment in moments.items():
            query = f"SELECT * EXCLUDE ({moment}) FROM RAW.{table} ORDER BY rowid"
            for row in connection.execute(query).fetchall():
                digest.update(f"{table}{row!r}\n".encode())
                count += 1
    return digest.hexdigest(), count


def main(folder: str, combinations: str) -> None:
    with suppress(locale.Error):
        # As programs do that want to speak their user's language; a locale that is not installed stays C.
        locale.setlocale(locale.LC_ALL, "")
    wanted = [Combination(**combination) for combination in json.loads(combinations)]
    left = []
    for at, how in enumerate(wanted):
        # New threads take their context from DefaultContext, this one has its own.
        for context in (decimal.DefaultContext, decimal.getcontext()):
            context.prec, context.rounding = how.precision, decimal.ROUND_UP
        left.append(asdict(run(Path(folder) / str(at), how)))
    sys.stdout.write(json.dumps(left))


if __name__ == "__main__":
    main(*sys.argv[1:])
