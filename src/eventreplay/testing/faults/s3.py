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
from typing import Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import define, field, frozen

from eventreplay.testing.faults.s3_strict import complaint

Kind = Literal[
    "500",
    "503",
    "reset",
    "timeout",
    "lost",
    "409",
    "412",
    "403",
    "expired",
    "200-error",
    "damaged-request",
    "damaged-object",
    "damaged-reply",
    "cut-reply",
]
"""What a fault does. `lost`: it happens, the reply is cut. `200-error`: status 200 around an error.
`damaged-request`: a byte changes before the store checks it. `damaged-object`: after; what is kept is wrong.
`damaged-reply`, `cut-reply`: what is read is wrong, or ends early."""

KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]

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
class Call:
    """One request, as it was answered.

    Attributes:
        number: from 1, over all requests.
        operation: as S3 names it: `PutObject`, `ListObjectsV2`, ...
        key: the object's, or empty.
        status: of the reply; 0 if there was none.
        fault: the kind that was done to it, or empty.
    """

    number: int
    operation: str
    key: str
    status: int
    fault: str


@define
class _Fault:
    kind: Kind
    call: int | None
    operation: str | None
    key: re.Pattern[str]
    first: int
    times: int | None
    seen: int = 0
    fired: int = 0

    def due(self, number: int, operation: str, key: str) -> bool:
        if self.call is not None:
            if number < self.call or (self.times is not None and self.fired >= self.times):
                return False
        elif self.operation not in (None, operation):
            return False
        if not self.key.search(key):
            return False
        self.seen += 1
        if self.seen < self.first or (self.times is not None and self.seen >= self.first + self.times):
            return False
        self.fired += 1
        return True


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
        calls: every request, in the order of the replies.
    """

    upstream: str
    delay_s: float = 0.0
    calls: list[Call] = field(factory=list)
    _faults: list[_Fault] = field(factory=list)
    _count: int = 0
    _busy: set[str] = field(factory=set)
    _lock: threading.Lock = field(factory=threading.Lock)
    _ended: threading.Event = field(factory=threading.Event)
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
            self._faults.append(_Fault(kind, call, operation, re.compile(key), first, times))

    def reset(self) -> None:
        """No faults, no calls, counting from 1 again."""
        with self._lock:
            self._faults.clear()
            self.calls.clear()
            self._count = 0

    @property
    def fired(self) -> int:
        """How many requests had a fault since the last `reset`."""
        return sum(1 for call in list(self.calls) if call.fault)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def answer(self, request: _Request) -> tuple[_Reply | None, str]:
        """The reply, or None where there is none, and the kind of the fault."""
        with self._lock:
            self._count += 1
            number = self._count
            due = [fault for fault in self._faults if fault.due(number, request.operation, request.key)]
            kind = due[0].kind if due else ""
        reply = self._reply(request, kind)
        if self.delay_s:
            self._ended.wait(self.delay_s)
        status = 0 if reply is None else reply.status
        with self._lock:
            self.calls.append(Call(number, request.operation, request.key, status, kind))
        return reply, kind

    def _reply(self, request: _Request, kind: str) -> _Reply | None:
        if kind == "reset":
            return None
        if kind == "timeout":
            self._ended.wait(HELD_S_MAX)
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


def operation_of(method: str, target: str) -> tuple[str, str]:
    """S3's name of what a request in path style asks for, and the key."""
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    _, _, key = unquote(parts.path).lstrip("/").partition("/")
    if key and "uploadId" in query:
        names = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
        return names.get(method, "ListParts"), key
    if key and method == "POST" and "uploads" in query:
        return "CreateMultipartUpload", key
    if key:
        return method.capitalize() + "Object", key
    if method == "GET" and "list-type" in query:
        return "ListObjectsV2", query.get("prefix", [""])[0]
    return f"{method} {next(iter(query), 'bucket')}", ""


def _error(status: int, code: str) -> _Reply:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>On purpose.</Message></Error>"
    return _Reply(status, (("Content-Type", "application/xml"),), body.encode("ascii"))


def _flipped(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body


def _damaged(request: _Request, drop: str = "\n") -> _Request:
    headers = {name: value for name, value in request.headers.items() if not name.startswith(drop)}
    return _Request(
        request.method, request.target, headers, _flipped(request.body), request.operation, request.key
    )
