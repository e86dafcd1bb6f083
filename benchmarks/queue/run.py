"""RabbitMQ into a folder log, against the bare consume loops of pika and of a client in C."""

from __future__ import annotations

import tempfile
from pathlib import Path

from attrs import frozen

from benchmarks.contest import Contestant, child, contest
from benchmarks.queue import broker, client
from benchmarks.queue.pika_child import ACK_EACH, PREFETCH
from benchmarks.report import Measured, Ratio, Report, rates, ratio
from eventreplay.testing.services import RabbitServer

LOG = "queue to log"
RECEIVE = "receive and settle, no log"
BLOCKING = "pika, BlockingConnection"
SELECT = "pika, SelectConnection"
C_CLIENT = "C client (limit)"


@frozen(kw_only=True)
class Options:
    """What is measured.

    Attributes:
        events: messages per turn.
        body_bytes: length of a body.
        turns: how often each is measured.
        kinds: queue types, comma-separated.
    """

    events: int = 300_000
    body_bytes: int = 300
    turns: int = 3
    kinds: str = "classic,quorum"


def measure(options: Options) -> Report:
    """Events per second, CPU and peak memory of each way, for each type of queue."""
    found: list[Measured] = []
    ratios: list[Ratio] = []
    program, why_not = client.build()
    with (
        tempfile.TemporaryDirectory(prefix="eventreplay-bench-") as folder,
        RabbitServer.start() as server,
    ):
        for kind in options.kinds.split(","):
            url = server.vhost()
            broker.declare(url, kind, kind)
            measured = contest(_contestants(url, kind, folder, program, options), options.turns)
            found += measured
            ratios += _ratios(measured, kind, program)
    notes = [
        f"bodies of {options.body_bytes} bytes, persistent; every queue is full before the clock starts",
        f"prefetch {PREFETCH:,}, an acknowledgement per {ACK_EACH} messages; ours after a synced commit",
    ]
    return rates(found, ratios, [*notes, *([] if program else [f"no client in C: {why_not}"])])


def _contestants(
    url: str, kind: str, folder: str, program: Path | None, options: Options
) -> list[Contestant]:
    def fill() -> dict[str, str]:
        broker.fill(url, program, kind, options.events, options.body_bytes)
        return broker.environment(url)

    commands = {
        LOG: child("queue.ours", "to_log", kind, kind, options.events, folder),
        RECEIVE: child("queue.ours", "receive_only", kind, kind, options.events),
        BLOCKING: child("queue.pika_child", "blocking", kind, options.events),
        SELECT: child("queue.pika_child", "select", kind, options.events),
    }
    if program is not None:
        commands[C_CLIENT] = [
            *(str(program), "consume", kind, str(options.events)),
            *(str(PREFETCH), str(ACK_EACH)),
        ]
    return [
        Contestant(
            title=f"{kind}: {title}",
            command=command,
            events=options.events,
            prepare=fill,
        )
        for title, command in commands.items()
    ]


def _ratios(found: list[Measured], kind: str, program: Path | None) -> list[Ratio]:
    by_title = {each.title: each for each in found}
    peers = [by_title[f"{kind}: {BLOCKING}"], by_title[f"{kind}: {SELECT}"]]
    fastest = max(peers, key=lambda each: each.rate)
    log, receive = f"{kind}: {LOG}", f"{kind}: {RECEIVE}"
    ratios = [ratio(found, log, fastest.title, "0.9"), ratio(found, receive, fastest.title)]
    if program is not None:
        limit = f"{kind}: {C_CLIENT}"
        ratios += [ratio(found, log, limit), ratio(found, receive, limit)]
    ratios.append(
        Ratio(
            title=f"CPU per message, {receive} / {fastest.title}",
            value=by_title[receive].cpu_us / fastest.cpu_us,
        )
    )
    return ratios
