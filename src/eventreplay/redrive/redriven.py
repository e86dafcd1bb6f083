"""What a redrive did: plain data, and the facts of its receipt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from attrs import asdict, define, field

from eventreplay.capabilities.quarantine import Marked, Selection
from eventreplay.hashing import hash_sum
from eventreplay.log import Log

RANGES_MAX = 1_000
"""Ranges that a receipt names; further ones are added to the last of their partition."""


COUNTS = (
    "examined", "moved", "failing", "dismissed", "elsewhere", "altered", "unknown", "restated",
    "transactions",
)  # fmt: skip
"""Counts of a redrive, as its receipt and the command line name them."""


@define(kw_only=True)
class MovedRange:
    """What one transaction moved: so many records from `first_offset` to `last_offset`, not all between."""

    partition: str
    first_offset: int
    last_offset: int
    rows: int
    event_hash_sum: int


@define(kw_only=True)
class RedriveReceipt:
    """What one redrive did.

    Attributes:
        replay_id: whose checkpoints.
        fingerprint: of today's codec.
        loaded_by: by partition, the codec that its checkpoint named when this began.
        adopted: partitions whose checkpoint names today's codec now.
        examined: records of stage decode that were selected.
        moved: those that are in EVENTS now.
        failing: those that today's codec refuses.
        dismissed: those that were put aside, and stay.
        elsewhere: those that pass, and that somebody else moved meanwhile, that are in EVENTS besides, or
            that stood in QUARANTINE twice.
        altered: those that are not what the log holds; nothing was done to them.
        unknown: those that have no place in this log.
        restated: those that stay and say now why today's codec refuses them.
        transactions: of the sink.
        codes: by the error code they had, how many moved.
        fingerprints: by the codec that had refused them, how many moved.
        ranges: what moved, by transaction.
    """

    replay_id: str
    fingerprint: str
    loaded_by: dict[str, str] = field(factory=dict)
    adopted: list[str] = field(factory=list)
    examined: int = 0
    moved: int = 0
    failing: int = 0
    dismissed: int = 0
    elsewhere: int = 0
    altered: int = 0
    unknown: int = 0
    restated: int = 0
    transactions: int = 0
    codes: Counter[str] = field(factory=Counter)
    fingerprints: Counter[str] = field(factory=Counter)
    ranges: list[MovedRange] = field(factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether every examined record is what this log holds at its place."""
        return self.altered + self.unknown == 0

    @property
    def mixed(self) -> list[str]:
        """Partitions whose checkpoint names another codec than the one that made what was moved."""
        return sorted(
            name
            for name, loaded_by in self.loaded_by.items()
            if loaded_by != self.fingerprint and name not in self.adopted
        )

    def begin_again(self) -> None:
        """Forget what an attempt before this one saw; what it moved stays."""
        self.loaded_by.clear()
        self.examined = self.failing = self.dismissed = self.elsewhere = self.altered = self.unknown = 0

    def note(self, passed: pa.RecordBatch, passing: list[pa.Table], moved: pa.Array) -> None:
        """What one transaction moved.

        Args:
            passed: `RAW_SCHEMA`: what might have.
            passing: `JUDGED`: what was said of it before.
            moved: offsets, ascending; at least one.
        """
        rows = passed.filter(pc.is_in(passed.column("log_offset"), moved))
        before = pa.concat_tables(passing)
        before = before.filter(pc.is_in(before.column("log_offset"), moved))
        # A record may stand in the quarantine twice; it is counted once, by what its first row said.
        first = before.group_by("log_offset", use_threads=False).aggregate(
            [("error_code", "first"), ("decoder_fingerprint", "first")]
        )
        for counts, name in (
            (self.codes, "error_code_first"),
            (self.fingerprints, "decoder_fingerprint_first"),
        ):
            for each in pc.value_counts(first.column(name)).to_pylist():
                counts[each["values"]] += each["counts"]
        made = MovedRange(
            partition=rows.column("log_partition")[0].as_py(),
            first_offset=moved[0].as_py(),
            last_offset=moved[-1].as_py(),
            rows=rows.num_rows,
            event_hash_sum=hash_sum(rows.column("event_hash")),
        )
        last = self.ranges[-1] if self.ranges else None
        if last is not None and len(self.ranges) >= RANGES_MAX and last.partition == made.partition:
            last.last_offset = made.last_offset
            last.rows += made.rows
            last.event_hash_sum += made.event_hash_sum
        else:
            self.ranges.append(made)


def redriven(
    log: Log,
    receipt: RedriveReceipt,
    *,
    sink: str,
    settings: Mapping[str, object] | None = None,
    **more: object,
) -> dict[str, Any]:
    """The facts of a redrive: what moved, from where to where, with the sum of its hashes, and by which code.

    Args:
        log: what was read.
        receipt: what the verb gave.
        sink: what was moved in, as a URL without secrets.
        settings: those that matter; never a secret.
        more: what else is to be known.
    """
    partitions: dict[str, dict[str, Any]] = {}
    for each in receipt.ranges:
        known = partitions.setdefault(
            each.partition, {"partition": each.partition, "moved": 0, "event_hash_sum": 0, "ranges": []}
        )
        known["moved"] += each.rows
        known["event_hash_sum"] += each.event_hash_sum
        known["ranges"].append({**asdict(each), "event_hash_sum": str(each.event_hash_sum)})
    made = [{**each, "event_hash_sum": str(each["event_hash_sum"])} for each in partitions.values()]
    return {
        "action": "redrive",
        "log": log.url,
        "sink": sink,
        "replay_id": receipt.replay_id,
        "codec": receipt.fingerprint,
        "codecs_before": dict(receipt.fingerprints),
        "codes_before": dict(receipt.codes),
        "loaded_by": dict(receipt.loaded_by),
        "adopted": list(receipt.adopted),
        **{name: getattr(receipt, name) for name in COUNTS},
        "partitions": made,
        "settings": dict(settings or {}),
        **more,
    }


def put_aside(
    log: Log,
    marked: Iterable[Marked],
    selection: Selection,
    *,
    sink: str,
    reason: str | None,
    **more: object,
) -> dict[str, Any]:
    """The facts of a dismissal, or of taking one back if there is no reason: which records, and why.

    Args:
        log: whose records.
        marked: what the verb gave.
        selection: what was asked for.
        sink: where the marks are, as a URL without secrets.
        reason: as it was given.
        more: what else is to be known.
    """
    made = [asdict(each) for each in marked]
    return {
        "action": "undo" if reason is None else "drop",
        "log": log.url,
        "sink": sink,
        "reason": reason,
        "records": sum(each["rows"] for each in made),
        "marked": made,
        "selection": asdict(selection),
        **more,
    }
