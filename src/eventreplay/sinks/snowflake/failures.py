"""The connector's errors as ours: which right is missing, what may be tried again, and never its own text.

Snowflake's messages quote values of rows (`Numeric value '...' is not recognized`) and parts of statements,
so none is passed on, and none is chained: number, SQL state and query id say where to look in the query
history.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen

from eventreplay.errors import SinkError, SinkUnavailableError

_LOGIN_REFUSED = range(390_100, 390_112)
_SESSION_GONE = frozenset({390_104, 390_111, 390_112, 390_114, 390_195})
_JWT_REFUSED = 390_144
_OAUTH_REFUSED = frozenset({390_303, 390_318})
_LOCKED = frozenset({625, 626})
_ENDED = frozenset({604, 630})
_NO_WAREHOUSE = frozenset({606, 608})
_NO_RIGHT = frozenset({3_001})
_NOT_THERE = frozenset({2_003, 2_043})
_DATA = range(100_000, 100_999)
_NOT_CONNECTED = 250_001
_UNREACHABLE = frozenset({_NOT_CONNECTED, 250_003, 251_011, 253_003})
_TRANSPORT = frozenset(
    {
        "OperationalError",
        "InternalServerError",
        "ServiceUnavailableError",
        "GatewayTimeoutError",
        "RequestTimeoutError",
        "BadGatewayError",
        "TooManyRequests",
        "OtherHTTPRetryableError",
        "RequestExceedMaxRetryError",
        "PresignedUrlExpiredError",
        "TokenExpiredError",
        "HttpError",
        "InterfaceError",
    }
)


@frozen
class Doing:
    """What a statement is for, and what its role needs for it.

    Attributes:
        what: beginning of an error's message, e.g. `Copying into RAW.EVENTS`.
        grants: statements that give the right, in the order an administrator runs them.
    """

    what: str
    grants: tuple[str, ...] = ()


def mapped(error: BaseException, doing: Doing) -> SinkError:
    """Our error for the driver's. Raise it `from None`."""
    errno = _number(error)
    state = getattr(error, "sqlstate", None)
    kind = type(error).__name__
    facts: dict[str, Any] = {"errno": errno, "sqlstate": state, "query_id": getattr(error, "sfqid", None)}
    where = _where(facts)
    if errno in _SESSION_GONE:
        return SinkUnavailableError(
            f"{doing.what}: the Snowflake session has expired{where}.",
            hint="Start again: a new session goes on from the stored checkpoint.",
            **facts,
        )
    refused = _login_refused(errno, kind)
    if refused is not None:
        return SinkError(f"{doing.what}: Snowflake refused the login{where}.", hint=refused, **facts)
    if errno in _NO_RIGHT or state == "42501":
        return SinkError(
            f"{doing.what}: the role lacks a right{where}.", hint=_grants(doing), grants=doing.grants, **facts
        )
    if errno in _NOT_THERE or state == "42S02":
        return SinkError(
            f"{doing.what}: an object does not exist, or the role may not see it{where}.",
            hint=f"{_grants(doing)} If it does not exist: run SnowflakeSink.init(settings).",
            grants=doing.grants,
            **facts,
        )
    if errno in _NO_WAREHOUSE:
        return SinkError(
            f"{doing.what}: no warehouse is active{where}.",
            hint="Set `warehouse`, and let an administrator run: GRANT USAGE ON WAREHOUSE ... TO ROLE ....",
            **facts,
        )
    return _unmapped(errno, kind, doing, where, facts)


def _unmapped(errno: int, kind: str, doing: Doing, where: str, facts: dict[str, Any]) -> SinkError:
    if errno in _LOCKED:
        return SinkUnavailableError(
            f"{doing.what}: another transaction holds the table{where}.",
            hint="SHOW LOCKS IN ACCOUNT says which. Snowflake ends an abandoned one after 5 minutes of others"
            " waiting for it; SYSTEM$ABORT_TRANSACTION ends it at once. Then start again.",
            **facts,
        )
    if errno in _ENDED:
        return SinkUnavailableError(
            f"{doing.what}: Snowflake ended the statement (a timeout, or somebody cancelled it){where}.",
            hint="Use a larger warehouse, a smaller transaction_rows_min, or a longer statement_timeout_s.",
            **facts,
        )
    if errno in _DATA:
        return SinkError(
            f"{doing.what}: Snowflake refused a value{where}.",
            hint="Nothing of this transaction was loaded. The query history shows the row by its query id;"
            " a value may be larger than a column of Snowflake holds.",
            **facts,
        )
    if errno in _UNREACHABLE or kind in _TRANSPORT or not _is_driver_error(kind, facts):
        return SinkUnavailableError(
            f"{doing.what}: no answer from Snowflake{where}.",
            hint="Check host, network and Snowflake's status; starting again goes on from the checkpoint.",
            **facts,
        )
    return SinkError(
        f"{doing.what}: Snowflake refused the statement{where}.",
        hint="The query history shows its own message under the query id.",
        **facts,
    )


def _is_driver_error(kind: str, facts: dict[str, Any]) -> bool:
    """Whether the server gave an answer; anything else (a KeyError in the driver) is a lost answer."""
    return kind.endswith("Error") and facts["sqlstate"] is not None


def _login_refused(errno: int, kind: str) -> str | None:
    if errno == _JWT_REFUSED:
        return (
            "The public key of this private key is not the user's: ALTER USER ... SET RSA_PUBLIC_KEY = '...';"
            " also check account and user."
        )
    if errno in _OAUTH_REFUSED:
        return "The OAuth token is expired or not for this account, user or role: get a new one."
    if errno in _LOGIN_REFUSED or (errno == _NOT_CONNECTED and kind in {"DatabaseError", "ForbiddenError"}):
        return "Check account, user, and key, token or password; the user may also be locked or disabled."
    return None


def _grants(doing: Doing) -> str:
    if not doing.grants:
        return "Ask an administrator; deploy/snowflake has the statements."
    return f"An administrator runs: {'; '.join(doing.grants)};"


def _number(error: BaseException) -> int:
    try:
        return int(getattr(error, "errno", None) or -1)
    except (TypeError, ValueError):
        return -1


def _where(facts: dict[str, Any]) -> str:
    parts = [f"error {facts['errno']:06d}"] if facts["errno"] > 0 else []
    if facts["query_id"]:
        parts.append(f"query {facts['query_id']}")
    return f" ({', '.join(parts)})" if parts else ""
