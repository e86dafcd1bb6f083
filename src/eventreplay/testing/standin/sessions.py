"""Logins and their sessions, and the replies kept so that a request sent again is not run again."""

import itertools
import secrets
import threading
from collections import OrderedDict
from typing import Any

from eventreplay.testing.standin import login, rights
from eventreplay.testing.standin.engine import Engine
from eventreplay.testing.standin.failures import SqlError
from eventreplay.testing.standin.parameters import plain, set_parameter
from eventreplay.testing.standin.session import Session

REPLIES_MAX = 500  # of one session; the connector asks again for the last one only
TOKEN_VALID_S = 3600
MASTER_VALID_S = 14400


class Reply:
    """The answer to one request id: made once, by whoever comes first; others wait for it."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.body: dict[str, Any] = {}


class Login:
    """A session with its tokens."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.token = secrets.token_urlsafe(32)
        self.master = secrets.token_urlsafe(32)
        self._replies: OrderedDict[str, Reply] = OrderedDict()
        self._lock = threading.Lock()

    def reply(self, request_id: str) -> tuple[Reply, bool]:
        """The reply of a request id, and whether the caller has to make it."""
        with self._lock:
            if request_id in self._replies:
                return self._replies[request_id], False
            made = self._replies[request_id] = Reply()
            if len(self._replies) > REPLIES_MAX:
                self._replies.popitem(last=False)
            return made, True


class Sessions:
    """Everybody who is logged in."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._numbers = itertools.count(1_000_001)
        self._lock = threading.Lock()
        self._logins: dict[str, Login] = {}
        self._expired: set[str] = set()
        self.results: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def log_in(self, query: dict[str, str], data: dict[str, Any]) -> Login:
        """Authenticate and open a session at the place asked for."""
        name = login.authenticate(self.engine.catalog, data)
        user = self.engine.catalog.users[name]
        session = Session(self.engine, next(self._numbers), name)
        session.role = user["default_role"]
        if role := query.get("roleName"):
            rights.use_role(session, plain(role))
        warehouse = plain(query["warehouse"]) if query.get("warehouse") else user.get("default_warehouse")
        if warehouse:
            try:
                rights.use_warehouse(session, warehouse)
            except SqlError:
                session.warehouse = None  # as Snowflake: logged in, without a warehouse
        database = plain(query["databaseName"]) if query.get("databaseName") else None
        schema = plain(query["schemaName"]) if query.get("schemaName") else None
        try:
            if database is not None:
                rights.need_usage(session, database, schema)
            session.use(database, schema or ("PUBLIC" if database else None))
        except SqlError:
            session.use(None, None)
        for key, value in (data.get("SESSION_PARAMETERS") or {}).items():
            set_parameter(session, str(key).upper(), value)
        made = Login(session)
        with self._lock:
            self._logins[made.token] = made
        return made

    def find(self, token: str) -> Login:
        """The login of a session token; SqlError 390104 where there is none."""
        with self._lock:
            found = self._logins.get(token)
            if found is None and token in self._expired:
                raise SqlError("Session token has expired.", 390112, "08001")
        if found is None:
            raise SqlError("User must login again to access the service.", 390104, "08001")
        return found

    def renew(self, master: str) -> Login:
        """New tokens for the session of a master token."""
        with self._lock:
            for token, found in list(self._logins.items()):
                if secrets.compare_digest(found.master, master):
                    del self._logins[token]
                    found.token, found.master = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
                    self._logins[found.token] = found
                    return found
        raise SqlError("Master token not found.", 390113, "08001")

    def expire(self) -> int:
        """Make every session token stale, as an hour does; the connector renews with its master token."""
        with self._lock:
            for token, found in list(self._logins.items()):
                del self._logins[token]
                self._expired.add(token)
                self._logins[secrets.token_urlsafe(32)] = found
            return len(self._logins)

    def log_out(self, token: str) -> None:
        """End a session."""
        with self._lock:
            found = self._logins.pop(token, None)
        if found is not None:
            found.session.close()
