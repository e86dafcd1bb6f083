"""What `verify` found: plain data, for people, programs and receipts."""

from __future__ import annotations

from typing import Any

from attrs import asdict, frozen

from eventreplay.differences import Named
from eventreplay.tally import Order


@frozen(kw_only=True)
class RangeTally:
    """A range of commits: what the log says of it, and what the sink holds.

    `log_hash_sum` is None for records that capture refused, of whose hashes no commit speaks. `claimed` adds
    up the hashes that rows carry, `computed` those made of what they hold; see `tally`.
    """

    order: Order
    first_commit: int
    last_commit: int
    first_offset: int
    end_offset: int
    log_rows: int
    rows: int
    refused: int
    log_hash_sum: int | None
    claimed: int
    computed: int
    equal: bool


@frozen(kw_only=True)
class PartitionVerification:
    """One partition: how far the sink is, and its ranges.

    `commits` and `digest` say up to which commit it was compared; `behind_commits` and `behind_rows` what the
    log has beyond.
    """

    partition: str
    commits: int
    digest: str
    rows: int
    behind_commits: int
    behind_rows: int
    ranges: tuple[RangeTally, ...]


@frozen(kw_only=True)
class Verification:
    """What `verify` found. The counts are exact; of each kind some rows are named.

    Attributes:
        log: its URL.
        replay_id: whose checkpoints.
        deep: whether every column was compared.
        partitions: by name.
        missing: rows that the log has and the sink has not.
        doubled: offsets at which the sink has several rows.
        altered: rows that differ.
        unknown: rows that the sink has and the log has not.
        missing_count: and so on: how many.
    """

    log: str
    replay_id: str
    deep: bool
    partitions: tuple[PartitionVerification, ...]
    missing: tuple[Named, ...]
    doubled: tuple[Named, ...]
    altered: tuple[Named, ...]
    unknown: tuple[Named, ...]
    missing_count: int
    doubled_count: int
    altered_count: int
    unknown_count: int

    @property
    def ok(self) -> bool:
        """Whether the sink holds exactly what the log holds up to its checkpoints."""
        return not (self.missing_count + self.doubled_count + self.altered_count + self.unknown_count)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON data; sums as text, of more digits than many readers hold."""
        facts = asdict(self)
        for part in facts["partitions"]:
            for one in part["ranges"]:
                for name in ("log_hash_sum", "claimed", "computed"):
                    one[name] = None if one[name] is None else str(one[name])
        return {"ok": self.ok, **facts}
