"""A test process to be killed: starts one server, says where its guard is, and waits for ever."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable

from eventreplay.testing.services import CephServer, PostgresServer, RabbitServer, S3Server, StandInServer

Server = PostgresServer | RabbitServer | S3Server | StandInServer
START: dict[str, Callable[[], Server]] = {
    "postgres": PostgresServer.start,
    "rabbitmq": RabbitServer.start,
    "s3": S3Server.start,
    "snowflake": StandInServer.start,
    "ceph": CephServer.start,
}


def main() -> None:
    server = START[sys.argv[1]]()
    sys.stdout.write(
        json.dumps({"guard": server.guarded.guard_pid, "folder": str(server.guarded.folder)}) + "\n"
    )
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()
