"""`python -m tools.airflow_platform` (`make airflow`): from nothing to the first green run of every DAG."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from contextlib import ExitStack
from typing import Any

from eventreplay.errors import EventReplayError
from tools.airflow_platform.ends import Ends
from tools.airflow_platform.platform import Platform
from tools.airflow_platform.scenes import SEED, Scene
from tools.airflow_platform.story import Done, Story

DESCRIPTION = """\
Start PostgreSQL (a journal), RabbitMQ (a queue), S3 (the log), the Snowflake stand-in (the warehouse) and
Airflow with a copy of dags/; write generated sports-card events into journal and queue; run every DAG;
compare the marts with what the generator knows; then keep running until Ctrl-C. Servers that variables name
(EVENTREPLAY_TEST_POSTGRES_URL, _RABBITMQ_URL, _S3_URL, _SNOWFLAKE_URL) are taken as they are. Everything
that was started or made here goes at the end."""

EVENTS, EVENTS_MAX = 2_000, 1_000_000
STOPPING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
DIFFERENT = 1


class Screen:
    """Says what happens, with the seconds since the beginning; nothing with `--json`, which prints once."""

    def __init__(self, *, quiet: bool) -> None:
        self.begun = time.monotonic()
        self._quiet = quiet

    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.begun

    def note(self, text: str) -> None:
        """One line of progress."""
        if not self._quiet:
            sys.stdout.write(f"[{self.seconds():6.1f} s] {text}\n")
            sys.stdout.flush()

    def ran(self, done: Done) -> None:
        """One run that has ended."""
        tasks = len(done.state.tasks)
        self.note(f"{done.dag_id}: {done.state.state}, {tasks} tasks, {done.seconds:.1f} s (by {done.by})")


def main(arguments: list[str] | None = None) -> int:
    """Run it; the exit code: 0 if every run is green and the marts are right."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.airflow_platform",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", type=int, default=EVENTS, help=f"to generate (default {EVENTS:,})")
    parser.add_argument("--seed", type=int, default=SEED, help="of the generator")
    parser.add_argument(
        "--embedded", action="store_true", help="files, a folder and DuckDB: no server but Airflow"
    )
    parser.add_argument("--once", action="store_true", help="end after the runs")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead")
    given = parser.parse_args(arguments)
    if not 1 <= given.events <= EVENTS_MAX:
        parser.error(f"--events is from 1 to {EVENTS_MAX:,}")
    # Until the runs have ended a signal ends this process, and the guards end the servers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    screen = Screen(quiet=given.json)
    try:
        with ExitStack() as stack:
            return _run(given, screen, stack)
    except EventReplayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        screen.note("stopped; everything that was started has ended")
        return 128 + signal.SIGINT


def _run(given: argparse.Namespace, screen: Screen, stack: ExitStack) -> int:
    ends = None if given.embedded else Ends.find(stack, screen.note)
    platform = stack.enter_context(Platform.start(ends, note=screen.note))
    scene: Scene = platform.embedded() if given.embedded else platform.real()
    rows = scene.fill(given.events, seed=given.seed)
    screen.note(f"{rows:,} events written: {given.events:,} into the journal, the same into the live source")
    story = Story(platform, scene, screen.ran)
    story.ingest()
    story.transform()
    story.check()
    story.rebuild()
    differences = scene.differences()
    result: dict[str, Any] = {
        "seconds": round(screen.seconds(), 1),
        "events": given.events,
        "runs": [
            {"dag": each.dag_id, "by": each.by, "state": each.state.state, "seconds": round(each.seconds, 1)}
            for each in story.done
        ],
        "marts": scene.figures(),
        "equal": not differences,
        "differences": [str(each) for each in differences],
        "ui": {
            "url": platform.airflow.url,
            "user": platform.airflow.user,
            "password": platform.airflow.password,
        },
        "ends": scene.variables(),
    }
    _show(result, as_json=given.json)
    if not given.once:
        _wait(screen)
    return DIFFERENT if differences else 0


def _show(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(f"{json.dumps(result)}\n")
        sys.stdout.flush()
        return
    lines = ["", f"{'run':28}{'by':8}{'state':10}{'seconds':>8}"]
    lines += [f"{r['dag']:28}{r['by']:8}{r['state']:10}{r['seconds']:8.1f}" for r in result["runs"]]
    lines += ["", f"{'mart':28}{'rows':>10}"]
    lines += [f"{name:28}{rows:10,}" for name, rows in result["marts"].items()]
    verdict = "equal to the ledger, value by value" if result["equal"] else "NOT equal to the ledger:"
    lines += ["", f"The marts are {verdict}", *(f"  {each}" for each in result["differences"])]
    lines += [f"First green run of all DAGs after {result['seconds']:.0f} s."]
    ui = result["ui"]
    lines += [f"Airflow: {ui['url']}  user {ui['user']}  password {ui['password']}"]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _wait(screen: Screen) -> None:
    screen.note("Ctrl-C ends everything, and removes its data")
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    signal.sigwait(STOPPING)


if __name__ == "__main__":
    sys.exit(main())
