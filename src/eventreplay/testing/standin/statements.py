"""One statement: told apart by its first words, run by the module that knows it, else refused clearly."""

import re
from collections.abc import Callable
from typing import Any

from sqlglot import TokenType, tokenize

from eventreplay.testing.standin import (
    account,
    ddl,
    dml,
    files,
    granting,
    parameters,
    pipes,
    reading,
    schemas,
)  # fmt: skip
from eventreplay.testing.standin.copying import copy_into
from eventreplay.testing.standin.failures import SqlError, unsupported
from eventreplay.testing.standin.results import Result
from eventreplay.testing.standin.session import Session

Handler = Callable[[Session, str, Any], Result]
_COMMENT = re.compile(r"\s+|--[^\n]*(?:\n|$)|//[^\n]*(?:\n|$)|/\*.*?\*/", re.DOTALL)
_REFUSED = (
    "STREAM|TASK|DYNAMIC TABLE|ALERT|EXTERNAL TABLE|ICEBERG TABLE|HYBRID TABLE|PROCEDURE|FUNCTION|SHARE"
)
_ACCOUNT = "ROLE|USER|WAREHOUSE|RESOURCE MONITOR|STORAGE INTEGRATION|NETWORK POLICY"
_SPACE = re.compile(r"\s+")


def _copy(session: Session, sql: str, params: Any) -> Result:
    if params:
        raise unsupported("bind variables in COPY INTO")
    return copy_into(session, sql)


def _refuse(session: Session, sql: str, params: Any) -> Result:
    del session, params
    raise unsupported(_SPACE.sub(" ", sql)[:60])


# First words -> who runs it. The first pattern that fits is taken.
_ROUTES: tuple[tuple[str, Handler], ...] = (
    (r"(BEGIN|START TRANSACTION|COMMIT|ROLLBACK)\b", parameters.transaction),
    (r"ALTER SESSION\b", parameters.alter_session),
    (r"SHOW PARAMETERS\b", parameters.show),
    (r"USE\b", parameters.use),
    (r"CALL SYSTEM\$STANDIN_", parameters.standin),
    (r"COPY INTO\b", _copy),
    (r"(PUT|GET) ", files.transfer),
    (r"(LIST|LS|REMOVE|RM) ", files.listing),
    (rf"(CREATE|ALTER|DROP|SHOW|DESCRIBE|DESC)( OR REPLACE)?( TEMPORARY| SECURE)? ({_REFUSED})S?\b", _refuse),
    (
        r"(CREATE|ALTER|DROP|DESCRIBE|DESC)( OR REPLACE)?( TEMP| TEMPORARY)? (STAGE|FILE FORMAT)\b",
        files.define,
    ),
    (r"SHOW (STAGES|FILE FORMATS)\b", files.show),
    (r"(CREATE|ALTER|DROP)( OR REPLACE)? PIPE\b", pipes.define),
    (r"SHOW PIPES\b", pipes.show),
    (r"SHOW SCHEMAS\b", schemas.show),
    (r"(GRANT|REVOKE|SHOW GRANTS|SHOW FUTURE GRANTS)\b", granting.grants),
    (
        rf"(CREATE|ALTER|DROP|DESCRIBE|DESC)( OR REPLACE)? ({_ACCOUNT})\b",
        account.define,
    ),
    (
        r"SHOW (TERSE )?(ROLES|USERS|WAREHOUSES|RESOURCE MONITORS|STORAGE INTEGRATIONS|LOCKS|TRANSACTIONS)\b",
        account.show,
    ),
    (r"(CREATE|ALTER|DROP|TRUNCATE|COMMENT|UNDROP)\b", ddl.run),
    (r"(INSERT|UPDATE|DELETE|MERGE)\b", dml.run),
    (r"(SELECT|WITH|SHOW|DESCRIBE|DESC|VALUES|EXPLAIN|\(|SET|UNSET)", reading.run),
)
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), handler) for pattern, handler in _ROUTES)


def opening(sql: str) -> str:
    """The statement from its first word to its last, without the comments before and after."""
    at = 0
    while found := _COMMENT.match(sql, at):
        at = found.end()
    body = sql[at:].rstrip().removesuffix(";").rstrip()
    while body.endswith("*/"):
        body = body[: body.rindex("/*")].rstrip().removesuffix(";").rstrip()
    return body


def execute(session: Session, sql: str, params: Any) -> Result:
    """Run one statement.

    Raises:
        SqlError: refused, or failed.
    """
    body = opening(sql)
    if not body:
        raise SqlError("Empty SQL statement.", 900, "42601")
    if ";" in body and any(
        token.token_type == TokenType.SEMICOLON for token in tokenize(body, read="snowflake")
    ):
        raise SqlError("Actual statement count 2 did not match the desired statement count 1.", 8, "0A000")
    words = _SPACE.sub(" ", body[:200])
    for pattern, handler in _COMPILED:
        if pattern.match(words):
            return handler(session, body, params)
    raise SqlError(
        f"SQL compilation error:\nsyntax error line 1 at position 0 unexpected '{words[:20]}'.", 1003, "42000"
    )
