"""A test process that is killed, or that ends, leaves no process, no folder and no shared memory behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from eventreplay.testing.services.guarded import Guarded
from tests.integration.services.processes import alive, below, eventually

FEWEST = {"postgres": 3, "rabbitmq": 3, "s3": 2, "snowflake": 2, "ceph": 4}
"""Guard, server, and what belongs to it: the port mapper of Erlang, PostgreSQL's own processes."""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files that servers which run as another user can pass through."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.mark.parametrize(
    "service", ["postgres", "rabbitmq", "s3", "snowflake", pytest.param("ceph", marks=pytest.mark.long)]
)
def test_a_killed_test_process_leaves_nothing(service: str, temporary: Path) -> None:
    program = Path(__file__).with_name("parent.py")
    paths = {"PYTHONPATH": str(Path(__file__).parents[3]), "TMPDIR": str(temporary)}
    environment = {**os.environ, **paths}
    with subprocess.Popen(
        [sys.executable, str(program), service], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        line = parent.stdout.readline()
        assert line, "it could not start its server; see above"
        facts = json.loads(line)
        everything = below(facts["guard"])
        assert len(everything) >= FEWEST[service]
        assert list(temporary.iterdir()) == [Path(facts["folder"])], "whatever it makes is made in there"
        segments = shared_memory()
        parent.kill()
    assert parent.returncode == -signal.SIGKILL
    assert eventually(lambda: not alive(everything)), alive(everything)
    assert eventually(lambda: not list(temporary.iterdir()))
    if service == "postgres":
        assert len(segments - shared_memory()) == 1, "System V memory stays until somebody removes it"


def shared_memory() -> set[str]:
    """Ids of System V segments."""
    return {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text("ascii").splitlines()[1:]}


def test_a_daemon_that_left_its_session_is_ended_too(tmp_path: Path) -> None:
    """As Erlang's port mapper does: two forks, a session of its own, no parent."""
    note = tmp_path / "pid"
    guarded = Guarded("Daemon")
    try:
        detached = f"echo $$ > {note}.new; mv {note}.new {note}; exec sleep 1000"
        guarded.run(
            "server",
            ["sh", "-c", f"(setsid sh -c '{detached}' &); exec sleep 1001"],
            env={"PATH": os.environ["PATH"]},
        )
        assert eventually(note.exists)
        pid = int(note.read_text("ascii"))
        assert pid in below(guarded.guard_pid)
    finally:
        guarded.close()
    assert not alive({pid})


def test_what_ignores_signals_is_ended_too() -> None:
    guarded = Guarded("Stubborn")
    try:
        program = (
            "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{}', flush=True); "
        )
        program += "signal.pause()"
        pid = guarded.run("server", [sys.executable, "-c", program], env={}, quit_signal=signal.SIGTERM)
        guarded.wait_ready("server", lambda: "{}" in guarded.tail("server") or None)
    finally:
        guarded.close()
    assert not alive({pid})


def test_a_killed_guard_takes_its_server_along() -> None:
    guarded = Guarded("Orphan")
    try:
        pid = guarded.run("server", ["sleep", "1000"], env={"PATH": os.environ["PATH"]})
        assert alive({pid}) == {pid}
        os.kill(guarded.guard_pid, signal.SIGKILL)
        assert eventually(lambda: not alive({pid}))
    finally:
        guarded.close()
        shutil.rmtree(guarded.folder)
