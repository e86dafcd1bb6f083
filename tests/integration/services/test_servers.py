"""Each server starts, answers, survives what it promises to survive, and does not disturb its like."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pika
import psycopg2
import pytest
import snowflake.connector

from eventreplay.testing.services import NotOursError, PostgresServer, RabbitServer, S3Server, StandInServer
from eventreplay.testing.services.ports import free_port
from eventreplay.testing.services.s3 import Keys, client
from tests.integration.services.processes import alive, below, eventually

CONNECT_S = 10


def ask(url: str, statement: str, **arguments: Any) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url, connect_timeout=CONNECT_S, **arguments)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def publish(url: str, queue: str, body: bytes, kind: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": kind})
        properties = pika.BasicProperties(delivery_mode=2)
        channel.basic_publish("", queue, body, properties, mandatory=True)


def take(url: str, queue: str) -> bytes | None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        _, _, body = connection.channel().basic_get(queue, auto_ack=True)
    assert body is None or isinstance(body, bytes)
    return body


def test_postgresql_keeps_its_data_over_kills_and_stops() -> None:
    with PostgresServer.start({"max_prepared_transactions": "7", "fsync": "on"}) as server:
        url = server.database()
        ask(url, "CREATE TABLE kept AS SELECT 1 AS n")
        assert ask(url, "SHOW max_prepared_transactions") == [("7",)]
        assert ask(url, "SHOW fsync") == [("on",)]
        assert ask(url, "SHOW server_encoding") == [("UTF8",)]
        port = server.port
        for end in (server.kill, server.stop):
            end()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((server.host, port), timeout=CONNECT_S)
            server.restart()
            assert server.port == port
            assert ask(url, "SELECT n FROM kept") == [(1,)]
        server.restart()
        assert ask(url, "SELECT n FROM kept") == [(1,)]


def test_postgresql_asks_for_the_password(postgres_url: str) -> None:
    parts = urlsplit(postgres_url)
    wrong = parts._replace(netloc=f"postgres:wrong@{parts.hostname}:{parts.port}").geturl()
    with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
        psycopg2.connect(wrong)
    assert ask(postgres_url, "SHOW password_encryption") == [("scram-sha-256",)]


def test_postgresql_speaks_tls_that_can_be_verified() -> None:
    with PostgresServer.start(tls=True) as server:
        found = ask(
            server.url,
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
            sslmode="verify-full",
            sslrootcert=str(server.ca_file),
        )
    assert found == [(True,)]


def test_databases_are_empty_and_apart(postgres_server: PostgresServer) -> None:
    one, other = postgres_server.database(), postgres_server.database()
    ask(one, "CREATE TABLE t (n int)")
    assert ask(other, "SELECT to_regclass('t')") == [(None,)]
    postgres_server.drop(one)
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        psycopg2.connect(one)
    with pytest.raises(NotOursError):
        postgres_server.drop(one)
    postgres_server.drop(other)


def test_a_paused_server_stays_connected_and_silent() -> None:
    with PostgresServer.start() as server:
        connection = psycopg2.connect(server.url)
        try:
            server.pause()
            answers: list[Any] = []
            with connection.cursor() as cursor:
                asking = threading.Thread(
                    target=lambda: answers.append(cursor.execute("SELECT 1")), daemon=True
                )
                asking.start()
                asking.join(0.3)
                assert answers == []
                server.resume()
                asking.join(CONNECT_S)
                assert answers == [None]
        finally:
            connection.close()


@pytest.mark.long
def test_rabbitmq_keeps_confirmed_messages_over_a_kill_of_the_erlang_machine() -> None:
    with RabbitServer.start(config="consumer_timeout = 123456", tls=True, management=True) as server:
        url = server.vhost()
        publish(url, "quorum", b"kept", "quorum")
        publish(url, "classic", b"kept", "classic")
        assert "123456" in server.rabbitmqctl("eval", "application:get_env(rabbit, consumer_timeout).")
        # A quorum queue is noted on disk half a second after its declaration; see RabbitServer.kill.
        server.rabbitmqctl("eval", "[dets:sync(T) || T <- dets:all()].")
        before = alive(below(server.guarded.guard_pid)) - {server.guarded.guard_pid}
        assert "beam.smp" in names(before)
        assert "epmd" in names(before)
        server.kill()
        assert not alive(before)
        server.restart()
        assert take(url, "quorum") == b"kept"
        assert take(url, "classic") == b"kept"
        assert urlsplit(server.management_url or "").hostname == "127.0.0.1"
        assert server.tls_url is not None
        parameters = pika.URLParameters(server.tls_url)
        parameters.ssl_options.context.load_verify_locations(str(server.ca_file))
        pika.BlockingConnection(parameters).close()


def test_virtual_hosts_are_empty_and_apart(rabbitmq_server: RabbitServer) -> None:
    one, other = rabbitmq_server.vhost(), rabbitmq_server.vhost()
    publish(one, "q", b"for one", "classic")
    with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="no queue"):
        take(other, "q")
    assert take(one, "q") == b"for one"
    assert take(one, "q") is None


def test_nothing_of_rabbitmq_listens_beyond_the_loopback(rabbitmq_server: RabbitServer) -> None:
    inodes = sockets(below(rabbitmq_server.guarded.guard_pid))
    found = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    found += [line.split() for line in Path("/proc/net/tcp6").read_text("ascii").splitlines()[1:]]
    addresses = {words[1].split(":")[0] for words in found if words[3] == "0A" and words[9] in inodes}
    assert {"0100007F"} <= addresses <= {"0100007F", "00000000000000000000000001000000"}


def test_s3_has_conditional_puts_and_forgets_over_a_kill() -> None:
    with S3Server.start() as server:
        store = client(server.endpoint, Keys(server.access_key, server.secret_key))
        bucket = server.bucket()
        store.put_object(Bucket=bucket, Key="a", Body=b"first", IfNoneMatch="*")
        with pytest.raises(store.exceptions.ClientError, match="PreconditionFailed"):
            store.put_object(Bucket=bucket, Key="a", Body=b"second", IfNoneMatch="*")
        assert store.get_object(Bucket=bucket, Key="a")["Body"].read() == b"first"
        server.kill()
        server.restart()
        assert store.list_buckets()["Buckets"] == []
        store.close()


def test_the_environment_of_a_bucket_leads_to_the_store(s3_bucket: str) -> None:
    store = boto3.client("s3")
    assert store.list_objects_v2(Bucket=s3_bucket)["KeyCount"] == 0
    store.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_the_stand_in_keeps_what_was_committed() -> None:
    with StandInServer.start() as server:
        name = server.database()
        with snowflake.connector.connect(**server.connect_args(name)) as connection:
            connection.cursor().execute("CREATE TABLE kept AS SELECT 1 AS n")
        for end in (server.kill, server.stop):
            end()
            server.restart()
            with snowflake.connector.connect(**server.connect_args(name)) as connection:
                cursor = connection.cursor()
                cursor.execute("SELECT n FROM kept")
                assert cursor.fetchall() == [(1,)]
    # The connector does not close sockets whose server was killed; let that show here, where it is known.
    gc.collect()


def test_two_of_a_kind_started_at_once_do_not_clash() -> None:
    started: list[PostgresServer | S3Server] = []
    failures: list[BaseException] = []

    def start(kind: type[PostgresServer | S3Server]) -> None:
        try:
            started.append(kind.start())
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=start, args=(kind,)) for kind in (PostgresServer, S3Server) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert failures == []
        assert len({server.port for server in started}) == 4
        assert len({server.guarded.folder for server in started}) == 4
        for server in started:
            if isinstance(server, PostgresServer):
                assert ask(server.url, "SELECT 1") == [(1,)]
    finally:
        for server in started:
            server.close()


def test_a_port_that_was_taken_meanwhile_is_given_up(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    ports = iter([taken])
    monkeypatch.setattr(
        "eventreplay.testing.services.postgres.free_port", lambda: next(ports, None) or free_port()
    )
    with PostgresServer.start() as server:
        assert server.port != taken
        assert ask(server.url, "SELECT 1") == [(1,)]


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_setting_that_is_not_one_is_shown() -> None:
    with pytest.raises(Exception, match="no_such_setting"):
        PostgresServer.start({"no_such_setting": "1"})


def names(pids: set[int]) -> set[str]:
    return {Path(f"/proc/{pid}/comm").read_text("ascii").strip() for pid in pids}


def sockets(pids: set[int]) -> set[str]:
    """Inodes of the sockets that processes hold."""
    links = [str(link.readlink()) for pid in pids for link in Path(f"/proc/{pid}/fd").iterdir()]
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def test_closed_twice_is_closed() -> None:
    server = S3Server.start()
    folder, guard = server.guarded.folder, server.guarded.guard_pid
    server.close()
    server.close()
    assert eventually(lambda: not alive({guard}))
    assert not folder.exists()
