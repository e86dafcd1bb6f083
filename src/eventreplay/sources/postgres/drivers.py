"""The door to the two drivers: loaded on demand, and their errors mapped to ours.

No driver's text goes through: it may quote a connection string, and with it a password, or a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from eventreplay.errors import SourceError, SourceUnavailableError

_FINAL_CLASSES = ("0A", "22", "28", "3D", "3F", "42")
_REASONS = (
    ("authentication failed", "it refused the password", "Check user and password."),
    ("no password supplied", "it wants a password", "Set password, or password_file."),
    ("no pg_hba.conf entry", "its pg_hba.conf lets nobody in from here", "Ask for an entry for this user."),
    ("certificate", "its certificate could not be verified",
     "Set sslrootcert to the authority's file; sslmode=require gives the check up."),
    ("does not support SSL", "it does not speak TLS", "Turn ssl on there, or set sslmode."),
    ("permission denied for database", "the user lacks CONNECT", "GRANT CONNECT ON DATABASE ... TO ...;"),
    ("does not exist", "it does not know that database or user", "Check database and user."),
    ("invalid", "the connection settings are malformed", "Check url, host and port."),
)  # fmt: skip


def psycopg2() -> Any:
    """The driver of all that is not bulk."""
    import psycopg2 as driver  # noqa: PLC0415 - an optional driver
    import psycopg2.extensions  # noqa: PLC0415 - an optional driver
    import psycopg2.sql  # noqa: PLC0415 - an optional driver

    return driver


def adbc() -> Any:
    """The driver of bulk reading."""
    from adbc_driver_postgresql import dbapi  # noqa: PLC0415 - an optional driver

    return dbapi


def connection_error(error: BaseException) -> SourceError:
    """What a failed attempt to connect means; retryable unless the server said why not."""
    text = str(error)
    for mark, reason, hint in _REASONS:
        if mark in text:
            return SourceError(f"PostgreSQL did not let us in: {reason}.", hint=hint)
    return SourceUnavailableError(
        "PostgreSQL does not answer.", hint="Check host and port; starting again resumes where the log ends."
    )


@contextmanager
def mapped(doing: str) -> Iterator[None]:
    """Errors of either driver within, as ours."""
    driver = psycopg2()
    try:
        yield
    except driver.Error as error:
        raise _query_error(doing, error.pgcode, error) from None
    except _bulk_errors() as error:
        raise _query_error(doing, getattr(error, "sqlstate", None), error) from None


def _bulk_errors() -> tuple[type[BaseException], ...]:
    return (adbc().Error, pa.ArrowException, OSError)


def _query_error(doing: str, state: str | None, error: BaseException) -> SourceError:
    kind = type(error).__name__
    if state == "42501":
        return SourceError(
            f"PostgreSQL refused {doing}: a right is missing.",
            hint="`eventreplay postgres check` names it and the GRANT.",
            sqlstate=state,
        )
    if state is not None and state.startswith(_FINAL_CLASSES):
        return SourceError(
            f"PostgreSQL refused {doing} (SQLSTATE {state}).",
            hint="`eventreplay postgres check` looks at the table; the server's log has the statement.",
            sqlstate=state,
        )
    return SourceUnavailableError(
        f"PostgreSQL broke off {doing} ({state or kind}).",
        hint="Starting again resumes where the log ends.",
        sqlstate=state,
    )
