"""Read by mypy, never run: the types that programs and authors of plugins see and rely on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_type

import eventreplay
from eventreplay import Batch, Checkpoint, Event, EventReplayError, Log, Position, Settings, capture, replay
from eventreplay.capture import CaptureReceipt
from eventreplay.config import load_settings
from eventreplay.interfaces import Codec, QueueSource, Sink, Source
from eventreplay.registry import Plugin, load, plugins
from eventreplay.replay import ReplayReceipt
from eventreplay.secret import Secret


def verbs_are_functions(source: Source, sink: Sink, codec: Codec, log: Log) -> None:
    assert_type(capture(source, log, "journal"), CaptureReceipt)
    assert_type(replay(log, sink, codec), ReplayReceipt)
    capture(source, log, "journal", upto=Position(7))
    replay(log, sink)  # type: ignore[call-arg] # a replay needs a codec


def values(event: Event, checkpoint: Checkpoint) -> None:
    assert_type(event.source_position, int | None)
    assert_type(event.payload, bytes)
    assert_type(checkpoint.position, int)
    assert_type(Batch.from_events([event]).rows, int)
    assert_type(Log.open("log"), Log)
    assert_type(eventreplay.__version__, str)
    event.event_id = "other"  # type: ignore[misc] # events do not change


def settings() -> None:
    assert_type(Settings().workers, int)
    assert_type(load_settings(arguments={"workers": 2}), Settings)
    Settings(workers="2")  # type: ignore[arg-type] # a number
    Settings(worker=2)  # type: ignore[call-arg] # no such setting
    assert_type(Secret("x").reveal(), str)


def names() -> None:
    assert_type(load("source", "files"), Callable[..., Source | QueueSource])
    assert_type(load("sink", "duckdb"), Callable[..., Sink])
    assert_type(load("codec", "protobuf"), Callable[..., Codec])
    assert_type(load("schema", "sportscards"), Callable[..., Any])
    assert_type(plugins(), list[Plugin])
    load("sinks", "duckdb")  # type: ignore[call-overload] # kinds are named in the singular


def errors(error: EventReplayError) -> None:
    assert_type(error.retryable, bool)
    assert_type(error.hint, str)
    assert_type(error.fields, dict[str, object])
