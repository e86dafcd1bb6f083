"""The pipeline under test, in children that are ready at once: a program, started by `harness.Zygote`.

Importing the engines takes longer than the whole run, so this process does it once and forks a child for each
run. It must be alone in its process when it forks (a thread of pyarrow or DataFusion would not survive),
and says so if it is not. A child stops itself before it does anything, so that a tracer can be attached;
then it captures and replays, writes down how that ended, and leaves.

Lines of JSON: `{"run": folder, "outcome": file, "threads": n}` is answered by `{"pid": n}` when the
child stands still;
`{"wait": n}` by `{"status": s}`, as of waitpid.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from eventreplay.capture import CaptureOptions, capture
from eventreplay.codecs.router import codec_for
from eventreplay.demo import schemas
from eventreplay.demo.generator import GeneratedSource
from eventreplay.errors import EventReplayError
from eventreplay.event import Position
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink

EVENTS = 600
SEGMENT_POSITIONS = 200
PARTITION = "journal"

SOURCE = GeneratedSource(7, EVENTS)
CODEC = codec_for(schemas.load())
"""Made once for all children: both are pure, and plans that they build on first use need not be built
again.
"""


def run(folder: Path, threads: int | None) -> None:
    """Everything from the source to the warehouse, as the demo does it; goes on where it stopped."""
    log = Log.open(folder / "log")
    capture(SOURCE, log, PARTITION, options=CaptureOptions(segment_positions=SEGMENT_POSITIONS))
    with DuckDBSink(folder / "warehouse.duckdb", clock=lambda: datetime.now(UTC), threads=threads) as sink:
        replay(log, sink, CODEC)


def outcome_of(folder: Path, threads: int | None) -> dict[str, object]:
    try:
        run(folder, threads)
    except EventReplayError as error:
        return {"error": type(error).__name__, "message": str(error), "hint": error.hint}
    except Exception:  # noqa: BLE001 - whatever else escapes is what the tests are to see
        return {"crashed": traceback.format_exc()}
    return {"done": True}


def child(folder: Path, outcome: Path, threads: int | None) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    text = json.dumps(outcome_of(folder, threads))
    outcome.write_text(text, "utf-8")
    os._exit(0)


def main() -> None:
    for batch in SOURCE.read(None, Position(EVENTS - 1)):
        CODEC.decode(batch.events)
    # The sink loads its driver when it opens; here it is loaded once for all children.
    assert duckdb.__version__
    threads = list(Path("/proc/self/task").iterdir())
    if len(threads) != 1:
        sys.exit(
            f"{len(threads)} threads run before the first fork: a library begins one when it is imported."
        )
    for line in sys.stdin:
        order = json.loads(line)
        if "run" in order:
            pid = os.fork()
            if pid == 0:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(2, 1)
                child(Path(order["run"]), Path(order["outcome"]), order["threads"])
            _, status = os.waitpid(pid, os.WUNTRACED)
            answer = {"pid": pid, "stopped": os.WIFSTOPPED(status)}
        else:
            answer = {"status": os.waitpid(order["wait"], 0)[1]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
