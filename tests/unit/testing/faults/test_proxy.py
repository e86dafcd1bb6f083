"""Each fault of the proxy happens, is noted, and ends when it is told to."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Literal

import pytest

from eventreplay.errors import ConfigError
from eventreplay.testing.faults.proxy import FaultNotSeenError, Proxy
from eventreplay.testing.faults.proxy_connection import BUFFERED_CHUNKS_MAX, CHUNK_BYTES
from eventreplay.testing.faults.proxy_rule import Direction, Rule
from tests.unit.testing.faults.echo import Echo

SILENT_S = 0.2
WAIT_S = 20
MEGABYTE = 1 << 20


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", echo.port) as made:
        yield made


def client(proxy: Proxy) -> socket.socket:
    connection = socket.create_connection((proxy.host, proxy.port), timeout=WAIT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = connection.recv(count - len(found))
        if not more:
            break
        found += more
    return found


def silent(connection: socket.socket) -> bool:
    connection.settimeout(SILENT_S)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(WAIT_S)
    return False


def fill(connection: socket.socket) -> int:
    """Send until nobody takes more; how much was taken."""
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < 64 * MEGABYTE:
            sent += connection.send(b"x" * 65536)
    return sent


def test_bytes_pass_unchanged_in_both_directions(proxy: Proxy) -> None:
    data = bytes(range(256)) * (4 * MEGABYTE // 256)
    with client(proxy) as connection:
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        found = read(connection, len(data))
        sender.join(WAIT_S)
    assert hashlib.sha256(found).digest() == hashlib.sha256(data).digest()
    assert proxy.bytes("passed", "up") == len(data)
    assert proxy.bytes("passed", "down") == len(data)


def test_an_end_of_one_side_reaches_the_other_and_half_closed_still_answers(proxy: Proxy, echo: Echo) -> None:
    with client(proxy) as connection:
        connection.sendall(b"last")
        connection.shutdown(socket.SHUT_WR)
        assert read(connection, 100) == b"last"
    echo.wait_ends(["end"])
    proxy.wait_for("ended")


def test_latency_delays_each_way_and_keeps_throughput(proxy: Proxy) -> None:
    proxy.latency(0.2)
    with client(proxy) as connection:
        begun = time.monotonic()
        connection.sendall(b"x" * 200_000)
        assert len(read(connection, 200_000)) == 200_000
        took = time.monotonic() - begun
    # There and back; were each chunk of 16 KiB delayed by itself, it would take several seconds.
    assert 0.4 <= took < 2
    assert proxy.count("delayed") == 2
    proxy.heal()
    with client(proxy) as connection:
        begun = time.monotonic()
        connection.sendall(b"x")
        assert read(connection, 1) == b"x"
        assert time.monotonic() - begun < 0.2


def test_a_trickle_takes_its_time(proxy: Proxy) -> None:
    proxy.trickle(10_000)
    with client(proxy) as connection:
        begun = time.monotonic()
        connection.sendall(b"x" * 3_000)
        assert len(read(connection, 3_000)) == 3_000
        assert time.monotonic() - begun >= 0.28
    assert proxy.count("trickled") == 2


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_cut_passes_exactly_so_many_bytes_of_the_answer(proxy: Proxy, echo: Echo, count: int) -> None:
    with client(proxy) as connection:
        proxy.cut_after(count, "down", "close")
        connection.sendall(b"0123456789")
        assert read(connection, 100) == b"0123456789"[:count]
    proxy.wait_for("cut")
    assert echo.received == 10, "the request had arrived: only the answer is lost"
    assert proxy.bytes("passed", "down") == count


def test_a_cut_by_reset_resets_both_sides(proxy: Proxy, echo: Echo) -> None:
    with client(proxy) as connection:
        proxy.wait_for("connected")
        proxy.cut_after(3, "up")
        connection.sendall(b"0123456789")
        with pytest.raises(ConnectionResetError):
            read(connection, 100)
    echo.wait_ends(["reset"])
    assert echo.received <= 3
    assert [noted.kind for noted in proxy.log][-2:] == ["cut", "reset"]


def test_a_cut_ordered_in_advance_meets_the_next_connection_only(proxy: Proxy) -> None:
    proxy.cut_after(0, "up", "close")
    with client(proxy) as first:
        first.sendall(b"x")
        assert first.recv(1) == b""
    with client(proxy) as second:
        second.sendall(b"y")
        assert read(second, 1) == b"y"
    assert proxy.count("cut") == 1


def test_every_connection_is_cut_if_so_ordered(proxy: Proxy) -> None:
    proxy.cut_after(0, "up", "close", every=True)
    for _ in range(3):
        with client(proxy) as connection:
            connection.sendall(b"x")
            assert connection.recv(1) == b""
    assert proxy.count("cut") == 3


def test_dropped_answers_never_arrive_but_requests_do(proxy: Proxy, echo: Echo) -> None:
    with client(proxy) as connection:
        proxy.drop("down")
        connection.sendall(b"request")
        echo.wait_received(7)
        proxy.wait_for("dropped")
        assert silent(connection)
        assert proxy.bytes("dropped", "down") == 7
        proxy.heal()
        connection.sendall(b"again")
        assert read(connection, 5) == b"again"


def test_dropped_requests_never_arrive(proxy: Proxy, echo: Echo) -> None:
    with client(proxy) as connection:
        proxy.drop("up")
        connection.sendall(b"request")
        proxy.wait_for("dropped")
        assert echo.received == 0


def test_an_end_is_dropped_with_the_bytes_before_it(proxy: Proxy, echo: Echo) -> None:
    with client(proxy) as connection:
        proxy.drop("up")
        connection.shutdown(socket.SHUT_WR)
        proxy.wait_for("dropped")
        assert silent(connection)
        assert echo.ends == []
        proxy.heal()
        echo.wait_ends(["end"])


@pytest.mark.parametrize(("direction", "arrives"), [("up", 0), ("down", 4)])
def test_silence_in_one_direction_loses_nothing(
    proxy: Proxy, echo: Echo, direction: Direction, arrives: int
) -> None:
    with client(proxy) as connection:
        proxy.half_open(direction)
        connection.sendall(b"wait")
        proxy.wait_for("stalled")
        assert silent(connection)
        assert echo.received == arrives
        proxy.heal()
        assert read(connection, 4) == b"wait"


def test_a_new_client_is_accepted_into_silence(proxy: Proxy, echo: Echo) -> None:
    proxy.half_open()
    with client(proxy) as connection:
        connection.sendall(b"hello")
        assert silent(connection)
        assert echo.received == 0
        assert proxy.count("connected") == 0
        proxy.heal()
        assert read(connection, 5) == b"hello"


def test_a_pause_stands_still_and_goes_on_where_it_stood(proxy: Proxy) -> None:
    with client(proxy) as connection:
        connection.sendall(b"a")
        assert read(connection, 1) == b"a"
        proxy.pause()
        connection.sendall(b"b")
        assert silent(connection)
        proxy.resume()
        assert read(connection, 1) == b"b"


def test_refused_means_refused_and_open_connections_go_on(proxy: Proxy) -> None:
    with client(proxy) as connection:
        proxy.wait_for("connected")
        port = proxy.port
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            client(proxy)
        connection.sendall(b"x")
        assert read(connection, 1) == b"x"
        proxy.accept()
        assert proxy.port == port
        client(proxy).close()
    assert proxy.count("refusing") == 1


def test_reset_all_meets_every_open_connection(proxy: Proxy, echo: Echo) -> None:
    with client(proxy) as one, client(proxy) as two:
        proxy.wait_for("connected", times=2)
        assert proxy.reset_all() == 2
        for connection in (one, two):
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
    echo.wait_ends(["reset", "reset"])
    assert proxy.open_connections == []


def test_close_all_is_an_orderly_end(proxy: Proxy) -> None:
    with client(proxy) as connection:
        proxy.wait_for("connected")
        assert proxy.close_all() == 1
        assert connection.recv(1) == b""


def test_one_connection_may_have_a_rule_of_its_own(proxy: Proxy) -> None:
    with client(proxy) as one, client(proxy) as two:
        proxy.wait_for("connected", times=2)
        first, second = proxy.open_connections
        proxy.set_one(first, Rule(drop=frozenset({"down"})))
        one.sendall(b"x")
        two.sendall(b"y")
        assert read(two, 1) == b"y"
        assert silent(one)
        assert proxy.open_connections == [first, second]
        with pytest.raises(KeyError):
            proxy.set_one(99, Rule())


def test_rules_for_the_next_connections_are_taken_in_order(proxy: Proxy) -> None:
    proxy.set_next(Rule(cut_after=1, cut="close", cut_direction="down"), Rule())
    with client(proxy) as connection:
        connection.sendall(b"xy")
        assert read(connection, 2) == b"x"
    for _ in range(2):
        with client(proxy) as connection:
            connection.sendall(b"xy")
            assert read(connection, 2) == b"xy"


def test_what_waits_is_bounded(proxy: Proxy) -> None:
    """A server that does not read must not fill the memory of the proxy: its client is held up instead."""
    proxy.half_open("up")
    with client(proxy) as connection:
        proxy.wait_for("stalled")
        connection.settimeout(SILENT_S)
        sent = fill(connection)
        # The kernel's own buffers hold a few megabytes more.
        assert sent < 16 * MEGABYTE + BUFFERED_CHUNKS_MAX * CHUNK_BYTES


def test_a_server_that_is_not_there_resets_the_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Proxy("127.0.0.1", port) as proxy:
        # The reset may come as early as in connecting.
        with pytest.raises(ConnectionResetError), client(proxy) as connection:
            connection.recv(1)
        proxy.wait_for("unreachable")


def test_a_reset_of_the_client_reaches_the_server(proxy: Proxy, echo: Echo) -> None:
    connection = client(proxy)
    proxy.wait_for("connected")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.close()
    echo.wait_ends(["reset"])


def test_new_connections_follow_a_new_target(proxy: Proxy) -> None:
    other = Echo()
    try:
        proxy.retarget("127.0.0.1", other.port)
        with client(proxy) as connection:
            connection.sendall(b"x")
            assert read(connection, 1) == b"x"
        assert other.received == 1
    finally:
        other.close()


def test_a_fault_that_did_not_happen_is_an_error(proxy: Proxy) -> None:
    with pytest.raises(FaultNotSeenError, match="'cut' happened 0 times") as caught:
        proxy.wait_for("cut", seconds=0.01)
    assert caught.value.fields["kind"] == "cut"


def test_an_unknown_direction_is_refused(proxy: Proxy) -> None:
    with pytest.raises(ConfigError, match="sideways"):
        proxy.drop("sideways")  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["reset", "pause", "refuse"])
def test_nothing_is_left_of_a_proxy_that_was_closed(
    echo: Echo, how: Literal["reset", "pause", "refuse"]
) -> None:
    before = threading.active_count()
    with Proxy("127.0.0.1", echo.port) as proxy:
        connection = client(proxy)
        proxy.wait_for("connected")
        {"reset": proxy.reset_all, "pause": proxy.pause, "refuse": proxy.refuse}[how]()
    with connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((proxy.host, proxy.port), timeout=WAIT_S)
    proxy.close()
    echo.wait_ends(["reset"])
    names = {thread.name for thread in threading.enumerate()}
    assert "fault-proxy" not in names
    assert threading.active_count() <= before + 1
