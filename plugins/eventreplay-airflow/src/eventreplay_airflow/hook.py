"""From connections and names to the ends of a run: the log, a source, a sink, what dbt is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret
from attrs import frozen

from eventreplay import assembly, registry
from eventreplay.config import gather, has_settings, plugin_settings
from eventreplay.config.fields import kinds_of
from eventreplay.config.sections import LOG_STORE
from eventreplay.errors import ConfigError, EventReplayError
from eventreplay.interfaces import Sink
from eventreplay.log import Log
from eventreplay.log.s3 import S3Settings
from eventreplay_airflow.connections import Reading, option_value
from eventreplay_airflow.kinds import KINDS, ConnectionKind, other
from eventreplay_airflow.masking import mask

S3_SCHEME = "s3://"
GetConnection = Callable[[str], Any]


def needs_connection(log_url: str, conn_id: str | None) -> str | None:
    """The connection that a log's store is reached by; None if it needs none."""
    if not log_url.startswith(S3_SCHEME) or conn_id == "":
        return None
    return KINDS[LOG_STORE].usual if conn_id is None else conn_id


@frozen
class FromConnection:
    """What is given for one end: a connection, and the options of an operator.

    Attributes:
        conn_id: None: the usual one for this end; empty: none, settings come from the worker's environment
            and `eventreplay.toml` as on the command line.
        given: options by name.
        get: how to get a connection.
        mask: takes every text that must not show.
    """

    conn_id: str | None
    given: Mapping[str, object]
    get: GetConnection
    mask: Callable[[str], None]

    @property
    def options(self) -> list[str]:
        """For ends without settings: arguments of their class."""
        return [f"{name}={value}" for name, value in self.given.items()]

    def settings(self, name: str, cls: type, place: str | None) -> object:
        """The settings of the end, every secret of them masked."""
        made = self._made(name, cls, place)
        mask(made, self.mask)
        return made

    def refuse(self, name: str) -> None:
        """An end without settings needs no connection; one that all tasks share is passed over."""

    def _made(self, name: str, cls: type, place: str | None) -> object:
        kind = KINDS.get(name)
        if kind is None:
            kind = ConnectionKind("", (), other(cls))
        conn_id = kind.usual if self.conn_id is None else self.conn_id
        if not conn_id:
            kinds = kinds_of(cls)
            for option, value in self.given.items():
                option_value(kinds, option, value)
            return plugin_settings(name, cls, None, None, self.options, place)
        reading = Reading.of(self._connection(conn_id, name))
        if kind.types and reading.conn_type not in kind.types:
            raise ConfigError(
                f"The connection {conn_id} is of type {reading.conn_type or 'none'}; {name} takes "
                f"{' or '.join(kind.types)}.",
                hint="Name the connection for this end.",
                conn_id=conn_id,
            )
        kind.read(reading)
        reading.finish(cls)
        return reading.make(cls, self.given, place)

    def _connection(self, conn_id: str, name: str) -> Any:
        try:
            return self.get(conn_id)
        except AirflowNotFoundException:
            raise ConfigError(
                f"The connection {conn_id} is not defined, and {name} needs one.",
                hint="Define it or name another; an empty name takes settings from the worker's environment.",
                conn_id=conn_id,
            ) from None


class EventReplayHook(BaseHook):
    """Makes the ends of a run out of names and Airflow connections.

    A connection is asked for only where the end needs one: a folder, files and DuckDB need none. It is also
    the hook of connections of type `amqp`, so that they can be made and tested in Airflow's forms.

    Args:
        conn_id: the connection that `test_connection` looks at.
        source_conn_id, log_conn_id, sink_conn_id: connections by end. None: `eventreplay_journal` (postgres),
            `eventreplay_queue` (amqp), `eventreplay_log` (aws), `eventreplay_warehouse` (snowflake), as the
            end needs; empty: none, settings come from the worker's environment as on the command line.
        get: how to get a connection by its id; None: from Airflow.
        mask: takes every text of a secret; None: Airflow's masker.
    """

    conn_name_attr: ClassVar[str] = "conn_id"
    default_conn_name: ClassVar[str] = "eventreplay_queue"
    conn_type: ClassVar[str] = "amqp"
    hook_name: ClassVar[str] = "AMQP (RabbitMQ)"

    def __init__(
        self,
        conn_id: str = default_conn_name,
        *,
        source_conn_id: str | None = None,
        log_conn_id: str | None = None,
        sink_conn_id: str | None = None,
        get: GetConnection | None = None,
        mask: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self.conn_id = conn_id
        self._source_conn_id = source_conn_id
        self._log_conn_id = log_conn_id
        self._sink_conn_id = sink_conn_id
        self._get: GetConnection = self.get_connection if get is None else get
        self._mask: Callable[[str], None] = mask_secret if mask is None else mask

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """What the form of a connection of type `amqp` is called."""
        return {
            "hidden_fields": [],
            "relabeling": {"schema": "Virtual host", "login": "User"},
            "placeholders": {"schema": "/", "port": "5672; 5671 with TLS", "extra": '{"tls": true}'},
        }

    def open_log(self, url: str, *, must_exist: bool = True) -> Log:
        """The log at `url`.

        Raises:
            ConfigError: it is not there though it must, or the connection does not fit.
        """
        log = Log.open(url, s3=self._store()) if url.startswith(S3_SCHEME) else Log.open(url)
        if must_exist and not log.exists():
            raise ConfigError(
                f"There is no log at {log.url}.", hint="Name it by `log`; a capture begins one.", log=log.url
            )
        return log

    def _store(self) -> S3Settings:
        if self._log_conn_id == "":
            found: Any = gather(LOG_STORE, S3Settings).make()
            mask(found, self._mask)
        else:
            found = self._given(self._log_conn_id).settings(LOG_STORE, S3Settings, None)
        settings: S3Settings = found
        return settings

    def source_maker(self, spec: str, options: Mapping[str, object] | None = None) -> assembly.Maker:
        """What makes the source that `spec` means, as on the command line: `NAME:PLACE`, `NAME` or a path.

        Raises:
            ConfigError: it means none, or connection and options do not fit it.
        """
        return assembly.source_maker(spec, self._given(self._source_conn_id, options))

    def open_sink(self, url: str, options: Mapping[str, object] | None = None) -> Sink:
        """The sink at `url`, open.

        Raises:
            ConfigError: there is none, or connection and options do not fit it.
            SinkUnavailableError: it does not answer, or is busy.
        """
        given = self._given(self._sink_conn_id, options)
        return assembly.sink_of(url, given, lambda: datetime.now(UTC))

    def dbt_environment(self, url: str, options: Mapping[str, object] | None = None) -> Mapping[str, Any]:
        """What dbt's profile reads to reach the warehouse at `url`; secrets in it do not print."""
        name, target, place = assembly.sink_target(url)
        environment = getattr(target, "dbt_environment", None)
        if environment is None:
            raise ConfigError(f"dbt is not known to run on {name}.", hint="It runs on duckdb and snowflake.")
        cls = has_settings(target)
        told: object = place
        if cls is not None:
            told = self._given(self._sink_conn_id, options).settings(name, cls, place or None)
        found: Mapping[str, Any] = environment(told)
        return found

    def _given(self, conn_id: str | None, options: Mapping[str, object] | None = None) -> FromConnection:
        return FromConnection(conn_id, options or {}, self._get, self._mask)

    def test_connection(self) -> tuple[bool, str]:
        """Look at the broker behind the connection: the button in Airflow's form."""
        target: Any = registry.load("source", "rabbitmq")
        cls = has_settings(target)
        if cls is None:
            raise ConfigError("The source rabbitmq has no settings.")
        given = self._given(self.conn_id)
        try:
            # Any name will do: it is the login that is looked at.
            settings = given.settings("rabbitmq", cls, "eventreplay-test")
            first = next(iter(target.check(settings)))
        except EventReplayError as error:
            return False, str(error)
        return first.ok, f"{first.detail} {first.hint}".rstrip()
