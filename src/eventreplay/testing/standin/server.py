"""The HTTP side: the connector's requests, each on a thread of its own.

And the control endpoint for faults.
"""

import gzip
import json
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlparse

from eventreplay.testing.standin.engine import Engine
from eventreplay.testing.standin.failures import SqlError, as_sql_error
from eventreplay.testing.standin.faults import Fault, Faults
from eventreplay.testing.standin.queries import answer_query, bound
from eventreplay.testing.standin.sessions import MASTER_VALID_S, TOKEN_VALID_S, Login, Sessions

HOST = "127.0.0.1"
BODY_BYTES_MAX = 256 << 20
SERVER_VERSION = "9.99.0"


class Cut(Exception):  # noqa: N818 - not an error of ours: an order to drop the connection
    """Drop the connection without a reply."""


class Server(ThreadingHTTPServer):
    """One stand-in: its databases, its sessions, its faults."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__((HOST, port), Handler)
        self.engine = Engine(folder)
        self.sessions = Sessions(self.engine)
        self.faults = Faults()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    """One connection of the connector."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Requests carry tokens in their headers and data in their bodies: nothing is logged."""

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _body(self) -> dict[str, Any]:
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_BYTES_MAX:
            raise SqlError("The request is too long.", 391909, "08001")
        raw = self.rfile.read(length)
        if self.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        body = json.loads(raw) if raw else {}
        return body if isinstance(body, dict) else {}

    def _send(self, body: Any, status: int = 200) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _fail(self, error: SqlError) -> None:
        code = f"{error.code:06d}"
        data = {"errorCode": code, "sqlState": error.sqlstate}
        self._send({"data": data, "code": code, "message": error.message, "success": False})

    def _token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix('Snowflake Token="').removesuffix('"')

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def do_DELETE(self) -> None:
        self._route("DELETE")

    def _route(self, method: str) -> None:
        url = urlparse(self.path)
        try:
            self._answer_path(method, url.path, dict(parse_qsl(url.query)), self._body())
        except Cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except Exception as error:  # noqa: BLE001 - an HTTP 500 would be tried again for ever
            self._fail(as_sql_error(error))

    def _answer_path(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> None:
        routes: dict[str, Callable[[], None]] = {
            "/standin/control": lambda: self._control(method, body),
            "/session/v1/login-request": lambda: self._log_in(query, body),
            "/queries/v1/query-request": lambda: self._query(query, body),
            "/queries/v1/abort-request": self._abort,
            "/session/token-request": self._renew,
            "/session/heartbeat": self._heartbeat,
            "/session": lambda: self._session(query),
        }
        if path in routes:
            routes[path]()
        elif path.startswith("/monitoring/queries/"):
            self._monitor(path.rsplit("/", 1)[1])
        elif path.startswith("/queries/") and path.endswith("/result"):
            self._result(path.split("/")[2])
        elif path.startswith("/telemetry"):
            self._send({"success": True})
        else:
            self._send({"success": False, "message": "not found", "code": "000404", "data": None}, 404)

    def _heartbeat(self) -> None:
        self.server.sessions.find(self._token())
        self._send({"data": None, "code": None, "message": None, "success": True})

    def _session(self, query: dict[str, str]) -> None:
        if query.get("delete"):
            self.server.sessions.log_out(self._token())
        self._send({"data": None, "code": None, "message": None, "success": True})

    def _log_in(self, query: dict[str, str], body: dict[str, Any]) -> None:
        data = body.get("data") or {}
        made = self.server.sessions.log_in(query, data)
        session = made.session
        parameters = {
            **session.parameters,
            "CLIENT_PREFETCH_THREADS": 4,
            "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD": 0,
        }
        reply = {
            "masterToken": made.master,
            "token": made.token,
            "validityInSeconds": TOKEN_VALID_S,
            "masterValidityInSeconds": MASTER_VALID_S,
            "displayUserName": session.user,
            "serverVersion": SERVER_VERSION,
            "firstLogin": False,
            "healthCheckInterval": 45,
            "sessionId": session.number,
            "parameters": [{"name": name, "value": value} for name, value in parameters.items()],
            "sessionInfo": {
                "databaseName": session.database,
                "schemaName": session.schema,
                "warehouseName": session.warehouse,
                "roleName": session.role,
            },
        }
        self._send({"data": reply, "code": None, "message": None, "success": True})

    def _renew(self) -> None:
        made = self.server.sessions.renew(self._token())
        data = {
            "sessionToken": made.token,
            "validityInSecondsST": TOKEN_VALID_S,
            "masterToken": made.master,
            "validityInSecondsMT": MASTER_VALID_S,
            "sessionId": made.session.number,
        }
        self._send({"data": data, "code": None, "message": None, "success": True})

    def _query(self, query: dict[str, str], body: dict[str, Any]) -> None:
        found = self.server.sessions.find(self._token())
        request_id = query.get("requestId") or str(uuid.uuid4())
        sql = str(body.get("sqlText", ""))
        fault = self.server.faults.strike(request_id, sql)
        if fault is not None:
            self._before(fault)
            if fault.kind == "status":
                self._send({"success": False, "message": "ordered", "code": None, "data": None}, fault.status)
                return
        reply = self._answer(found, request_id, sql, body)
        if fault is not None and fault.kind == "kill_after":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault is not None and fault.kind == "cut":
            raise Cut
        self._send(reply)

    def _before(self, fault: Fault) -> None:
        if fault.kind == "delay":
            threading.Event().wait(fault.seconds)
        if fault.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault.kind == "cut_before":
            raise Cut

    def _answer(self, found: Login, request_id: str, sql: str, body: dict[str, Any]) -> dict[str, Any]:
        """Run the statement once for its request id; a retry gets the reply of the first."""
        reply, first = found.reply(request_id)
        if not first:
            reply.done.wait()
            return reply.body
        try:
            reply.body = answer_query(found.session, sql, bound(body), request_id, body)
            self.server.sessions.results[reply.body["data"]["queryId"]] = reply.body
            while len(self.server.sessions.results) > 1000:  # noqa: PLR2004 - results kept for get_results_from_sfqid
                self.server.sessions.results.popitem(last=False)
        finally:
            reply.done.set()
        return reply.body

    def _abort(self) -> None:
        self.server.sessions.find(self._token()).session.interrupt()
        self._send({"data": None, "code": None, "message": None, "success": True})

    def _monitor(self, query_id: str) -> None:
        self.server.sessions.find(self._token())
        known = self.server.sessions.results.get(query_id)
        status = "" if known is None else "SUCCESS" if known["success"] else "FAILED_WITH_ERROR"
        queries = [] if known is None else [{"id": query_id, "status": status}]
        self._send({"data": {"queries": queries}, "success": True})

    def _result(self, query_id: str) -> None:
        self.server.sessions.find(self._token())
        known = self.server.sessions.results.get(query_id)
        if known is None:
            raise SqlError(f"Statement {query_id} not found", 709, "02000")
        self._send(known)

    def _control(self, method: str, body: dict[str, Any]) -> None:
        """GET: the faults and how often they struck. POST: order one. DELETE: forget all."""
        faults = self.server.faults
        if method == "POST" and body.get("kind") == "expire_tokens":
            self._send({"sessions": self.server.sessions.expire()})
            return
        if method == "POST":
            try:
                faults.order(body)
            except (TypeError, ValueError) as error:
                self._send({"error": str(error)}, 400)
                return
        elif method == "DELETE":
            faults.clear()
        self._send({"faults": faults.report(), "time": time.time()})
