"""Telling the service manager, over a real socket: what is said, how often, and that nobody waits for it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventreplay.cli.notifying import Notifier
from eventreplay.testing import ManualSeconds


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as made:
        made.bind(str(tmp_path / "n"))
        yield made


def notifier(manager: socket.socket, clock: ManualSeconds, **more: str) -> Notifier:
    return Notifier.of({"NOTIFY_SOCKET": manager.getsockname(), **more}, clock)


def heard(manager: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(manager.recv(4096).decode())
        except BlockingIOError:
            return found


def test_ready_is_said_once_and_a_status_when_it_is_another(manager: socket.socket) -> None:
    told = notifier(manager, ManualSeconds())
    for status in ("starting", "starting", "7 loaded\nREADY=1"):
        told.ready()
        told.status(status)
    told.stopping()
    assert heard(manager) == ["READY=1", "STATUS=starting", "STATUS=7 loaded READY=1", "STOPPING=1"]


def test_signs_of_life_come_twice_as_often_as_the_manager_asks(manager: socket.socket) -> None:
    clock = ManualSeconds()
    told = notifier(manager, clock, WATCHDOG_USEC="10000000", WATCHDOG_PID=str(os.getpid()))
    for _ in range(11):
        told.alive()
        clock.advance(1)
    assert heard(manager) == ["WATCHDOG=1"] * 3


@pytest.mark.parametrize(
    "more", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}]
)
def test_no_sign_of_life_where_none_is_wanted(manager: socket.socket, more: dict[str, str]) -> None:
    notifier(manager, ManualSeconds(), **more).alive()
    assert heard(manager) == []


def test_a_manager_that_reads_nothing_holds_nobody_up(manager: socket.socket) -> None:
    told = notifier(manager, ManualSeconds())
    for number in range(5000):
        told.status(str(number))
    told.ready()
    assert "READY=1" not in heard(manager)
    told.ready()
    assert heard(manager) == ["READY=1"]


def test_without_a_manager_nothing_is_said(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        told = Notifier.of({**environ, "WATCHDOG_USEC": "1000000"}, ManualSeconds())
        told.ready()
        told.alive()
        told.stopping()


def test_an_address_may_be_abstract() -> None:
    name = f"eventreplay-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name)
        Notifier.of({"NOTIFY_SOCKET": f"@{name}"}, ManualSeconds()).ready()
        assert manager.recv(100) == b"READY=1"
