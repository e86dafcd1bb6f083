"""Telling systemd how a service is: the protocol of sd_notify, which is a datagram of lines."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping

from attrs import define, field

SOCKET_VARIABLE = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE, WATCHDOG_PID_VARIABLE = "WATCHDOG_USEC", "WATCHDOG_PID"
_MICROSECONDS = 1e6


@define
class Notifier:
    """Sends to whoever started us and wants to know; to nobody, if nobody does.

    Attributes:
        address: of the socket; empty: nobody listens.
        watchdog_s: least time between two signs of life; None: none are wanted.
        clock: monotonic seconds.
    """

    address: str
    watchdog_s: float | None
    clock: Callable[[], float]
    _said: str = field(default="", init=False)
    _is_ready: bool = field(default=False, init=False)
    _alive_s: float | None = field(default=None, init=False)

    @classmethod
    def of(cls, environ: Mapping[str, str], clock: Callable[[], float]) -> Notifier:
        """As the variables of the service manager have it; signs of life come twice as often as it asks."""
        usec, pid = environ.get(WATCHDOG_VARIABLE, ""), environ.get(WATCHDOG_PID_VARIABLE, "")
        is_ours = usec.isdigit() and int(usec) > 0 and pid in {"", str(os.getpid())}
        return cls(
            environ.get(SOCKET_VARIABLE, ""), int(usec) / _MICROSECONDS / 2 if is_ours else None, clock
        )

    def ready(self) -> None:
        """The service runs. Said once."""
        if not self._is_ready:
            self._is_ready = self._send("READY=1")

    def alive(self) -> None:
        """A sign of life, if it is time for one."""
        now_s = self.clock()
        if self.watchdog_s is None or (self._alive_s is not None and now_s - self._alive_s < self.watchdog_s):
            return
        if self._send("WATCHDOG=1"):
            self._alive_s = now_s

    def status(self, text: str) -> None:
        """One line for `systemctl status`; said when it is another one."""
        if text != self._said:
            self._said = text
            self._send(f"STATUS={' '.join(text.splitlines())}")

    def stopping(self) -> None:
        """The service ends."""
        self._send("STOPPING=1")

    def _send(self, line: str) -> bool:
        """Whether it was taken; a manager that does not listen must neither end a service nor hold it up."""
        if not self.address:
            return True
        # A leading @ is an address without a file.
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        try:
            with socket.socket(socket.AF_UNIX, kind) as end:
                end.sendto(line.encode(), address)
        except OSError:
            return False
        return True
