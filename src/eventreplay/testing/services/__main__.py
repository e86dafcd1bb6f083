"""`python -m eventreplay.testing.services`: servers to try things with, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from eventreplay.errors import EventReplayError
from eventreplay.testing.services import CephServer, PostgresServer, RabbitServer, S3Server, StandInServer

DESCRIPTION = """\
Start real servers on the loopback, print how to connect, and end them at Ctrl-C (their data goes too).
A server that a variable names (EVENTREPLAY_TEST_POSTGRES_URL, _RABBITMQ_URL, _S3_URL, _SNOWFLAKE_URL) is
taken as it is; otherwise a container, a program of this machine or the distribution's package is started."""


def _postgres(stack: ExitStack) -> dict[str, str]:
    server = stack.enter_context(PostgresServer.find())
    return {
        "POSTGRES_URL": server.url,
        "POSTGRES_HOST": server.host,
        "POSTGRES_PORT": str(server.port),
        "POSTGRES_DB": "postgres",
        "POSTGRES_USER": server.user,
        "POSTGRES_PASSWORD": server.password,
    }


def _rabbitmq(stack: ExitStack) -> dict[str, str]:
    server = stack.enter_context(RabbitServer.find())
    return {
        "RABBITMQ_URL": server.url,
        "RABBITMQ_HOST": server.host,
        "RABBITMQ_PORT": str(server.port),
        "RABBITMQ_VHOST": "/",
        "RABBITMQ_USER": server.user,
        "RABBITMQ_PASSWORD": server.password,
    }


def _s3(stack: ExitStack) -> dict[str, str]:
    server = stack.enter_context(S3Server.find())
    return {"S3_BUCKET": server.bucket(), **server.environment()}


def _ceph(stack: ExitStack) -> dict[str, str]:
    server = stack.enter_context(CephServer.find())
    return {"S3_BUCKET": server.bucket(), **server.environment()}


def _snowflake(stack: ExitStack) -> dict[str, str]:
    server = stack.enter_context(StandInServer.find())
    arguments = server.connect_args(server.database())
    return {f"SNOWFLAKE_{name.upper()}": str(value) for name, value in arguments.items()}


SERVICES: Mapping[str, Callable[[ExitStack], dict[str, str]]] = {
    "postgres": _postgres,
    "rabbitmq": _rabbitmq,
    "s3": _s3,
    "snowflake": _snowflake,
    "ceph": _ceph,
}
ON_DEMAND = {"ceph"}
"""A second S3, whose variables would stand in the way of the first one's."""


def main(arguments: list[str] | None = None) -> int:
    """Start what is named, print, wait for a signal; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m eventreplay.testing.services",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "services", nargs="*", metavar="SERVICE", help=f"of {', '.join(SERVICES)}; none: all but ceph"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON when all are ready")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.services) - set(SERVICES))
    if unknown:
        parser.error(f"no such service: {', '.join(unknown)} (there are {', '.join(SERVICES)})")
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    with ExitStack() as stack:
        try:
            _start(
                given.services or [name for name in SERVICES if name not in ON_DEMAND],
                stack,
                as_json=given.json,
            )
        except EventReplayError as error:
            sys.stderr.write(f"{error}\n")
            return error.exit_code
        signal.sigwait(STOPPING)
    return 0


STOPPING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def _start(names: list[str], stack: ExitStack, *, as_json: bool) -> None:
    ready: dict[str, dict[str, str]] = {}
    for name in dict.fromkeys(names):
        begun = time.monotonic()
        ready[name] = SERVICES[name](stack)
        if not as_json:
            sys.stdout.write(f"# {name}: ready after {time.monotonic() - begun:.1f} s\n")
            sys.stdout.writelines(f"export {key}='{value}'\n" for key, value in ready[name].items())
            sys.stdout.flush()
    sys.stdout.write(
        f"{json.dumps(ready)}\n" if as_json else "# Ctrl-C ends them all, and removes their data.\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
