"""The same against Ceph's RGW: it keeps what it has, checks signatures, and knows no SHA-256 of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from attrs import evolve

from eventreplay.errors import LogError
from eventreplay.log import Log, Storage
from eventreplay.log.s3 import S3Settings, check_s3, open_s3
from eventreplay.log.s3.settings import PART_BYTES_MIN
from eventreplay.testing import StorageSuite
from eventreplay.testing.services import CephServer
from eventreplay.testing.services.ceph import DAEMONS
from eventreplay.testing.services.ports import LOOPBACK, free_port
from tests.integration.s3.bucket import run, tree
from tests.integration.s3.test_multipart import CONTENT, KEY
from tests.integration.services.processes import alive, below, eventually

pytestmark = pytest.mark.long


@pytest.fixture
def place(ceph_server: CephServer, monkeypatch: pytest.MonkeyPatch) -> str:
    return of(ceph_server, monkeypatch)


def of(server: CephServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A log's URL in a bucket of its own; the variables that clients read lead to it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://{server.bucket()}/log"


class TestCephStorage(StorageSuite):
    keys_many: ClassVar[int] = 1_010

    @pytest.fixture(autouse=True)
    def _place(self, place: str) -> None:
        self.place = place

    def open_storage(self) -> Storage:
        return open_s3(self.place, S3Settings(attempts_max=50, wait_min_s=0.01, wait_max_s=0.2))


def test_it_holds_the_bytes_of_a_folder(place: str, tmp_path: Path) -> None:
    folder = Log.open(tmp_path / "log")
    for log in (folder, Log.open(place)):
        run(log, events=11, segment_positions=2, workers=2)
        assert log.check().ok
    assert tree(open_s3(place)) == tree(folder._storage)


def test_doctor_finds_all_that_is_required(place: str) -> None:
    assert [one for one in check_s3(place) if one.required and not one.ok] == []


def test_a_wrong_secret_is_refused_and_named(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "MARKER-not-the-secret")
    with pytest.raises(LogError, match="does not know these credentials") as caught:
        run(Log.open(place))
    assert "MARKER" not in str(caught.value)


def test_a_large_segment_in_parts(place: str) -> None:
    settings = evolve(S3Settings(), multipart_bytes_min=PART_BYTES_MIN, part_bytes=PART_BYTES_MIN)
    storage = open_s3(place, settings)
    assert storage.put_new(KEY, CONTENT) is True
    assert storage.put_new(KEY, CONTENT) is False
    assert storage.get(KEY) == CONTENT


def test_a_log_outlives_a_kill_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    with CephServer.start() as server:
        place = of(server, monkeypatch)
        run(Log.open(place))
        before = tree(open_s3(place))
        server.kill()
        server.restart()
        assert tree(open_s3(place)) == before
        assert Log.open(place).check().ok
        folder, processes = server.guarded.folder, below(server.guarded.guard_pid)
        assert len(processes) > len(DAEMONS)
    assert eventually(lambda: not alive(processes))
    assert not folder.exists()


def test_ports_that_were_taken_meanwhile_are_given_up(
    monkeypatch: pytest.MonkeyPatch, taken: tuple[int, int]
) -> None:
    # First the gateway's, then the monitor's.
    ports = iter([taken[0], free_port(), free_port(), taken[1]])
    monkeypatch.setattr(
        "eventreplay.testing.services.ceph.free_port", lambda: next(ports, None) or free_port()
    )
    with CephServer.start() as server:
        assert server.port not in taken
        assert next(ports, None) is None
        server.bucket()


@pytest.fixture
def taken() -> Iterator[tuple[int, int]]:
    with socket.create_server((LOOPBACK, 0)) as one, socket.create_server((LOOPBACK, 0)) as other:
        yield one.getsockname()[1], other.getsockname()[1]
