"""One connection to Snowflake: opened with the settings' bounds, asked one statement at a time.

Inside a transaction a statement is sent once: the driver would otherwise repeat it behind our back when an
answer is lost, and whether a repeated COPY loads twice would be the server's business alone. A lost answer
ends the transaction instead, and the run goes on from the checkpoint.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from eventreplay.errors import ConfigError, SinkError
from eventreplay.sinks.snowflake.failures import Doing, mapped
from eventreplay.sinks.snowflake.keys import private_key_der
from eventreplay.sinks.snowflake.names import identifier, quoted
from eventreplay.sinks.snowflake.settings import SnowflakeSettings

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

Row = tuple[Any, ...]


class Session:
    """A logged-in connection with our database, schema, role and warehouse in use.

    Raises:
        ConfigError: the driver or the private key is missing.
        SinkUnavailableError: no answer within the timeouts.
        SinkError: the login was refused, or role, warehouse, database or schema cannot be used.
    """

    def __init__(self, settings: SnowflakeSettings, *, without_schema: bool = False) -> None:
        self._connection = _connect(settings, without_schema=without_schema)
        self._in_transaction = False

    def run(
        self, statement: str, values: Sequence[object] = (), *, doing: Doing, once: bool = False
    ) -> list[Row]:
        """Run one statement with bound values and fetch all of its result, which is small by design.

        Args:
            statement: with `?` for each value.
            values: bound, never written into the statement.
            doing: for errors.
            once: never sent again by the driver, as inside a transaction.

        Raises:
            SinkError: mapped from the driver's; see `failures`.
        """
        try:
            cursor = self._connection.cursor()
            try:
                cursor.execute(statement, tuple(values) or None, _no_retry=once or self._in_transaction)
                rows: list[Row] = cursor.fetchall()
            finally:
                with suppress(Exception):  # the answer is here, or the error is on its way
                    cursor.close()
        except Exception as error:  # noqa: BLE001 - whatever the driver raises, its text stays here
            raise mapped(error, doing) from None
        return rows

    def named(self, statement: str, *, doing: Doing) -> list[dict[str, Any]]:
        """As `run`, rows by lower-case column name: for SHOW, DESCRIBE and LIST."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement)
                names = [column.name.lower() for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except Exception as error:  # noqa: BLE001 - the same
            raise mapped(error, doing) from None

    def begin(self) -> None:
        """Open a transaction; from here to its end nothing is repeated by the driver."""
        self._in_transaction = True
        self.run("BEGIN TRANSACTION", doing=Doing("Beginning a transaction"))

    def commit(self) -> None:
        """End it. After an error nobody knows how it ended: ask from another session."""
        try:
            self.run("COMMIT", doing=Doing("Committing"))
        finally:
            self._in_transaction = False

    def rollback(self) -> None:
        """Give the transaction up, if one is open.

        Raises:
            SinkError: the rollback was not confirmed; close the session.
        """
        if self._in_transaction:
            try:
                self.run("ROLLBACK", doing=Doing("Rolling back"))
            finally:
                self._in_transaction = False

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction of ours is open."""
        return self._in_transaction

    def close(self) -> None:
        """Log out; Snowflake rolls an open transaction back. Idempotent, and never raises."""
        with suppress(Exception):  # the session may be gone already
            self._connection.close(retry=False)


def _connect(settings: SnowflakeSettings, *, without_schema: bool) -> SnowflakeConnection:
    try:
        import snowflake.connector  # noqa: PLC0415 - an optional driver
    except ImportError:
        raise ConfigError(
            "The Snowflake driver is not installed.", hint="Install it: pip install 'eventreplay[snowflake]'."
        ) from None
    quiet_driver()
    try:
        # What logs in stands in the argument list alone: no variable of ours holds it while this runs.
        connection = snowflake.connector.connect(
            **_arguments(settings, without_schema=without_schema), **_login(settings)
        )
        connection.telemetry_enabled = False
        return connection  # noqa: TRY300 - what follows is for the failed
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - login errors may quote what was sent
        failure = mapped(error, Doing(f"Connecting to Snowflake account {settings.account}"))
    # Raised here, it is not linked to the driver's error, whose frames hold the login.
    raise failure


def quiet_driver() -> None:
    """Keep the driver's own log to itself, unless somebody has set its level on purpose.

    It logs statements, addresses and, when an answer is malformed, the request's body: what matters of that
    is in our errors. Set the level of `snowflake.connector` beforehand to see it.
    """
    for name in ("snowflake.connector", "botocore", "boto3"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL if name.startswith("snowflake") else logging.WARNING)


def _arguments(settings: SnowflakeSettings, *, without_schema: bool) -> dict[str, Any]:
    optional = {
        "role": settings.role and quoted(identifier(settings.role, setting="role")),
        "warehouse": settings.warehouse and quoted(identifier(settings.warehouse, setting="warehouse")),
        "host": settings.host,
        "port": settings.port,
    }
    database, schema = settings.schema_names
    return {
        **{name: value for name, value in optional.items() if value is not None},
        "account": settings.account,
        "user": settings.user,
        "protocol": settings.protocol,
        "database": quoted(database),
        **({} if without_schema else {"schema": quoted(schema)}),
        "autocommit": True,
        "paramstyle": "qmark",  # bound by the server, never written into a statement
        "application": "eventreplay",
        "login_timeout": settings.login_timeout_s,
        "network_timeout": settings.network_timeout_s,
        "socket_timeout": settings.socket_timeout_s,
        "session_parameters": {
            "QUERY_TAG": settings.query_tag,
            "TIMEZONE": "UTC",
            "STATEMENT_TIMEOUT_IN_SECONDS": settings.statement_timeout_s,
            "LOCK_TIMEOUT": settings.lock_timeout_s,
            "CLIENT_TELEMETRY_ENABLED": False,
        },
        "log_imported_packages_in_telemetry": False,
        # Certificates' revocation is checked as the driver does by default: a revoked one is refused, an
        # unreachable responder is not an outage of ours.
        "ocsp_fail_open": True,
        # No other settings than ours: neither connections.toml nor a cache of tokens on disk.
        "client_store_temporary_credential": False,
        "client_request_mfa_token": False,
        "platform_detection_timeout_seconds": 0,
    }


def _login(settings: SnowflakeSettings) -> dict[str, Any]:
    if settings.password is not None:
        return {"password": settings.password.reveal()}
    if settings.token is not None:
        return {"token": settings.token.reveal(), "authenticator": "oauth"}
    return {"private_key": private_key_der(settings), "authenticator": "SNOWFLAKE_JWT"}


def check_context(session: Session, settings: SnowflakeSettings) -> str:
    """The session's role; raise unless warehouse, database and schema are in use.

    Snowflake lets a login pass whose database or warehouse the role may not use, and leaves them unset.

    Raises:
        SinkError: names what is missing, with the GRANT.
    """
    database, schema = settings.schema_names
    rows = session.run(
        "SELECT CURRENT_ROLE(), CURRENT_WAREHOUSE(), CURRENT_DATABASE(), CURRENT_SCHEMA()",
        doing=Doing("Reading the session's role"),
    )
    role, warehouse, found_database, found_schema = rows[0]
    to = f"TO ROLE {quoted(role)}" if role else "TO ROLE ..."
    wanted = settings.warehouse and identifier(settings.warehouse, setting="warehouse")
    # Without USAGE on the schema some accounts leave the database unset too: both grants are named.
    place = (
        f"GRANT USAGE ON DATABASE {quoted(database)} {to};"
        f" GRANT USAGE ON SCHEMA {quoted(database, schema)} {to};"
        " If it does not exist: run SnowflakeSink.init(settings)."
    )
    usage = f"GRANT USAGE ON WAREHOUSE {quoted(wanted) if wanted else '...'} {to};"
    missing = [
        ("warehouse", warehouse is None or wanted not in (None, warehouse), usage),
        ("database", found_database != database, place),
        ("schema", found_schema != schema, place),
    ]
    for name, is_missing, grant in missing:
        if is_missing:
            raise SinkError(
                f"The session has no {name} in use: it does not exist, or role {role} may not use it.",
                hint=f"An administrator runs: {grant}",
                missing=name,
            )
    return str(role or "")
