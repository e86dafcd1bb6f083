"""From a confirmed publish to a commit in the log, at a steady rate, beside a consumer that keeps nothing."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time

import pika
from attrs import frozen

from benchmarks.contest import METER, ContestError, child
from benchmarks.latency.publisher import STAMP_PREFIX
from benchmarks.queue import broker, client
from benchmarks.report import Ratio, Report, say
from eventreplay.testing.services import RabbitServer

READY_S_MAX = 30.0
LOOK_EACH_S = 0.05
END_S_MAX = 300.0
SYNC_TIMES = 50
BODY_BYTES = 300

Figures = dict[str, float]


@frozen(kw_only=True)
class Options:
    """What is measured.

    Attributes:
        rates: messages per second, comma-separated.
        seconds: how long each is kept up.
        age_max_ms: age at which the service loop commits what it holds.
        kind: type of the queue.
    """

    rates: str = "1000,10000"
    seconds: int = 10
    age_max_ms: int = 250
    kind: str = "quorum"


def measure(options: Options) -> Report:
    """Percentiles of the time from due-to-be-published to durable, per rate."""
    report: Report = {}
    ratios: list[Ratio] = []
    bound = f"age bound {options.age_max_ms} ms"
    with RabbitServer.start() as server:
        for rate in (int(each) for each in options.rates.split(",")):
            events = rate * options.seconds
            ours = _one(
                server.vhost(),
                options,
                rate,
                child("latency.receivers", "ours", "{queue}", options.kind, events, options.age_max_ms),
            )
            raw = _one(
                server.vhost(),
                options,
                rate,
                child("latency.receivers", "raw", "{queue}", options.kind, events, options.age_max_ms),
            )
            bare = _one(server.vhost(), options, rate, child("latency.receivers", "bare", "{queue}", events))
            per_commit = int(events * BODY_BYTES / max(1.0, ours["commits"]))
            disk = _run(child("latency.receivers", "synced", per_commit, SYNC_TIMES))
            report[f"{rate:,}/s, publish to durable in the log ({bound}, {options.kind} queue)"] = ours
            report[f"{rate:,}/s, publish to row in DuckDB, by `live` ({bound}, {options.kind} queue)"] = raw
            report[f"{rate:,}/s, publish to a bare pika consumer"] = bare
            report[f"{rate:,}/s, write and sync of one commit's bytes (limit)"] = disk
            ratios += [
                Ratio(
                    title=f"{rate:,}/s: p99, seconds", value=ours["p99 ms"] / 1e3, target="< 1 at 10,000/s"
                ),
                Ratio(
                    title=f"{rate:,}/s: p99 / (age bound + p99 of a bare consumer + of a sync)",
                    value=ours["p99 ms"] / (options.age_max_ms + bare["p99 ms"] + disk["p99 ms"]),
                ),
            ]
    report["ratios"] = [{"title": each.title, "value": each.value, "target": each.target} for each in ratios]
    report["notes"] = [
        f"{options.seconds} s per rate; the clock runs from when a message was due to its commit",
        f"load average now {os.getloadavg()[0]:.2f}",
    ]
    return report


def _one(url: str, options: Options, rate: int, receiver: list[str]) -> Figures:
    """One publisher and one receiver, each a process; figures of the receiver, and the publisher's delay."""
    queue = f"latency-{rate}"
    broker.declare(url, queue, options.kind)
    environment = {**os.environ, **broker.environment(url)}
    command = [queue if each == "{queue}" else each for each in receiver]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, cwd=METER.parents[1]
    ) as process:
        try:
            _wait_for_consumer(url, queue, process)
            say(f"  {rate:,}/s for {options.seconds} s: {receiver[5]}")
            sent = _run(_publisher(queue, rate, options), broker.environment(url))
            output, _ = process.communicate(timeout=END_S_MAX)
        finally:
            if process.poll() is None:
                process.kill()
    if process.returncode != 0:
        raise ContestError(f"The receiver ended with {process.returncode}; what it said stands above.")
    found: Figures = json.loads(output.splitlines()[-1])
    return {**found, "publisher late, ms, at most": sent["late_ms"]}


def _publisher(queue: str, rate: int, options: Options) -> list[str]:
    """The client in C, which takes least from those that are measured; pika where it cannot be built."""
    program, _ = client.build()
    if program is None:
        return child("latency.publisher", "run", queue, rate, options.seconds, BODY_BYTES)
    numbers = (str(rate), str(options.seconds), str(BODY_BYTES))
    return [str(program), "steady", queue, *numbers, STAMP_PREFIX]


def _wait_for_consumer(url: str, queue: str, process: subprocess.Popen[str]) -> None:
    pause = threading.Event()
    end_s = time.monotonic() + READY_S_MAX
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        while channel.queue_declare(queue, passive=True).method.consumer_count == 0:
            if process.poll() is not None or time.monotonic() > end_s:
                raise ContestError("The receiver did not come to the queue; what it said stands above.")
            pause.wait(LOOK_EACH_S)


def _run(command: list[str], more: dict[str, str] | None = None) -> Figures:
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=END_S_MAX,
        env={**os.environ, **(more or {})},
        cwd=METER.parents[1],
    )
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found
