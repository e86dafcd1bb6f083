"""The verb: one command of dbt over one warehouse, from its arguments to typed results or an error."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from eventreplay.errors import ConfigError, TransformError, TransformUnavailableError
from eventreplay.secret import Secret
from eventreplay.transform import artifacts, process, samples
from eventreplay.transform.artifacts import RESULTS, SOURCES, Found
from eventreplay.transform.child import NOT_INSTALLED
from eventreplay.transform.nodes import FAILED, Node, Transformation
from eventreplay.transform.process import Ended, Progress
from eventreplay.transform.project import fingerprint

_SHOWN_MAX = 5
_MESSAGE_CHARACTERS_MAX = 600
_REQUEST, _EARLIER, _LOCK = "request.json", "earlier", ".lock"
# What may pass: another process has the DuckDB file, Snowflake gives no answer or is locked by another run.
_PASSING = (
    "Could not set lock on file", "Conflicting lock is held", "250001", "250003", "251001", "000625",
    "Connection aborted", "Connection refused", "Max retries exceeded", "RemoteDisconnected",
)  # fmt: skip


def transform(
    project: Path,
    command: str,
    *,
    environment: Mapping[str, str | Secret],
    work: Path,
    target: str | None = None,
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    full_refresh: bool = False,
    variables: Mapping[str, object] | None = None,
    arguments: Mapping[str, object] | None = None,
    threads: int | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Transformation:
    """Run a command of dbt as its own process and say what became of every node.

    Running `build` again is incremental, so a run that died is simply run again. Tests that warn do not fail.

    Args:
        project: folder of the dbt project; profiles.yml lies there, or where DBT_PROFILES_DIR says.
        command: e.g. `build`, `test`, `source freshness`, `run-operation NAME`.
        environment: what profiles.yml and the project read, see a sink's `dbt_environment`; it goes before
            this process's own. Secrets are named DBT_ENV_SECRET_..., which dbt masks.
        work: folder for dbt's log, artifacts and parsed project; made if missing, for one run at a time.
            Running again with the same one saves parsing.
        target: output of profiles.yml; None: as that says.
        select: nodes to take, in dbt's own syntax; empty: all.
        exclude: nodes to leave out.
        full_refresh: rebuild incremental models from RAW.
        variables: dbt's `--vars`; seen in command lines and artifacts, so never a secret.
        arguments: dbt's `--args`, of `run-operation`; the same.
        threads: nodes at a time; None: as the profile says.
        resume: run only what failed or was skipped in the last run in `work`, if that was the same request
            over the same project and left its results; else run everything.
        progress: called with (nodes done, nodes in all).

    Raises:
        ConfigError: dbt or its adapter is not installed, or the request makes no sense.
        TransformError: something failed; the message names tests, tables and rows, and the field
            `transformation` has every node.
        TransformUnavailableError: the warehouse is busy or not reachable, or `work` is in use.
    """
    request = {
        "command": shlex.split(command), "target": target, "select": list(select), "exclude": list(exclude),
        "full_refresh": full_refresh, "variables": dict(variables or {}), "arguments": dict(arguments or {}),
        "project": fingerprint(project),
    }  # fmt: skip
    line = _command_line(request, threads)
    places = _places(project, environment, target)
    work.mkdir(parents=True, exist_ok=True)
    with _alone(work):
        line = _prepared(work, request, line, resume=resume)
        begun = time.monotonic()
        ended = process.run([*line, *places], environment, work=work, progress=progress)
        found = artifacts.read(work, " ".join(shlex.split(command))) or _nothing_run(ended)
        nodes = _with_rows(found, places, environment, work)
    done = Transformation(
        nodes=nodes,
        invocation_id=found.invocation_id,
        project_fingerprint=str(request["project"]),
        seconds=round(time.monotonic() - begun, 3),
    )
    _check_ended(command, work, ended, done)
    return done


def _places(project: Path, environment: Mapping[str, str | Secret], target: str | None) -> list[str]:
    places = ["--project-dir", str(project.resolve())]
    if "DBT_PROFILES_DIR" not in environment and (project / "profiles.yml").is_file():
        places += ["--profiles-dir", str(project.resolve())]
    return places if target is None else [*places, "--target", target]


def _with_rows(
    found: Found, places: list[str], environment: Mapping[str, str | Secret], work: Path
) -> tuple[Node, ...]:
    """The nodes, failed tests among them with a sample of what they found."""
    question = samples.query([node for node in found.nodes if node.status == "fail"], found.compiled)
    if question is None:
        return found.nodes
    # The results stay as they are: a later run may go on from them.
    asked = ["--no-write-json", "compile", "--inline", question, *places]
    answer = process.run(asked, environment, work=work, mark=samples.MARK)
    return samples.with_rows(found.nodes, answer.marked)


def _command_line(request: Mapping[str, object], threads: int | None) -> list[str]:
    words = request["command"]
    if not isinstance(words, list) or not words or any(word.startswith("-") for word in words):
        raise ConfigError(
            "The command of dbt is empty or has options.",
            hint="Give e.g. `build` or `source freshness`; options are arguments of their own.",
        )
    line = list(words)
    for option in ("select", "exclude"):
        chosen = request[option]
        if isinstance(chosen, list) and chosen:
            if any(not item or item.startswith("-") for item in chosen):
                raise ConfigError(f"{option} has an empty item or an option.", hint="Give names of nodes.")
            line += [f"--{option}", *chosen]
    for option, key in (("--vars", "variables"), ("--args", "arguments")):
        if request[key]:
            try:
                line += [option, json.dumps(request[key], sort_keys=True)]
            except TypeError as error:
                raise ConfigError(
                    f"{key} hold something that is not plain data.",
                    hint="Give texts, numbers, lists and mappings; secrets go into the environment.",
                ) from error
    if request["full_refresh"]:
        line.append("--full-refresh")
    if threads is not None:
        line += ["--threads", str(threads)]
    return line


def _prepared(work: Path, request: Mapping[str, object], line: list[str], *, resume: bool) -> list[str]:
    """Put the last run's results aside; the command line, which is `retry` if that goes on from them."""
    results, noted = work / RESULTS, work / _REQUEST
    text = json.dumps(request, sort_keys=True)
    again = (
        resume
        and noted.is_file()
        and noted.read_text("utf-8") == text
        and any(node.status in FAILED | {"skipped"} for node in _nodes_of(work))
    )
    earlier = work / _EARLIER
    if again:
        earlier.mkdir(exist_ok=True)
        os.replace(results, earlier / RESULTS)  # noqa: PTH105 - over what is there
    results.unlink(missing_ok=True)
    (work / SOURCES).unlink(missing_ok=True)
    noted.write_text(text, "utf-8")
    return ["retry", "--state", str(earlier.resolve())] if again else line


def _nodes_of(work: Path) -> tuple[Node, ...]:
    found = artifacts.read(work, "")
    return () if found is None else found.nodes


def _nothing_run(ended: Ended) -> Found:
    """No results: a command that has none; or dbt or its adapter is missing, or the project is wrong."""
    if ended.code == NOT_INSTALLED or "Could not find adapter type" in ended.reason:
        raise ConfigError(
            "dbt or its adapter is not installed.",
            hint="Install it with: pip install 'eventreplay[dbt]'; for Snowflake eventreplay[dbt-snowflake].",
        )
    if ended.code != 0:
        raise _kind_of(ended.reason)(
            f"dbt ended before it had run anything: {ended.reason}",
            hint="The message above is dbt's own; RAW is complete and unharmed.",
            code=ended.code,
        )
    return Found()


def _check_ended(command: str, work: Path, ended: Ended, done: Transformation) -> None:
    failed = sorted(done.failed, key=lambda node: node.status != "fail")  # tests with rows first
    if not failed and ended.code == 0:
        return
    texts = [_shortened(str(node)) for node in failed[:_SHOWN_MAX]]
    more = f"; and {len(failed) - _SHOWN_MAX} more" if len(failed) > _SHOWN_MAX else ""
    said = "; ".join(texts) + more or ended.reason
    broken = [node.message for node in failed if node.status in {"error", "runtime error"}]
    kind = _kind_of(" ".join(broken) if broken else "") if failed else _kind_of(ended.reason)
    raise kind(
        f"dbt {command}: {len(failed)} of {len(done.nodes)} failed. {said}.",
        hint=f"See {work / 'dbt.log'}; RAW is complete and unharmed.",
        failed=[node.name for node in failed],
        transformation=done,
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _MESSAGE_CHARACTERS_MAX else text[: _MESSAGE_CHARACTERS_MAX - 3] + "..."


def _kind_of(text: str) -> type[TransformError]:
    return TransformUnavailableError if any(sign in text for sign in _PASSING) else TransformError


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Hold the folder: two runs would mix their artifacts. The lock ends with the process."""
    with (work / _LOCK).open("a", encoding="utf-8") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TransformUnavailableError(
                f"Another run of dbt works in {work}.",
                hint="Wait for it, or give another folder.",
                work=str(work),
            ) from error
        yield
