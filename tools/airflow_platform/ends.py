"""The real ends of the platform on this machine, and how Airflow is told of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any, Self
from urllib.parse import quote, urlsplit

import psycopg2
from attrs import field, frozen
from psycopg2 import sql

from eventreplay.testing.services import PostgresServer, RabbitServer, S3Server, StandInServer
from eventreplay.testing.services.s3 import REGION

Note = Callable[[str], None]
"""Is told what is being done, in a few words."""


def _password() -> str:
    """One with every character that a URL, a shell or JSON writes otherwise."""
    return f"{secrets.token_urlsafe(12)}/@:%&'\"\\ #?"


def quiet(_: str) -> None:
    """Tells nobody."""


@frozen(kw_only=True)
class Ends:
    """Servers, and one login for each of them.

    Attributes:
        postgres, rabbitmq, s3, snowflake: the servers.
        journal: postgresql:// URL of the journals' database, of its owner.
        reader: the role that reads journals and can do nothing else.
        password: the role's.
        broker: amqp:// URL of a virtual host.
        bucket: for logs.
        access_key, secret_key: whose requests the bucket gets.
    """

    postgres: PostgresServer
    rabbitmq: RabbitServer
    s3: S3Server
    snowflake: StandInServer
    journal: str
    reader: str
    broker: str
    bucket: str
    password: str = field(factory=_password, repr=False)
    access_key: str = field(factory=lambda: f"AK{secrets.token_hex(8).upper()}")
    secret_key: str = field(factory=lambda: secrets.token_urlsafe(30), repr=False)

    @classmethod
    def find(cls, stack: ExitStack, note: Note = quiet) -> Self:
        """Servers that variables name, or new ones, which `stack` ends."""
        kinds: tuple[Any, ...] = (PostgresServer, RabbitServer, S3Server, StandInServer)
        note("PostgreSQL, RabbitMQ, S3 and the Snowflake stand-in start")
        with ThreadPoolExecutor(len(kinds)) as pool:
            begun = [pool.submit(kind.find) for kind in kinds]
        errors = [error for each in begun if (error := each.exception()) is not None]
        servers = [stack.enter_context(each.result()) for each in begun if each.exception() is None]
        if errors:
            raise errors[0]
        note("they are ready")
        return cls.of(*servers)

    @classmethod
    def of(
        cls, postgres: PostgresServer, rabbitmq: RabbitServer, s3: S3Server, snowflake: StandInServer
    ) -> Self:
        """Places and logins of their own on servers that run."""
        ends = cls(
            postgres=postgres,
            rabbitmq=rabbitmq,
            s3=s3,
            snowflake=snowflake,
            journal=postgres.database(),
            reader=f"reader_{secrets.token_hex(4)}",
            broker=rabbitmq.vhost(),
            bucket=s3.bucket(),
        )
        role, database = sql.Identifier(ends.reader), sql.Identifier(urlsplit(ends.journal).path[1:])
        ends.as_owner(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(ends.password)),
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, role),
        )
        return ends

    def as_owner(self, *statements: sql.Composable) -> None:
        """Run statements in the journals' database, in one transaction."""
        with closing(psycopg2.connect(self.journal)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    def connections(self) -> dict[str, Mapping[str, Any]]:
        """Airflow's connections, under the ids that the DAGs know."""
        broker, login = urlsplit(self.broker), self.snowflake.connect_args()
        extra = {name: login[name] for name in ("account", "host", "port", "protocol")}
        extra |= {name: login[name] for name in ("role", "warehouse") if name in login}
        return {
            "eventreplay_journal": {
                "conn_type": "postgres",
                "host": self.postgres.host,
                "port": self.postgres.port,
                "schema": urlsplit(self.journal).path[1:],
                "login": self.reader,
                "password": self.password,
            },
            "eventreplay_queue": {
                "conn_type": "amqp",
                "host": self.rabbitmq.host,
                "port": self.rabbitmq.port,
                "schema": broker.path[1:],
                "login": self.rabbitmq.user,
                "password": self.rabbitmq.password,
            },
            "eventreplay_log": {
                "conn_type": "aws",
                "login": self.access_key,
                "password": self.secret_key,
                "extra": {"endpoint_url": self.s3.endpoint, "region_name": REGION},
            },
            "eventreplay_warehouse": {
                "conn_type": "snowflake",
                "login": login["user"],
                "password": login["password"],
                "extra": extra,
            },
        }

    def secrets(self) -> dict[str, str]:
        """What must be seen nowhere, by what it is."""
        return {
            "the journal's password": self.password,
            "the journal's password in a URL": quote(self.password, safe=""),
            "the broker's password": self.rabbitmq.password,
            "the bucket's secret key": self.secret_key,
            "the warehouse's password": self.snowflake.password,
        }

    def wrong(self) -> tuple[dict[str, Mapping[str, Any]], dict[str, str]]:
        """The same connections with passwords that are refused, under ids with `wrong_` for `eventreplay_`.

        Returns:
            The connections; their passwords, by id.
        """
        right = self.connections()
        given = {name.replace("eventreplay_", "wrong_"): _password() for name in right}
        made: dict[str, Mapping[str, Any]] = {
            name: {**right[name.replace("wrong_", "eventreplay_")], "password": password}
            for name, password in given.items()
        }
        return made, given
