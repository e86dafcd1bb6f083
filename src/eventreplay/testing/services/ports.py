"""Ports of the loopback that nobody listens on."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

from eventreplay.testing.services.errors import ServiceError

LOOPBACK = "127.0.0.1"
PORT_FIRST = 12_000
_TRIES_MAX = 200
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port that can be listened on now, below those that the kernel gives to outgoing connections.

    So a server that comes back on its port does not find it taken by somebody's client meanwhile. Another
    process may draw the same one: whoever starts a server on it tries again with another.
    """
    last = _first_ephemeral() - 1
    for _ in range(_TRIES_MAX):
        port = PORT_FIRST + secrets.randbelow(last - PORT_FIRST)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise ServiceError(f"No free port between {PORT_FIRST} and {last} in {_TRIES_MAX} tries.")


def _first_ephemeral() -> int:
    try:
        first = int(_EPHEMERAL.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        first = 32_768
    return first if first > PORT_FIRST + 1000 else 65_535
