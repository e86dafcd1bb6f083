"""Where a server comes from: an override, a container engine, this machine, the distribution's packages."""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

from eventreplay.testing.services.errors import ServiceNotReadyError
from eventreplay.testing.services.guarded import Account
from eventreplay.testing.services.ports import LOOPBACK

OVERRIDES = {
    "PostgreSQL": "EVENTREPLAY_TEST_POSTGRES_URL",
    "RabbitMQ": "EVENTREPLAY_TEST_RABBITMQ_URL",
    "S3": "EVENTREPLAY_TEST_S3_URL",
    "Snowflake": "EVENTREPLAY_TEST_SNOWFLAKE_URL",
}
DOCKER_S_MAX = 10
NO_DOCKER = "EVENTREPLAY_TEST_NO_DOCKER"


def override(service: str) -> str | None:
    """The URL of a server that somebody else started, if one is named."""
    return os.environ.get(OVERRIDES[service]) or None


def unanswered(service: str, problem: str) -> ServiceNotReadyError:
    """The error for a named server that does not serve; `problem` follows on the variable's name."""
    return ServiceNotReadyError(
        f"The server that {OVERRIDES[service]} names {problem}.",
        hint="Start it, correct the URL or its credentials, or unset the variable to have one started.",
        service=service,
        status=None,
    )


def setting(name: str) -> str | None:
    """An environment variable that holds something."""
    return os.environ.get(name) or None


def listens(port: int) -> bool:
    """Whether somebody accepts connections on a port of the loopback."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=5):
            return True
    except OSError:
        return False


@functools.cache
def docker() -> str | None:
    """The container engine's command, if an engine answers it; asked once per process."""
    command = shutil.which("docker")
    if command is None or os.environ.get(NO_DOCKER):
        return None
    try:
        done = subprocess.run(
            [command, "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            timeout=DOCKER_S_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return command if done.returncode == 0 and done.stdout.strip() else None


def installed(name: str, folders: list[str]) -> Path | None:
    """A program of this machine: the newest in `folders` (globs below /), else the one on PATH."""
    for pattern in folders:
        found = sorted(Path("/").glob(f"{pattern.lstrip('/')}/{name}"), key=_version)
        if found:
            return found[-1]
    on_path = shutil.which(name)
    return None if on_path is None else Path(on_path).resolve()


def _version(path: Path) -> list[int]:
    return [int(part) for part in path.parts if part.isdigit()]


def unprivileged() -> Account | None:
    """Whom a server that refuses root runs as; None if this process is not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    return Account(65_534, 65_534)


def give(path: Path, account: Account | None) -> None:
    """Make a folder or file, and all below it, the account's own."""
    if account is None:
        return
    for each in [path, *path.rglob("*")]:
        os.chown(each, account.uid, account.gid)


def clean_environment() -> dict[str, str]:
    """This process's environment without what would reach into a server: only paths, language and temp."""
    kept = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}
