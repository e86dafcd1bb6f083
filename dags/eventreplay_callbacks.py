"""What happens when a task fails for good, or a run is late: one structured line, and a message if wanted.

The line goes to the log of the task or of the callback, always. A message is sent only if the connection
`eventreplay_alerts` is there: type `http` posts the facts as JSON (its password is a bearer token), `smtp`
sends them by mail (extra: `to`, `from`; port 465 is TLS from the start, any other STARTTLS unless the extra
`plain` is true). Airflow 3.3 refuses connections to callbacks of deadlines: of those only the line stays.
Nothing here raises: an alert that cannot be sent is a line in the log, not another failure.
"""

from __future__ import annotations

import http.client
import json
import logging
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException, AirflowRuntimeError

ALERTS = "eventreplay_alerts"
SEND_TIMEOUT_S = 10.0
MESSAGE_CHARACTERS_MAX = 2000
_SMTP_TLS_PORT = 465
_OK, _REDIRECT = 200, 300

_log = logging.getLogger("eventreplay.alerts")


def task_failed(context: Mapping[str, Any]) -> None:
    """After the last attempt of a task."""
    task = context["ti"]
    tell(
        "task_failed",
        {
            "dag": task.dag_id,
            "run": task.run_id,
            "task": task.task_id,
            "map_index": getattr(task, "map_index", -1),
            "attempt": task.try_number,
            **_reason(context.get("exception")),
        },
    )


def deadline_missed(context: Mapping[str, Any], limit_s: int) -> None:
    """A run has not ended within its limit; it goes on."""
    run = context["dag_run"]
    tell(
        "deadline_missed",
        {
            "dag": run["dag_id"],
            "run": run["dag_run_id"],
            "limit_s": limit_s,
            "deadline": str(context.get("deadline", {}).get("deadline_time", "")),
        },
    )


def tell(event: str, facts: Mapping[str, object]) -> None:
    """Write the line, and send it where somebody wants it."""
    line = json.dumps({"event": event, **facts}, sort_keys=True, default=str)
    _log.error("%s", line)
    try:
        _send(event, line)
    except (OSError, smtplib.SMTPException, http.client.HTTPException, AirflowException) as error:
        # Not the error's text: a driver may quote the address, with what stands in it.
        _log.warning("The alert could not be sent by %s: %s.", ALERTS, type(error).__name__)


def _reason(error: object) -> dict[str, str]:
    """The text of an operator's own error only: those carry no secret, a driver's may."""
    if error is None:
        return {}
    known = isinstance(error, AirflowException)
    return {"error": type(error).__name__, "message": str(error)[:MESSAGE_CHARACTERS_MAX] if known else ""}


def _send(event: str, line: str) -> None:
    try:
        connection = Connection.get(ALERTS)
    except (AirflowNotFoundException, AirflowRuntimeError):
        return
    if connection.conn_type == "smtp":
        _mail(connection, event, line)
    else:
        _post(connection, line)


def _post(connection: Connection, line: str) -> None:
    extra = connection.extra_dejson
    host = connection.host or ""
    kind: type[http.client.HTTPConnection] = http.client.HTTPSConnection
    if (connection.schema or "https") == "http":
        kind = http.client.HTTPConnection
    headers = {"Content-Type": "application/json"}
    if connection.password:
        headers["Authorization"] = f"Bearer {connection.password}"
    client = kind(host, connection.port, timeout=SEND_TIMEOUT_S)
    try:
        client.request("POST", str(extra.get("path", "/")), body=line.encode(), headers=headers)
        status = client.getresponse().status
    finally:
        client.close()
    if not _OK <= status < _REDIRECT:
        _log.warning("The alert was refused by %s with status %d.", ALERTS, status)


def _mail(connection: Connection, event: str, line: str) -> None:
    extra = connection.extra_dejson
    message = EmailMessage()
    message["Subject"] = f"eventreplay: {event}"
    message["From"], message["To"] = str(extra.get("from", "eventreplay@localhost")), str(extra.get("to", ""))
    message.set_content(line)
    port = connection.port or _SMTP_TLS_PORT
    context = ssl.create_default_context()
    at = (connection.host or "localhost", port)
    with (
        smtplib.SMTP_SSL(*at, timeout=SEND_TIMEOUT_S, context=context)
        if port == _SMTP_TLS_PORT
        else smtplib.SMTP(*at, timeout=SEND_TIMEOUT_S)
    ) as server:
        if port != _SMTP_TLS_PORT and not extra.get("plain", False):
            server.starttls(context=context)
        if connection.login:
            server.login(connection.login, connection.password or "")
        server.send_message(message)
