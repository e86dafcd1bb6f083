"""What plugin authors inherit: conformance suites, crash doubles, in-memory doubles and strategies.

Nothing here needs pytest, though the suites are made to be collected by it. Only `strategies`, which is
imported by its own name, needs hypothesis.
"""

from __future__ import annotations

from eventreplay.testing.clocks import ManualSeconds, TickingClock
from eventreplay.testing.codec_suite import CodecSuite
from eventreplay.testing.crash import (
    CrashAt,
    CrashingQueue,
    CrashingSink,
    CrashingSource,
    CrashingStorage,
    SimulatedCrash,
    crash_at,
)
from eventreplay.testing.generation_suite import GenerationSuite
from eventreplay.testing.memory_queue import MemoryBroker, MemoryQueue
from eventreplay.testing.memory_sink import MemorySink, MemoryWarehouse
from eventreplay.testing.memory_source import CRASH, END, MemorySource
from eventreplay.testing.queue_suite import QueueSourceSuite
from eventreplay.testing.sink_suite import SinkSuite
from eventreplay.testing.source_suite import GrowingSourceSuite, ReplaceableSourceSuite, SourceSuite
from eventreplay.testing.storage_suite import StorageSuite

__all__ = [
    "CRASH",
    "END",
    "CodecSuite",
    "CrashAt",
    "CrashingQueue",
    "CrashingSink",
    "CrashingSource",
    "CrashingStorage",
    "GenerationSuite",
    "GrowingSourceSuite",
    "ManualSeconds",
    "MemoryBroker",
    "MemoryQueue",
    "MemorySink",
    "MemorySource",
    "MemoryWarehouse",
    "QueueSourceSuite",
    "ReplaceableSourceSuite",
    "SimulatedCrash",
    "SinkSuite",
    "SourceSuite",
    "StorageSuite",
    "TickingClock",
    "crash_at",
]
