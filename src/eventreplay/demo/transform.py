"""Runs dbt over a warehouse file: the last step from RAW to STAGING and MART.

dbt runs as its own process: it keeps global state, and DuckDB lets one process at a time open a file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path

from attrs import frozen

from eventreplay.errors import ConfigError, SinkError

Progress = Callable[[int, int | None], None]


@frozen(kw_only=True)
class Node:
    """One model or test as dbt ended it; `status` is success, pass, warn, fail, error or skipped."""

    name: str
    kind: str
    status: str
    seconds: float
    message: str


def project_folder() -> Path:
    """Where the dbt project lies: inside an installed wheel, else beside the source tree."""
    packaged = Path(str(files("eventreplay.demo"))) / "_dbt"
    for candidate in (packaged, Path(__file__).resolve().parents[3] / "dbt"):
        if (candidate / "dbt_project.yml").is_file():
            return candidate
    raise ConfigError(
        "The dbt project of the demo is not there.",
        hint="Install eventreplay from its wheel, or run from a clone of the repository.",
    )


def build(warehouse: Path, work: Path, *, threads: int, progress: Progress | None = None) -> list[Node]:
    """Build and test every model in `warehouse`; logs and artifacts go to `work`.

    Running it again is incremental. Models and tests that warn do not fail the build.

    Raises:
        ConfigError: dbt is not installed.
        SinkError: a model or a test failed; `failed` names them.
    """
    project = project_folder()
    work.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "dbt.cli.main", "--log-format", "json", "build"]
    command += ["--project-dir", str(project), "--profiles-dir", str(project), "--threads", str(threads)]
    (work / "run_results.json").unlink(missing_ok=True)
    with subprocess.Popen(  # noqa: S603 (our own interpreter, arguments as a list)
        command,
        env=_environment(warehouse, work),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        if process.stdout is None:
            raise SinkError("dbt could not be started.")
        said = list(_follow(process.stdout, progress))
    if "No module named" in "".join(said[-3:]):
        raise ConfigError("dbt is not installed.", hint="Install it with: pip install 'eventreplay[demo]'.")
    nodes = _results(work / "run_results.json", "\n".join(said[-5:]))
    failed = [f"{node.name}: {node.message}" for node in nodes if node.status in {"error", "fail"}]
    if failed or process.returncode:
        reason = "; ".join(failed[:5]) or "\n".join(said[-5:])
        raise SinkError(
            f"dbt ended with {len(failed)} failures: {reason}",
            hint=f"See {work / 'dbt.log'}; RAW is complete and unharmed.",
            failed=[node.name for node in nodes if node.status in {"error", "fail"}],
        )
    return nodes


def _environment(warehouse: Path, work: Path) -> Mapping[str, str]:
    return {
        **os.environ,
        "EVENTREPLAY_DUCKDB_PATH": str(warehouse.resolve()),
        "DBT_TARGET_PATH": str(work.resolve()),
        "DBT_LOG_PATH": str(work.resolve()),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


def _follow(lines: Iterator[str], progress: Progress | None) -> Iterator[str]:
    """dbt's own log lines: progress from finished nodes, everything else as text for an error."""
    for line in lines:
        try:
            event = json.loads(line)
            data = event["data"]
        except (ValueError, KeyError, TypeError):
            yield line.rstrip()
            continue
        if progress is not None and isinstance(data.get("index"), int) and isinstance(data.get("total"), int):
            progress(data["index"], data["total"])
        if event.get("info", {}).get("level") == "error":
            yield str(event["info"].get("msg", "")).strip()


def _results(path: Path, otherwise: str) -> list[Node]:
    try:
        results = json.loads(path.read_text("utf-8"))["results"]
    except FileNotFoundError as error:
        raise SinkError(
            f"dbt ended before it had run anything: {otherwise}",
            hint="The message above is dbt's own; RAW is complete and unharmed.",
        ) from error
    return [
        Node(
            name=str(result["unique_id"]).split(".", 2)[-1],
            kind=str(result["unique_id"]).split(".", 1)[0],
            status=str(result["status"]),
            seconds=float(result["execution_time"]),
            message=str(result.get("message") or ""),
        )
        for result in results
    ]
