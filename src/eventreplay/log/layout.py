"""Where things stand under a log's URL, and which names are allowed there.

    format.json
    events/log_partition=<p>/segment-<first offset, 20 digits>-<16 hex of its SHA-256>.parquet
    quarantine/log_partition=<p>/segment-...parquet
    commits/<p>/<number, 20 digits>.json
    gaps/<p>/<number, 20 digits>.json
    receipts/<number, 20 digits>.json

The `name=value` folders are what Snowflake, Spark, DuckDB and Athena read as a partition column. A name
from a commit is checked against these forms before it is used: a commit is a file somebody may have
edited, and must not make a reader leave the log's folder.
"""

from __future__ import annotations

import re

from eventreplay.errors import ConfigError, LogError

FORMAT_KEY = "format.json"
FORMAT_BYTES = b'{"format":"eventreplay-log","version":1}'

EVENTS = "events"
QUARANTINE = "quarantine"
COMMITS = "commits"

PROBE_KEY = "doctor/probe"
"""What `doctor` writes, to see which rights it has; no part of the log."""

GENESIS = "0" * 64
"""What the first commit of a partition names as its predecessor."""

_HIVE = "log_partition="
_PARTITION = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_SEGMENT = re.compile(r"segment-([0-9]{20})-([0-9a-f]{16})\.parquet")
_COMMIT = re.compile(r"([0-9]{20})\.json")


def check_key(key: str) -> str:
    """`key`, if it stays below the root of whichever store it is asked of.

    Raises:
        LogError: it is empty, absolute, or has `.`, `..` or nothing between two `/`.
    """
    parts = key.split("/")
    if not all(parts) or {".", ".."} & set(parts) or "\0" in key:
        raise LogError(
            f"Not a key of a log: {key[:200]!r}.", hint="This is a defect; report it.", key=key[:200]
        )
    return key


def valid_partition(name: str) -> bool:
    """Whether `name` may name a partition: lower case, digits, `._-`, 1 to 63 characters, no `..`."""
    return _PARTITION.fullmatch(name) is not None and ".." not in name


def check_partition(name: str) -> str:
    """`name`, if it may name a partition.

    Raises:
        ConfigError: it may not.
    """
    if not valid_partition(name):
        raise ConfigError(
            f"Not a partition name: {name[:80]!r}.",
            hint="Use 1 to 63 of a-z, 0-9, '.', '_', '-', starting with a letter or digit, without '..'.",
            partition=name[:80],
        )
    return name


def partition_of(folder: str) -> str | None:
    """The partition that a folder of segments, as `log_partition=<p>`, belongs to."""
    name = folder.removeprefix(_HIVE)
    return name if folder.startswith(_HIVE) and valid_partition(name) else None


def segment_folder(kind: str, partition: str) -> str:
    """Prefix of a partition's segments; `kind` is `EVENTS` or `QUARANTINE`."""
    return f"{kind}/{_HIVE}{partition}/"


def segment_key(kind: str, partition: str, first_offset: int, sha256: str) -> str:
    """Where a segment stands under the log's URL."""
    return segment_folder(kind, partition) + segment_name(first_offset, sha256)


def segment_name(first_offset: int, sha256: str) -> str:
    """A segment's file name: its place in the order, and its content."""
    return f"segment-{first_offset:020d}-{sha256[:16]}.parquet"


def commit_folder(partition: str) -> str:
    """Prefix of a partition's commits."""
    return f"{COMMITS}/{partition}/"


def folders(partition: str) -> tuple[str, str, str]:
    """The prefixes under which everything of a partition stands."""
    return segment_folder(EVENTS, partition), segment_folder(QUARANTINE, partition), commit_folder(partition)


def commit_key(partition: str, number: int) -> str:
    """The slot of a commit."""
    return f"{commit_folder(partition)}{number:020d}.json"


def commit_number(key: str) -> int | None:
    """The number of the slot that `key` names, or None if it names something else."""
    found = _COMMIT.fullmatch(key.rpartition("/")[2])
    return None if found is None else int(found.group(1))


def is_segment_key(key: str) -> bool:
    """Whether `key` has the form of a segment's name, in whichever partition."""
    return segment_hash(key.rpartition("/")[2]) is not None


def segment_hash(name: str) -> str | None:
    """The start of the SHA-256 that a segment's file name carries; None if it is no such name."""
    found = _SEGMENT.fullmatch(name)
    return None if found is None else found.group(2)


def segment_offset(key: str) -> int:
    """The first offset that a segment's name carries."""
    return int(key.rpartition("/")[2].split("-")[1])
