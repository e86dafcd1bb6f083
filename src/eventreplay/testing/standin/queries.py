"""A query request: bindings in, rows or an error out, and a line of history."""

import datetime as dt
import threading
import time
import uuid
from typing import Any

from fakesnow import statement_type
from fakesnow.converter import from_binding

from eventreplay.testing.standin.failures import SqlError, as_sql_error, unsupported
from eventreplay.testing.standin.results import payload, rowtype
from eventreplay.testing.standin.session import Session
from eventreplay.testing.standin.statements import execute

TIMED_OUT = "Statement reached its statement or warehouse timeout of {:.0f} second(s) and was canceled."
TIMED_S_MAX = 86_400  # longer timeouts (two days by default) need no timer
Bindings = tuple[Any, ...] | list[tuple[Any, ...]] | None


def _bind(kind: str, value: Any) -> Any:
    return None if value is None else from_binding({"type": kind, "value": value})


def bound(body: dict[str, Any]) -> Bindings:
    """One row of values, or a list of rows for an array binding; None without bindings."""
    given = body.get("bindings")
    if not given:
        return None
    if not all(name.isdigit() for name in given):
        raise unsupported("named bindings")
    ordered = [given[str(index)] for index in range(1, len(given) + 1)]
    if any(isinstance(item["value"], list) for item in ordered):
        columns = [[_bind(item["type"], value) for value in item["value"]] for item in ordered]
        return list(zip(*columns, strict=True))
    return tuple(_bind(item["type"], item["value"]) for item in ordered)


def answer_query(
    session: Session, sql: str, bindings: Bindings, request_id: str, body: dict[str, Any]
) -> dict[str, Any]:
    """Run one statement in its session and say what came out, as the API does."""
    query_id = str(uuid.uuid4())
    started = dt.datetime.now(dt.UTC)
    began = time.monotonic()
    error: SqlError | None = None
    reply: dict[str, Any] = {}
    with session.busy:
        session.cancelled.clear()
        timeout_s = float(session.parameters["STATEMENT_TIMEOUT_IN_SECONDS"])
        timer = threading.Timer(timeout_s, session.interrupt) if timeout_s < TIMED_S_MAX else None
        if timer is not None:
            timer.start()
        tag = (body.get("parameters") or {}).get("QUERY_TAG") or session.parameters.get("QUERY_TAG")
        try:
            _one_statement(body)
            reply = _success(session, sql, bindings, query_id)
        except Exception as failure:  # noqa: BLE001 - whatever it is, the connector has to hear of it once
            error = as_sql_error(failure)
            if timer is not None and time.monotonic() - began >= timeout_s:
                error = SqlError(TIMED_OUT.format(timeout_s), 630, "57014")
        finally:
            if timer is not None:
                timer.cancel()
        session.last_query_id = query_id
        session.engine.history.add(
            {
                "QUERY_ID": query_id,
                "QUERY_TEXT": sql,
                "DATABASE_NAME": session.database,
                "SCHEMA_NAME": session.schema,
                "SESSION_ID": session.number,
                "USER_NAME": session.user,
                "ROLE_NAME": session.role,
                "WAREHOUSE_NAME": session.warehouse,
                "QUERY_TAG": str(tag or ""),
                "EXECUTION_STATUS": "SUCCESS" if error is None else "FAIL",
                "ERROR_CODE": None if error is None else f"{error.code:06d}",
                "START_TIME": started,
                "REQUEST_ID": request_id,
            }
        )
    if error is None:
        return reply
    code = f"{error.code:06d}"
    data = {"errorCode": code, "sqlState": error.sqlstate, "queryId": query_id, "internalError": False}
    return {"data": data, "code": code, "message": error.message, "success": False}


def _one_statement(body: dict[str, Any]) -> None:
    if int((body.get("parameters") or {}).get("MULTI_STATEMENT_COUNT") or 1) > 1:
        raise unsupported("several statements in one request")


def _success(session: Session, sql: str, bindings: Bindings, query_id: str) -> dict[str, Any]:
    result = execute(session, sql, bindings)
    if result.upload is not None:
        return {
            "data": {**result.upload, "queryId": query_id},
            "code": None,
            "message": None,
            "success": True,
        }
    columns = rowtype(result)
    rows = result.table.num_rows
    data = {
        "parameters": [
            {"name": "TIMEZONE", "value": session.parameters["TIMEZONE"]},
            {"name": "AUTOCOMMIT", "value": session.parameters["AUTOCOMMIT"]},
        ],
        "rowtype": columns,
        "total": rows,
        "returned": rows,
        "queryId": query_id,
        "statementTypeId": result.statement or statement_type.UNKNOWN,
        "version": 1,
        "databaseProvider": None,
        "finalDatabaseName": session.database,
        "finalSchemaName": session.schema,
        "finalWarehouseName": session.warehouse,
        "finalRoleName": session.role,
        "numberOfBinds": 0,
        "arrayBindSupported": False,
        **payload(result, columns),
    }
    return {"data": data, "code": None, "message": None, "success": True}
