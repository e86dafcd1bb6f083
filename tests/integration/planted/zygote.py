"""pytest in children that are ready at once: a program, started by `test_planted`.

Loading pytest, Hypothesis, Arrow and the drivers takes longer than most tests that a bug is planted for. So
this process does it once, in a run of pytest of its own, and forks a child for each further run. It loads
nothing of the project: a child finds that in its copy. It must be alone in its process when it forks (a
thread of a library would not survive), and says so if it is not.

A line of JSON, `{"folder": of the copy, "words": pytest's, "environment": of the run}`, is answered by
`{"status": s}`, as of waitpid, when the run has ended; what it printed is in `said.txt` of the folder.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

LIBRARIES = (
    "attrs", "boto3", "cryptography", "datafusion", "duckdb", "google.protobuf.json_format",
    "hypothesis.stateful", "numpy", "obstore", "pika", "psycopg2", "pyarrow.compute", "pyarrow.parquet",
    "snowflake.connector",
)  # fmt: skip


def load() -> None:
    """One run of pytest, so that its plugins are loaded as it wants them, with all libraries."""
    with tempfile.TemporaryDirectory() as name:
        lines = [*(f"import {library}" for library in LIBRARIES), "def test_nothing(): pass", ""]
        Path(name, "test_nothing.py").write_text("\n".join(lines), "ascii")
        Path(name, "pytest.ini").write_text("[pytest]\n", "ascii")
        code = pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", name, name])
    threads = list(Path("/proc/self/task").iterdir())
    if code or len(threads) != 1:
        sys.exit(f"The first run ended with {code}; {len(threads)} threads run before the first fork.")


def child(folder: Path, words: list[str], environment: Mapping[str, str]) -> None:
    """Run pytest in the copy, and leave with its exit code."""
    code = 70
    try:
        said = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.path[:0] = [str(folder), str(folder / "src")]
        code = int(pytest.main(words))
    except BaseException:  # noqa: BLE001 - printed: nothing may get back into the loop of the parent
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Load, then one child for each line, one after the other."""
    answers = os.dup(1)
    os.dup2(2, 1)
    load()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(Path(order["folder"]), order["words"], order["environment"])
        os.write(answers, json.dumps({"status": os.waitpid(pid, 0)[1]}).encode() + b"\n")


if __name__ == "__main__":
    main()
