"""One run, inside its own process: a range of the log through the codec into a warehouse of its own."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs

from eventreplay.errors import EventReplayError
from eventreplay.log import Log
from eventreplay.log.s3 import S3Settings
from eventreplay.prove.codecs import CodecName
from eventreplay.replay import replay
from eventreplay.secret import Secret
from eventreplay.sinks.duckdb import DuckDBSink

REPLAY_ID = "prove"
_RELEASES = ("eventreplay", "pyarrow", "duckdb")


def work(
    request: Mapping[str, Any], effects: Mapping[str, object], tell: Callable[[int], None]
) -> dict[str, object]:
    """Do what a request asks for.

    Args:
        request: of `request_of`.
        effects: the surroundings, which go back with the result.
        tell: told of rows loaded.

    Returns:
        `done` with what was loaded, or `error` with kind, message and hint; never raises.
    """
    try:
        return {"done": {**_run(request, tell), "effects": dict(effects)}}
    except EventReplayError as error:
        facts = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
        return {"error": {**facts, "exit_code": error.exit_code, "retryable": error.retryable}}
    except Exception as error:  # noqa: BLE001 - a codec may raise anything; its text may quote data
        traceback.print_exc()
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}, in {frame.name}"
        return {"error": {"kind": type(error).__name__, "message": "", "place": place}}


def _run(request: Mapping[str, Any], tell: Callable[[int], None]) -> dict[str, object]:
    how = request["how"]
    log = Log.open(request["log"], s3=_s3_of(request["s3"]))
    codec = CodecName.from_json(request["codec"]).make()
    ranges = [
        log.between(part["partition"], after=part["after"], upto=part["upto"]) for part in request["ranges"]
    ]
    begun_s = time.monotonic()
    clock = _clock(*request["clock"])
    with DuckDBSink(request["warehouse"], clock=clock, threads=how["sink_threads"]) as sink:
        receipt = replay(
            log,
            sink,
            codec,
            replay_id=REPLAY_ID,
            batch_rows_max=how["batch_rows_max"],
            workers=how["workers"],
            transaction_rows_min=how["transaction_rows_min"],
            readers=ranges,
            progress=lambda done, _: tell(done),
        )
    return {
        "fingerprint": receipt.fingerprint,
        "read": receipt.read,
        "loaded": receipt.loaded,
        "quarantined": receipt.quarantined,
        "transactions": receipt.transactions,
        "seconds": round(time.monotonic() - begun_s, 3),
        "releases": {name: version(name) for name in _RELEASES},
    }


def _clock(first: str, step_s: int) -> Callable[[], datetime]:
    moment = datetime.fromisoformat(first) - timedelta(seconds=step_s)

    def now() -> datetime:
        nonlocal moment
        moment += timedelta(seconds=step_s)
        return moment

    return now


def s3_facts(s3: S3Settings | None) -> dict[str, Any] | None:
    """How a log on S3 is reached, for the pipe to a child of ours and for nothing else: with its secrets."""
    if s3 is None:
        return None
    found = {attribute.name: getattr(s3, attribute.name) for attribute in attrs.fields(type(s3))}
    return {name: [value.reveal()] if isinstance(value, Secret) else value for name, value in found.items()}


def _s3_of(facts: Mapping[str, Any] | None) -> S3Settings | None:
    if facts is None:
        return None
    given: dict[str, Any] = {
        name: Secret(value[0]) if isinstance(value, list) else value for name, value in facts.items()
    }
    return S3Settings(**given)
