"""The log: the immutable, provable, byte-reproducible heart. Start with `Log.open`."""

from __future__ import annotations

from eventreplay.log.check import CheckProgress, CheckReport, Finding
from eventreplay.log.commit import Commit, SegmentRef
from eventreplay.log.gc import GcReport
from eventreplay.log.log import Log
from eventreplay.log.reader import CommitRange, PartitionReader, reach, read_segment
from eventreplay.log.segment import EncodedSegment, encode_events, encode_rejects
from eventreplay.log.source import LogSource
from eventreplay.log.storage import Storage
from eventreplay.log.writer import PartitionWriter, segment_range

__all__ = [
    "CheckProgress",
    "CheckReport",
    "Commit",
    "CommitRange",
    "EncodedSegment",
    "Finding",
    "GcReport",
    "Log",
    "LogSource",
    "PartitionReader",
    "PartitionWriter",
    "SegmentRef",
    "Storage",
    "encode_events",
    "encode_rejects",
    "reach",
    "read_segment",
    "segment_range",
]
