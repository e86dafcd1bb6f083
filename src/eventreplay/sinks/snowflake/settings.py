"""What has to be known of a Snowflake account before a connection is opened; no driver is loaded here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import ClassVar, Literal

from attrs import field, fields, frozen

from eventreplay import bounds
from eventreplay.errors import ConfigError
from eventreplay.secret import Secret
from eventreplay.sinks.snowflake.names import identifier, plain_identifier

LoginMethod = Literal["key_pair", "oauth", "password"]

_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,254}")
_S3 = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[A-Za-z0-9._=/-]*))?")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/?")
_QUERY_TAG_CHARACTERS_MAX = 2000


@frozen(kw_only=True)
class SnowflakeSettings:
    """An account, a login, where RAW stands, how files get there, and the bounds of it all.

    Exactly one way to log in: a key pair (`private_key_file` or `private_key`), an OAuth `token`, or a
    `password`. Names of objects are plain (`analytics`, folded to upper case as Snowflake does) or in double
    quotes (taken letter by letter).

    Attributes:
        account: account identifier, e.g. `myorg-myaccount`.
        user: who logs in.
        password: of the user.
        private_key_file: path of a PEM file with the user's private key.
        private_key: the PEM text itself.
        private_key_passphrase: of an encrypted key.
        token: an OAuth access token.
        role: role to work with; None: the user's default.
        warehouse: warehouse to work with; None: the user's default.
        database: database that holds RAW.
        raw_schema: schema of the tables EVENTS, QUARANTINE, CHECKPOINTS and CHECKPOINT_LOCK.
        host: server to talk to, for private link and stand-ins; None: derived from the account.
        port: of that server; None: the protocol's.
        protocol: `https`; `http` is accepted for loopback addresses only.
        stage: `internal` (files go up by PUT) or `s3://bucket/prefix` (files go up through S3's API).
        stage_name: the stage in `raw_schema`; an external one must point to exactly `stage`.
        stage_region, stage_endpoint: where an external stage's bucket is; None: as boto3 finds it.
        stage_access_key_id, stage_secret_access_key, stage_session_token: whose keys put files there; None:
            those that boto3's chain finds.
        storage_integration: used by `init` when it creates an external stage.
        create_tables: create what is missing when a sink opens; else only `init` creates.
        query_tag: tags every statement in the query history; never put a secret here.
        login_timeout_s: for logging in, with the driver's repeats.
        network_timeout_s: for one request with the driver's repeats; without it, the driver repeats for ever.
        socket_timeout_s: for one connect or read.
        statement_timeout_s: after which Snowflake ends a statement.
        lock_timeout_s: for another load's transaction to end. Snowflake ends an abandoned transaction that
            others wait for after 5 minutes, so this is longer.
        transaction_rows_min: rows a transaction has at least, while the log has them; see decision 021.
        file_bytes_max: size at which a staged Parquet file is closed and uploaded.
        row_group_rows_max: rows buffered in memory per table before they are written to the file.
        leftover_age_s: staged files of a run that died are removed when they are this old.
    """

    PLACE: ClassVar[str] = "database"
    ENVIRONMENT: ClassVar[Mapping[str, str]] = {
        "account": "SNOWFLAKE_ACCOUNT",
        "user": "SNOWFLAKE_USER",
        "password": "SNOWFLAKE_PASSWORD",
        "private_key_file": "SNOWFLAKE_PRIVATE_KEY_FILE",
        "private_key": "SNOWFLAKE_PRIVATE_KEY",
        "private_key_passphrase": "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE",
        "token": "SNOWFLAKE_TOKEN",
        "role": "SNOWFLAKE_ROLE",
        "warehouse": "SNOWFLAKE_WAREHOUSE",
        "database": "SNOWFLAKE_DATABASE",
        "host": "SNOWFLAKE_HOST",
        "port": "SNOWFLAKE_PORT",
        "protocol": "SNOWFLAKE_PROTOCOL",
    }

    account: str
    user: str
    database: str
    password: Secret | None = None
    private_key_file: str | None = None
    private_key: Secret | None = None
    private_key_passphrase: Secret | None = None
    token: Secret | None = None
    role: str | None = None
    warehouse: str | None = None
    raw_schema: str = "RAW"
    host: str | None = None
    port: int | None = None
    protocol: Literal["https", "http"] = "https"
    stage: str = "internal"
    stage_name: str = "EVENTREPLAY_STAGE"
    stage_region: str | None = None
    stage_endpoint: str | None = None
    stage_access_key_id: str | None = field(default=None, repr=False)
    stage_secret_access_key: Secret | None = None
    stage_session_token: Secret | None = None
    storage_integration: str | None = None
    create_tables: bool = False
    query_tag: str = "eventreplay"
    login_timeout_s: int = 60
    network_timeout_s: int = 300
    socket_timeout_s: int = 120
    statement_timeout_s: int = 3600
    lock_timeout_s: int = 600
    transaction_rows_min: int = 500_000
    file_bytes_max: int = 128 << 20
    row_group_rows_max: int = 65_536
    leftover_age_s: int = 86_400

    def __attrs_post_init__(self) -> None:
        self._check_account()
        self._check_login()
        self._check_names()
        for each in fields(SnowflakeSettings):
            if each.name.endswith(("_s", "_min", "_max")):
                bounds.whole(self, each.name, 1)
        if self.stage != "internal" and _S3.fullmatch(self.stage) is None:
            raise ConfigError(
                "The stage is neither `internal` nor an address such as s3://bucket/prefix.",
                hint="Prefixes have letters, digits and . _ = - / only; credentials never stand in them.",
                setting="stage",
            )
        if self.stage != "internal" and any(
            part in ("", ".", "..") for part in self.bucket_and_prefix[1].split("/")[:-1]
        ):
            raise ConfigError(
                "The prefix of the stage has an empty part, `.` or `..`.",
                hint="Write it plainly, e.g. s3://bucket/eventreplay.",
                setting="stage",
            )
        self._check_stage_keys()
        if len(self.query_tag) > _QUERY_TAG_CHARACTERS_MAX:
            raise ConfigError("query_tag is too long.", hint="2000 characters at most.", setting="query_tag")

    def _check_stage_keys(self) -> None:
        if (self.stage_access_key_id is None) != (self.stage_secret_access_key is None):
            raise ConfigError(
                "stage_access_key_id and stage_secret_access_key go together.",
                hint="Give both, or none for boto3's chain.",
                setting="stage_access_key_id",
            )
        if self.stage_session_token is not None and self.stage_access_key_id is None:
            raise ConfigError(
                "stage_session_token has no keys beside it.",
                hint="Give stage_access_key_id and stage_secret_access_key too.",
                setting="stage_session_token",
            )
        endpoint = self.stage_endpoint
        if endpoint is not None and _ENDPOINT.fullmatch(endpoint) is None:
            raise ConfigError(
                "stage_endpoint is no plain URL of http or https.",
                hint="Write https://host:port alone; credentials never stand in it.",
                setting="stage_endpoint",
            )

    def _check_account(self) -> None:
        if _ACCOUNT.fullmatch(self.account) is None:
            raise ConfigError(
                "The Snowflake account is empty or has characters no account has.",
                hint="Give the identifier, e.g. myorg-myaccount, without https:// and without a path.",
                setting="account",
            )
        if not self.user or "\x00" in self.user:
            raise ConfigError("The Snowflake user is empty.", hint="Set user.", setting="user")
        if self.host is not None and _HOST.fullmatch(self.host) is None:
            raise ConfigError(
                "The host is malformed.", hint="A name or an address, without a scheme.", setting="host"
            )
        bounds.port(self)
        if self.protocol == "http" and not _is_loopback(self.host):
            raise ConfigError(
                "protocol http would send the login unencrypted.",
                hint="Use https; http is for a stand-in on this machine (host 127.0.0.1).",
                setting="protocol",
            )

    def _check_login(self) -> None:
        given = [
            name
            for name in ("private_key_file", "private_key", "token", "password")
            if getattr(self, name) is not None
        ]
        if len(given) != 1:
            raise ConfigError(
                f"Snowflake needs exactly one way to log in; given: {', '.join(given) or 'none'}.",
                hint="Set private_key_file (recommended), private_key, token or password.",
                setting="private_key_file",
                given=given,
            )
        if self.private_key_passphrase is not None and self.login_method != "key_pair":
            raise ConfigError(
                "private_key_passphrase is set without a private key.",
                hint="Set private_key_file, or leave the passphrase out.",
                setting="private_key_passphrase",
            )

    def _check_names(self) -> None:
        for name in ("database", "raw_schema", "role", "warehouse", "storage_integration"):
            value = getattr(self, name)
            if value is not None:
                identifier(value, setting=name)
        plain_identifier(self.stage_name, setting="stage_name")

    @property
    def login_method(self) -> LoginMethod:
        """How the login is made, by what is given."""
        if self.password is not None:
            return "password"
        return "oauth" if self.token is not None else "key_pair"

    @property
    def schema_names(self) -> tuple[str, str]:
        """Exact names of the database and of the RAW schema."""
        return (
            identifier(self.database, setting="database"),
            identifier(self.raw_schema, setting="raw_schema"),
        )

    @property
    def stage_identifier(self) -> str:
        """Exact name of the stage."""
        return plain_identifier(self.stage_name, setting="stage_name")

    @property
    def bucket_and_prefix(self) -> tuple[str, str]:
        """Of an external stage: the bucket, and the prefix ending in `/` unless it is empty."""
        found = _S3.fullmatch(self.stage)
        if found is None:
            raise ConfigError("The stage is internal: it has no bucket.", setting="stage")
        prefix = (found["prefix"] or "").rstrip("/")
        return found["bucket"], f"{prefix}/" if prefix else ""


def _is_loopback(host: str | None) -> bool:
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
