"""The queue that is drained: declared, filled before every turn, and how its clients find it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pika

from benchmarks.contest import METER, child

FILL_S_MAX = 1800.0


def environment(url: str) -> dict[str, str]:
    """Variables that clients read; the password stays out of every command line."""
    parts = urlsplit(url)
    return {
        "BENCHMARK_URL": url,
        "BENCHMARK_HOST": parts.hostname or "127.0.0.1",
        "BENCHMARK_PORT": str(parts.port or 5672),
        "BENCHMARK_USER": unquote(parts.username or "guest"),
        "BENCHMARK_PASSWORD": unquote(parts.password or "guest"),
        "BENCHMARK_VHOST": unquote(parts.path.lstrip("/")) or "/",
    }


def declare(url: str, queue: str, kind: str) -> None:
    """A durable queue of `kind`, classic or quorum."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_declare(queue, durable=True, arguments={"x-queue-type": kind})


def fill(url: str, client: Path | None, queue: str, events: int, body_bytes: int) -> None:
    """Empty `queue`, then publish `events` persistent messages, by the C client if there is one."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_purge(queue)
    if client is None:
        command = child("queue.pika_child", "publish", queue, events, body_bytes)
    else:
        command = [str(client), "publish", queue, str(events), str(body_bytes)]
    subprocess.run(
        command,
        check=True,
        stdout=sys.stderr,
        timeout=FILL_S_MAX,
        env={**os.environ, **environment(url)},
        cwd=METER.parents[1],
    )
