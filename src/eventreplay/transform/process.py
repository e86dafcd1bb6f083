"""dbt as a child process: its environment, its JSON log, its end.

It is never imported here: it keeps global state, and DuckDB lets one process at a time open a file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from attrs import define, field

from eventreplay.errors import ConfigError
from eventreplay.secret import MASK, Secret

Progress = Callable[[int, int | None], None]

SECRET_PREFIX = "DBT_ENV_SECRET_"  # noqa: S105 - the prefix by which dbt knows what to mask
_CHILD = Path(__file__).with_name("child.py")
_SAID_LINES_MAX = 20
_SAID_CHARACTERS_MAX = 2000
_SECRET_LINE_CHARACTERS_MIN = 8
_END_S_MAX = 30.0


@define
class Ended:
    """How a process ended: its code, what it said last that matters, and what macros logged with a mark."""

    code: int = 0
    said: deque[str] = field(factory=lambda: deque(maxlen=_SAID_LINES_MAX))
    marked: list[str] = field(factory=list)

    @property
    def reason(self) -> str:
        """The last of what it said as an error."""
        return "\n".join(self.said)[-_SAID_CHARACTERS_MAX:]


def run(
    arguments: Sequence[str],
    environment: Mapping[str, str | Secret],
    *,
    work: Path,
    progress: Progress | None = None,
    mark: str | None = None,
) -> Ended:
    """Run dbt to its end; if this is interrupted, dbt is ended first.

    Args:
        arguments: dbt's own, after its global options.
        environment: what the child has beside this process's environment; secrets are revealed to it alone.
        work: folder for its log and artifacts.
        progress: called with (nodes done, nodes in all).
        mark: lines that a macro logs and that begin so are kept in `marked`, without it.

    Raises:
        ConfigError: a secret has a name that dbt would not mask.
    """
    command = [sys.executable, "-P", str(_CHILD), "--log-format", "json", "--log-level", "info"]
    command += ["--no-use-colors", "--no-send-anonymous-usage-stats", *arguments]
    hidden = _hidden(environment)
    ended = Ended()
    with subprocess.Popen(  # noqa: S603 (our own interpreter, arguments as a list)
        command,
        env=_child_environment(environment, work),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            _follow(process.stdout or (), ended, hidden, progress, mark)
            ended.code = process.wait()
        except BaseException:
            _end(process)
            raise
    return ended


def _child_environment(environment: Mapping[str, str | Secret], work: Path) -> dict[str, str]:
    for name, value in environment.items():
        if isinstance(value, Secret) and not name.startswith(SECRET_PREFIX):
            raise ConfigError(
                f"{name} is a secret, but dbt would not mask it.",
                hint=f"Name it {SECRET_PREFIX}..., and read it in profiles.yml by that name.",
                setting=name,
            )
    given = {
        name: value.reveal() if isinstance(value, Secret) else value for name, value in environment.items()
    }
    return {
        **os.environ,
        "DO_NOT_TRACK": "1",
        # The connector would ask the metadata services of three clouds where it runs.
        "SNOWFLAKE_DISABLE_PLATFORM_DETECTION": "true",
        **given,
        "DBT_TARGET_PATH": str(work.resolve()),
        "DBT_LOG_PATH": str(work.resolve()),
        "PYTHONUTF8": "1",
    }


def _hidden(environment: Mapping[str, str | Secret]) -> list[str]:
    """Texts that must not be repeated: each secret, as JSON writes it too, and each line of a longer one."""
    found = set()
    for value in environment.values():
        if isinstance(value, Secret):
            text = value.reveal()
            lines = [line for line in text.splitlines() if len(line) >= _SECRET_LINE_CHARACTERS_MIN]
            found.update({text, json.dumps(text)[1:-1], *lines})
    return sorted(found, key=len, reverse=True)


def _follow(
    lines: Iterable[str], ended: Ended, hidden: Sequence[str], progress: Progress | None, mark: str | None
) -> None:
    for line in lines:
        for text in hidden:
            line = line.replace(text, MASK)  # noqa: PLW2901 - from here on there is no other
        try:
            event = json.loads(line)
            data, info = event["data"], event["info"]
        except (ValueError, KeyError, TypeError):
            if line.strip():
                ended.said.append(line.strip()[:_SAID_CHARACTERS_MAX])
            continue
        message = str(info.get("msg", ""))
        if mark is not None and message.startswith(mark):
            ended.marked.append(message.removeprefix(mark))
        elif info.get("level") == "error" and message.strip():
            ended.said.append(message.strip()[:_SAID_CHARACTERS_MAX])
        done, total = data.get("index"), data.get("total")
        if progress is not None and isinstance(done, int) and isinstance(total, int):
            progress(done, total)


def _end(process: subprocess.Popen[str]) -> None:
    """Ask by closing the pipe it watches, then kill."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_END_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
