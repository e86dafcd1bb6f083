"""What connections of each type say, in the words of Airflow's own providers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from eventreplay_airflow.connections import Reading, has_field

HOST, PORT, LOGIN, PASSWORD, SCHEMA = (
    f"the field {name}" for name in ("host", "port", "login", "password", "schema")
)


@frozen
class ConnectionKind:
    """How connections for one end are read.

    Attributes:
        usual: the connection that is looked for if none is named.
        types: types it may have.
        read: takes what it knows; the rest is taken by the settings' own names.
    """

    usual: str
    types: tuple[str, ...]
    read: Callable[[Reading], None]


def _postgres(reading: Reading) -> None:
    reading.move("host", HOST)
    reading.move("port", PORT)
    reading.move("user", LOGIN)
    reading.move("password", PASSWORD)
    reading.move("database", SCHEMA)
    reading.move("connect_timeout_s", "connect_timeout")
    reading.move("keepalive_idle_s", "keepalives_idle")
    # They say how rows come to a cursor, or who is named in the server's list: not what is read.
    reading.drop("cursor", "application_name", "fallback_application_name", "client_encoding")
    reading.drop("keepalives", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
    for name in ("iam", "azure_conn_id", "redshift"):
        if _is_false(reading.take(name)) is False:
            reading.refuse(name, "asks for a login that is not supported", "Give a login and a password.")


def _amqp(reading: Reading) -> None:
    reading.move("host", HOST)
    reading.move("port", PORT)
    reading.move("user", LOGIN)
    reading.move("password", PASSWORD)
    reading.move("vhost", SCHEMA)
    if reading.conn_type == "amqps":
        reading.put("tls", value=True, name="the connection's type")
    reading.move("tls", "ssl")
    reading.move("ca_file", "cafile", "ca_cert")
    reading.move("cert_file", "certfile", "client_cert")
    reading.move("key_file", "keyfile", "client_key")
    reading.move("heartbeat_s", "heartbeat")
    # How a client waits and calls itself is ours to say.
    reading.drop("connection_attempts", "retry_delay", "blocked_connection_timeout", "client_properties")


def _aws(reading: Reading) -> None:
    reading.move("access_key_id", LOGIN, "aws_access_key_id")
    reading.move("secret_access_key", PASSWORD, "aws_secret_access_key")
    reading.move("session_token", "aws_session_token")
    reading.move("region", "region_name")
    reading.move("endpoint", "endpoint_url")
    reading.move("role_external_id", "external_id")
    reading.move("profile", "profile_name")
    _session(reading)
    _services(reading)
    _verify(reading)
    method = reading.take("assume_role_method", default="assume_role")
    if method != "assume_role":
        reading.refuse("assume_role_method", "is not assume_role", "Roles are assumed by assume_role only.")


def _session(reading: Reading) -> None:
    """`session_kwargs`: what boto3's session is made with."""
    given = reading.take("session_kwargs", default={})
    words = {"profile_name": "profile", "region_name": "region", "aws_session_token": "session_token"}
    if not isinstance(given, Mapping) or not set(given) <= set(words):
        reading.refuse("session_kwargs", f"is not made of {', '.join(sorted(words))}")
    for name, value in given.items():
        reading.put(words[name], value, f"session_kwargs.{name}")


def _services(reading: Reading) -> None:
    """`service_config`: of its services, S3 is asked."""
    given = reading.take("service_config", default={})
    store = given.get("s3", {}) if isinstance(given, Mapping) else None
    # The bucket stands in the log's URL.
    if not isinstance(store, Mapping) or not set(store) <= {"endpoint_url", "bucket_name"}:
        reading.refuse("service_config", "has more under s3 than endpoint_url and bucket_name")
    if store.get("endpoint_url"):
        reading.put("endpoint", store["endpoint_url"], "service_config.s3.endpoint_url")


def _verify(reading: Reading) -> None:
    """`verify`: certificates are always checked, by a file of authorities or the system's."""
    given = reading.take("verify")
    if _is_false(given) is True and given is not None:
        reading.refuse("verify", "turns the check of certificates off", "Give the path of a CA file.")
    if isinstance(given, str) and given.lower() != "true":
        reading.put("ca_file", given, "verify")


def _snowflake(reading: Reading) -> None:
    reading.move("host", HOST)
    reading.move("port", PORT)
    reading.move("user", LOGIN)
    region = reading.take("region")
    account = reading.take("account")
    if account is not None:
        reading.put("account", f"{account}.{region}" if region else account, "account")
    elif region is not None:
        reading.refuse("region", "stands without account")
    content = reading.take("private_key_content")
    if content is not None:
        reading.put("private_key", _pem(reading, str(content)), "private_key_content")
    has_key = "private_key" in reading.values or bool({"private_key", "private_key_file"} & set(reading.left))
    # As Airflow's own provider does: beside a key, the password is the key's.
    reading.move("private_key_passphrase" if has_key else "password", PASSWORD)
    _login(reading, has_key=has_key)
    _session_parameters(reading)
    # Names are given in full, and RAW's schema by raw_schema; the rest is how a driver keeps things.
    reading.drop(SCHEMA, "application", "client_session_keep_alive", "ocsp_fail_open")
    reading.drop("client_request_mfa_token", "client_store_temporary_credential")
    for name in ("insecure_mode", "disable_ocsp_checks"):
        if _is_false(reading.take(name)) is False:
            reading.refuse(name, "turns a check of certificates off", "Remove it.")


def _login(reading: Reading, *, has_key: bool) -> None:
    way = str(reading.take("authenticator", default="")).lower()
    fits = {
        "": True,
        "snowflake": not has_key and "token" not in reading.left,
        "snowflake_jwt": has_key,
        "oauth": "token" in reading.left,
    }
    if not fits.get(way, False):
        reading.refuse(
            "authenticator",
            "does not fit the rest, or is not supported",
            "Give a key pair (snowflake_jwt), an OAuth token (oauth) or a password (snowflake).",
        )


def _session_parameters(reading: Reading) -> None:
    given = reading.take("session_parameters", default={})
    if not isinstance(given, Mapping) or not {str(name).upper() for name in given} <= {"QUERY_TAG"}:
        reading.refuse("session_parameters", "has more than QUERY_TAG")
    for value in given.values():
        reading.put("query_tag", value, "session_parameters.QUERY_TAG")


def _pem(reading: Reading, content: str) -> str:
    """A private key as Airflow's provider takes it: PEM, or PEM in base64."""
    if content.lstrip().startswith("-----BEGIN"):
        return content
    try:
        return base64.b64decode(content, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        reading.refuse("private_key_content", "is neither PEM nor PEM in base64")


def _is_false(value: Any) -> bool | None:
    """Whether a flag is off (or not there); None if it is no flag."""
    if value is None or value is False:
        return True
    if value is True:
        return False
    text = str(value).lower()
    return {"false": True, "": True, "true": False}.get(text)


def other(cls: type) -> Callable[[Reading], None]:
    """How a connection for somebody else's end is read: its own fields, where the settings have them."""

    def read(reading: Reading) -> None:
        for name, targets in {
            HOST: ("host",),
            PORT: ("port",),
            LOGIN: ("user", "login"),
            PASSWORD: ("password",),
            SCHEMA: ("database", "schema"),
        }.items():
            for target in targets:
                if has_field(cls, target):
                    reading.move(target, name)

    return read


KINDS: Mapping[str, ConnectionKind] = {
    "postgres": ConnectionKind("eventreplay_journal", ("postgres", "postgresql"), _postgres),
    "rabbitmq": ConnectionKind("eventreplay_queue", ("amqp", "amqps"), _amqp),
    "s3": ConnectionKind("eventreplay_log", ("aws", "s3"), _aws),
    "snowflake": ConnectionKind("eventreplay_warehouse", ("snowflake",), _snowflake),
}
"""By the name of the end."""
