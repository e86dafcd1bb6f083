"""A server that sends back what comes, and tells how its connections ended."""

from __future__ import annotations

import contextlib
import socket
import threading

WAIT_S = 20


class Echo:
    """Sends back what comes; ends a connection when its client has."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.received = 0
        self.ends: list[str] = []
        self._told = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        end = "end"
        with connection:
            try:
                while data := connection.recv(65536):
                    with self._told:
                        self.received += len(data)
                        self._told.notify_all()
                    connection.sendall(data)
            except ConnectionResetError:
                end = "reset"
        with self._told:
            self.ends.append(end)
            self._told.notify_all()

    def wait_received(self, count: int) -> None:
        with self._told:
            assert self._told.wait_for(lambda: self.received >= count, WAIT_S), self.received

    def wait_ends(self, ends: list[str]) -> None:
        with self._told:
            assert self._told.wait_for(lambda: self.ends == ends, WAIT_S), self.ends

    def close(self) -> None:
        self._socket.close()
