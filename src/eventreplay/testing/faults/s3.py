"""A stricter S3 that fails to order: a reverse proxy before any store that speaks the protocol.

`shim.fail("503", call=7)` fails the seventh request, `shim.fail("lost", operation="PutObject", times=2)` cuts
the replies of the first two puts after they happened, `times=None` fails for ever. Every request is recorded,
so that a test can prove that its fault fired. Stricter than most stand-ins: an unsigned request, a body that
is not what its checksums say, and a key with `..` are refused; two conditional writes of one key at once are
a conflict (409) for the second, as they may be in S3 itself.
"""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from attrs import define, evolve, field, frozen

from eventreplay.testing.faults.s3_plan import KINDS, Call, Fault, Kind
from eventreplay.testing.faults.s3_strict import complaint, operation_of

__all__ = ["KINDS", "Call", "Kind", "S3Shim"]

HELD_S_MAX = 60
"""A request that gets no answer is let go at the latest then."""

_ERRORS: Mapping[str, tuple[int, str]] = {
    "500": (500, "InternalError"),
    "503": (503, "SlowDown"),
    "409": (409, "ConditionalRequestConflict"),
    "412": (412, "PreconditionFailed"),
    "403": (403, "AccessDenied"),
    "expired": (400, "ExpiredToken"),
    "200-error": (200, "InternalError"),
}
_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "expect", "te", "upgrade"}
)


@frozen
class _Request:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    operation: str
    key: str


@frozen
class _Reply:
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@define
class S3Shim:
    """The proxy; a context manager.

    Args:
        upstream: http:// URL of the store.

    Attributes:
        endpoint: http:// URL to give to clients instead of the store's.
        delay_s: how long each reply is held back; a network far away.
        ignore_conditions: be a store that overwrites whatever If-Match and If-None-Match say.
        page_keys_max: keys on a page of a list, at most; None: as many as the store gives.
        calls: every request, in the order of the replies.
    """

    upstream: str
    delay_s: float = 0.0
    ignore_conditions: bool = False
    page_keys_max: int | None = None
    calls: list[Call] = field(factory=list)
    _faults: list[Fault] = field(factory=list)
    _count: int = 0
    _busy: set[str] = field(factory=set)
    _lock: threading.Lock = field(factory=threading.Lock)
    _let_go: threading.Event = field(factory=threading.Event)
    _expired: set[str] = field(factory=set)
    _happened: threading.Event = field(factory=threading.Event)
    _fired: int = 0
    _server: ThreadingHTTPServer | None = None

    @property
    def endpoint(self) -> str:
        """Where clients go."""
        if self._server is None:
            raise RuntimeError("The shim is not started; use it as a context manager.")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fail(
        self,
        kind: Kind,
        *,
        call: int | None = None,
        operation: str | None = None,
        key: str = "",
        first: int = 1,
        times: int | None = 1,
    ) -> None:
        """Plan a fault; several may be planned, the first that is due happens.

        Args:
            kind: what is done.
            call: from this request on, counted from 1 since the last `reset`, over all of them.
            operation: only requests of this operation.
            key: only keys in which this regular expression is found.
            first: from which matching request on.
            times: how many; None: for ever.
        """
        if kind not in KINDS:
            raise ValueError(f"No kind of fault: {kind}.")
        with self._lock:
            self._faults.append(Fault(kind, call, operation, re.compile(key), first, times))

    def reset(self) -> None:
        """No faults, no calls, counting from 1 again; requests that wait for an answer are let go."""
        with self._lock:
            self._let_go.set()
            self._let_go = threading.Event()
            self._fired = 0
            self._happened.clear()
            self._faults.clear()
            self._expired.clear()
            self.calls.clear()
            self._count = 0

    def refuse_token(self, token: str) -> None:
        """Answer that a session's token has expired, until the next `reset`."""
        with self._lock:
            self._expired.add(token)

    @property
    def fired(self) -> int:
        """How many requests had a fault since the last `reset`."""
        return self._fired

    def wait_fired(self, seconds: float) -> bool:
        """Wait for the first fault since the last `reset`; whether it came."""
        return self._happened.wait(seconds)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reset()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def answer(self, request: _Request) -> tuple[_Reply | None, str]:
        """The reply, or None where there is none, and the kind of the fault."""
        with self._lock:
            self._count += 1
            number = self._count
            due = [fault for fault in self._faults if fault.due(number, request.operation, request.key)]
            kind: str = due[0].kind if due else ""
            if request.headers.get("x-amz-security-token") in self._expired:
                kind = "expired"
            self._fired += len(due[:1])
            if due:
                self._happened.set()
            let_go = self._let_go
        if kind == "timeout":
            let_go.wait(HELD_S_MAX)
        reply = self._reply(request, kind)
        if self.delay_s:
            let_go.wait(self.delay_s)
        status = 0 if reply is None else reply.status
        with self._lock:
            self.calls.append(Call(number, request.operation, request.key, status, kind))
        return reply, kind

    def _reply(self, request: _Request, kind: str) -> _Reply | None:
        if kind in ("reset", "timeout"):
            return None
        if kind in _ERRORS:
            return _error(*_ERRORS[kind])
        if kind == "damaged-request":
            request = _damaged(request)
        wrong = complaint(request.method, request.target, request.headers, request.body)
        if wrong is not None:
            return _error(*wrong)
        if kind == "damaged-object":
            request = _damaged(request, drop="x-amz-checksum-")
        if self.ignore_conditions:
            request = _without(request, "if-")
        if self.page_keys_max is not None and request.operation == "ListObjectsV2":
            request = evolve(request, target=f"{request.target}&max-keys={self.page_keys_max}")
        with self._alone(request) as alone:
            reply = self._forward(request) if alone else _error(409, "ConditionalRequestConflict")
        if kind == "lost":
            return None
        if kind == "damaged-object":
            kept = tuple(h for h in reply.headers if not h[0].lower().startswith("x-amz-checksum-"))
            return _Reply(reply.status, kept, reply.body)
        return _Reply(reply.status, reply.headers, _flipped(reply.body)) if kind == "damaged-reply" else reply

    @contextmanager
    def _alone(self, request: _Request) -> Iterator[bool]:
        """Whether no other conditional write of this key is under way."""
        if not {"if-match", "if-none-match"} & set(request.headers) or request.method not in ("PUT", "POST"):
            yield True
            return
        with self._lock:
            alone = request.key not in self._busy
            self._busy.add(request.key)
        try:
            yield alone
        finally:
            if alone:
                with self._lock:
                    self._busy.discard(request.key)

    def _forward(self, request: _Request) -> _Reply:
        place = urlsplit(self.upstream)
        refused = self._refused_completion(request)
        if refused is not None:
            return refused
        connection = http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port, timeout=60)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name not in _HOP:
                    connection.putheader(name, value)
            connection.putheader("content-length", str(len(request.body)))
            connection.endheaders(request.body)
            found = connection.getresponse()
            headers = tuple(
                h for h in found.getheaders() if h[0].lower() not in {"connection", "transfer-encoding"}
            )
            return _Reply(found.status, headers, found.read())
        finally:
            connection.close()

    def _refused_completion(self, request: _Request) -> _Reply | None:
        """S3 refuses to put parts together over an object, if asked to; most stand-ins do not look."""
        if request.operation != "CompleteMultipartUpload" or request.headers.get("if-none-match") != "*":
            return None
        looked = {name: value for name, value in request.headers.items() if name in ("host", "authorization")}
        path = request.target.partition("?")[0]
        found = self._forward(_Request("HEAD", path, looked, b"", "HeadObject", request.key))
        return _error(412, "PreconditionFailed") if found.status == http.client.OK else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: S3Shim
    timeout = HELD_S_MAX

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Requests are recorded, not printed."""

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        operation, key = operation_of(self.command, self.path)
        request = _Request(self.command, self.path, headers, body, operation, key)
        try:
            reply, kind = self.owner.answer(request)
            self._send(reply, cut=kind == "cut-reply")
        except OSError:
            # The client has gone away, which is what some faults are for.
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 - names of the base class

    def _body(self) -> bytes | None:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = int(self.headers.get("content-length") or 0)
        found = self.rfile.read(length)
        return found if len(found) == length else None

    def _chunks(self) -> bytes:
        found = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            found += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return found

    def _send(self, reply: _Reply | None, *, cut: bool) -> None:
        if reply is None:
            self._hang_up()
            return
        self.send_response_only(reply.status)
        body = b"" if self.command == "HEAD" else reply.body
        names = {name.lower() for name, _ in reply.headers}
        for name, value in reply.headers:
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD" or "content-length" not in names:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if cut:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self._hang_up()
            return
        self.wfile.write(body)

    def _hang_up(self) -> None:
        """RST, as from a machine that died."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def _error(status: int, code: str) -> _Reply:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>On purpose.</Message></Error>"
    return _Reply(status, (("Content-Type", "application/xml"),), body.encode("ascii"))


def _flipped(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body


def _damaged(request: _Request, drop: str = "\n") -> _Request:
    return evolve(_without(request, drop), body=_flipped(request.body))


def _without(request: _Request, start: str) -> _Request:
    headers = {name: value for name, value in request.headers.items() if not name.startswith(start)}
    return evolve(request, headers=headers)
