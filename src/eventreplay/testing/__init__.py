"""What plugin authors inherit: conformance suites, crash doubles, in-memory doubles and strategies.

Nothing here needs pytest, though the suites are made to be collected by it; only `strategies` needs
hypothesis. Names are loaded when they are asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "CodecSuite": "codec_suite",
    "QueueSourceSuite": "queue_suite",
    "SinkSuite": "sink_suite",
    "SourceSuite": "source_suite",
    "StorageSuite": "storage_suite",
    "CrashAt": "crash",
    "CrashingQueue": "crash",
    "CrashingSink": "crash",
    "CrashingSource": "crash",
    "CrashingStorage": "crash",
    "SimulatedCrash": "crash",
    "crash_at": "crash",
    "MemoryBroker": "memory_queue",
    "MemoryQueue": "memory_queue",
    "MemorySink": "memory_sink",
    "MemoryWarehouse": "memory_sink",
    "CRASH": "memory_source",
    "END": "memory_source",
    "MemorySource": "memory_source",
    "ManualSeconds": "clocks",
    "TickingClock": "clocks",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - computed once from the table above


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
