"""Runs as processes: an interpreter in other surroundings is started, followed and ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from attrs import frozen

from eventreplay import errors
from eventreplay.errors import ConfigError, EventReplayError
from eventreplay.log import Log
from eventreplay.prove.child import AMBIENCE
from eventreplay.prove.codecs import CodecName
from eventreplay.prove.combinations import CLOCKS, DECIMALS, Combination
from eventreplay.prove.ranges import Range
from eventreplay.prove.working import s3_facts

_CHILD = Path(__file__).with_name("child.py")
_END_S_MAX = 30.0
_PROBE_S_MAX = 120.0
_PROBE = (
    "import json, importlib.metadata as m, eventreplay.prove.working;"
    "print(json.dumps([m.version(n) for n in ('eventreplay', 'pyarrow', 'duckdb')]))"
)


@frozen(kw_only=True)
class Loaded:
    """What a run loaded, as its process says."""

    fingerprint: str
    read: int
    loaded: int
    quarantined: int
    transactions: int
    seconds: float
    releases: Mapping[str, str]
    effects: Mapping[str, Any]


def run_child(
    log: Log,
    codec: CodecName,
    ranges: tuple[Range, ...],
    how: Combination,
    *,
    folder: Path,
    label: str,
    ascii_only: bool,
    progress: Callable[[int], None],
) -> Loaded:
    """Replay into `folder`/warehouse.duckdb in a process of its own.

    Raises:
        EventReplayError: the run failed; the error is of the same class as in its process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    request = {
        "log": log.url,
        "s3": s3_facts(log.s3),
        "codec": codec.to_json(),
        "ranges": [
            {"partition": part.partition, "after": part.after_commit, "upto": part.upto_commit}
            for part in ranges
        ],
        "how": how.to_json(),
        "clock": CLOCKS[how.clock],
        "warehouse": str(folder / "warehouse.duckdb"),
        # As `multiprocessing` does; another interpreter has packages of its own.
        "path": sys.path if how.python == sys.executable else None,
    }
    environment = {
        **os.environ,
        **how.environment(ascii_only=ascii_only),
        AMBIENCE: json.dumps({"decimals": DECIMALS[how.decimals]}),
    }
    with (folder / "said.txt").open("wb") as said:
        answer = _answer([how.python, "-P", str(_CHILD)], request, environment, said, progress)
    if "done" in answer:
        return Loaded(**answer["done"])
    raise _error(label, answer["error"], folder)


def _answer(
    command: list[str],
    request: Mapping[str, object],
    environment: Mapping[str, str],
    said: IO[bytes],
    progress: Callable[[int], None],
) -> dict[str, Any]:
    with subprocess.Popen(  # noqa: S603 - our own program, arguments as a list
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
    ) as process:
        try:
            if process.stdin is None or process.stdout is None:  # pragma: no cover - both are pipes
                raise AssertionError
            # A process that died at once takes nothing; its exit code is told below.
            try:
                process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
                process.stdin.flush()
            except BrokenPipeError:
                progress(0)
            for line in process.stdout:
                facts: dict[str, Any] = json.loads(line)
                if "progress" in facts:
                    progress(int(facts["progress"]))
                    continue
                return facts
            return {"error": {"kind": "", "message": "", "code": process.wait()}}
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """It ends by itself once it has answered; else ask by closing the pipe it watches, then kill."""
    if process.stdin is not None:
        try:
            process.stdin.close()
        except BrokenPipeError:
            process.poll()
    try:
        process.wait(_END_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _error(label: str, facts: Mapping[str, Any], folder: Path) -> EventReplayError:
    kind = getattr(errors, str(facts["kind"]), None)
    if isinstance(kind, type) and issubclass(kind, EventReplayError):
        return kind(f"{label}: {facts['message']}", hint=str(facts["hint"]))
    what = f"ended with {facts['kind']} at {facts['place']}" if facts["kind"] else f"died ({facts['code']})"
    return EventReplayError(
        f"{label} {what}.",
        hint="What fails in one run and not in another depends on its surroundings, too. With --keep, what "
        f"it said stands in {folder.name}/{'said.txt'}.",
    )


def checked_pythons(others: tuple[str, ...]) -> tuple[str, ...]:
    """This interpreter and the others, which must have the same releases of what makes the rows.

    Raises:
        ConfigError: one cannot import eventreplay, or has another release of it.
    """
    here = _releases(sys.executable) if others else None
    for python in others:
        found = _releases(python)
        if found is None:
            raise ConfigError(
                f"{python} cannot import eventreplay with DuckDB.",
                hint="Install eventreplay[duckdb] there, or leave it out.",
                python=python,
            )
        if found != here:
            raise ConfigError(
                f"{python} has other releases of eventreplay, pyarrow or duckdb ({', '.join(found)}) than "
                f"this interpreter ({', '.join(here or ())}).",
                hint="Install the same ones: another release may rightly give other bytes.",
                python=python,
            )
    return tuple(dict.fromkeys((sys.executable, *others)))


def _releases(python: str) -> list[str] | None:
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that was named
            [python, "-P", "-c", _PROBE], capture_output=True, check=False, timeout=_PROBE_S_MAX
        )
        return [str(release) for release in json.loads(done.stdout)] if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
