"""Overrides are used and checked; what cannot be had is an error that says what was tried."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from eventreplay.errors import EventReplayError
from eventreplay.testing.services import (
    NotOursError,
    PostgresServer,
    RabbitServer,
    S3Server,
    ServiceMissingError,
    ServiceNotReadyError,
    StandInServer,
    finding,
    prefix,
)

CLOSED = "127.0.0.1:9"
OVERRIDES: list[tuple[Callable[[], Any], str, str]] = [
    (PostgresServer.find, "EVENTREPLAY_TEST_POSTGRES_URL", f"postgresql://ada:hush-hush@{CLOSED}/x"),
    (RabbitServer.find, "EVENTREPLAY_TEST_RABBITMQ_URL", f"amqp://ada:hush-hush@{CLOSED}/"),
    (S3Server.find, "EVENTREPLAY_TEST_S3_URL", f"http://ada:hush-hush@{CLOSED}"),
]


def test_an_override_is_used_and_left_alone(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTREPLAY_TEST_POSTGRES_URL", postgres_server.url)
    with PostgresServer.find() as found:
        assert found.port == postgres_server.port
        url = found.database()
        psycopg2.connect(url).close()
        for order in (found.kill, found.stop, found.restart, found.pause, found.resume):
            with pytest.raises(NotOursError, match="somebody else"):
                order()
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        psycopg2.connect(url)
    psycopg2.connect(postgres_server.url).close()


def test_an_override_of_s3_is_used_and_left_alone(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = s3_server.endpoint.replace("http://", "http://key:secret@")
    monkeypatch.setenv("EVENTREPLAY_TEST_S3_URL", url)
    with S3Server.find() as found:
        bucket = found.bucket()
        assert found.endpoint == s3_server.endpoint
        assert found.environment()["AWS_ACCESS_KEY_ID"] == "key"
        with pytest.raises(NotOursError):
            found.kill()
    with S3Server.find() as found, pytest.raises(Exception, match="NoSuchBucket"):
        found.store().list_objects_v2(Bucket=bucket)


@pytest.mark.long
def test_an_override_of_rabbitmq_makes_virtual_hosts_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    with RabbitServer.start(management=True) as server:
        monkeypatch.setenv("EVENTREPLAY_TEST_RABBITMQ_URL", server.url)
        monkeypatch.setenv("EVENTREPLAY_TEST_RABBITMQ_MANAGEMENT_URL", server.management_url or "")
        with RabbitServer.find() as found:
            name = found.vhost().rpartition("/")[2]
            assert name in server.rabbitmqctl("list_vhosts").split()
            with pytest.raises(NotOursError):
                found.kill()
        assert name not in server.rabbitmqctl("list_vhosts").split()


@pytest.mark.parametrize(("find", "variable", "url"), OVERRIDES, ids=["postgres", "rabbitmq", "s3"])
def test_an_override_that_does_not_answer_is_an_error_without_its_password(
    find: Callable[[], Any], variable: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, url)
    with pytest.raises(ServiceNotReadyError, match=variable) as caught:
        find()
    assert "hush" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("start", [PostgresServer.start, RabbitServer.start], ids=["postgres", "rabbitmq"])
def test_a_program_that_cannot_be_had_is_an_error_that_says_what_was_tried(
    start: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(finding, "installed", lambda *_: None)
    monkeypatch.setattr(finding, "docker", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceMissingError, match=r"\(1\).*\(2\).*docker.*\(3\).*\(4\).*apt-get") as caught:
        start()
    assert "apt-get install" in caught.value.hint
    assert len(caught.value.fields["tried"]) == 4  # type: ignore[arg-type]


@pytest.mark.parametrize("start", [S3Server.start, StandInServer.start], ids=["s3", "snowflake"])
def test_a_package_that_is_not_installed_is_an_error(
    start: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(ServiceMissingError, match=r"not installed.*Install eventreplay\["):
        start()


def test_several_at_once_get_one_prefix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Packages come from a stand-in for apt-get here: which package it is makes no difference."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(prefix, "_run", unpack)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(prefix.provide("thing"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert (found[0] / "usr/bin/thing").read_text("ascii") == "1.0"
    assert [path.name for path in found[0].parent.iterdir()] == ["1.0"], "halves are gone"
    monkeypatch.setattr(prefix, "_run", None)
    assert prefix.provide("thing") == found[0], "nothing is asked when it is there"


def unpack(command: list[str], folder: Path) -> str:
    if command[:2] == ["dpkg-deb", "-x"]:
        program = Path(command[3]) / "usr/bin/thing"
        program.parent.mkdir(parents=True)
        program.write_text("1.0", "ascii")
    elif command[:2] == ["dpkg-deb", "-f"]:
        return "1.0\n"
    elif "download" in command:
        (folder / "thing_1.0_all.deb").touch()
    return "Inst thing (1.0)\n"


def test_a_package_that_nobody_has_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(command: list[str], _: Path) -> str:
        raise prefix.PrefixError(f"{command[0]} failed: no network")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(prefix, "_run", refuse)
    with pytest.raises(prefix.PrefixError, match="no network"):
        prefix.provide("thing")


def test_the_command_starts_prints_and_ends_with_ctrl_c() -> None:
    command = [sys.executable, "-m", "eventreplay.testing.services", "postgres", "s3", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as running:
        assert running.stdout is not None
        ready = json.loads(running.stdout.readline())
        assert sorted(ready) == ["postgres", "s3"]
        psycopg2.connect(ready["postgres"]["POSTGRES_URL"]).close()
        assert ready["s3"]["S3_BUCKET"]
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(ready["postgres"]["POSTGRES_URL"])


def test_the_command_refuses_what_it_does_not_know() -> None:
    command = [sys.executable, "-m", "eventreplay.testing.services", "oracle"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "postgres, rabbitmq, s3, snowflake" in done.stderr


def test_errors_of_services_are_errors_of_ours() -> None:
    assert issubclass(ServiceMissingError, EventReplayError)
