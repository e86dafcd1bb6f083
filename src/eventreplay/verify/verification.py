"""What `verify` found: plain data, for people, programs and receipts."""

from __future__ import annotations

from datetime import date
from typing import Any

from attrs import asdict, evolve, frozen

from eventreplay.capabilities.tally import Order
from eventreplay.verify.differences import Named
from eventreplay.verify.series import Coverage


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
class DayVerification:
    """Events of one day of `occurred_at`, UTC: those the log gives today, and those RAW.EVENTS holds."""

    day: date
    due: int
    rows: int
    due_hash_sum: int
    hash_sum: int

    @property
    def equal(self) -> bool:
        """Whether both are the same."""
        return (self.due, self.due_hash_sum) == (self.rows, self.hash_sum)


@frozen(kw_only=True)
class PartitionVerification:
    """One partition: how far the sink is, and its ranges.

    `commits` and `digest` say up to which commit it was compared; `behind_commits` and `behind_rows` what the
    log has beyond. Of a deep comparison `days` has the counts and sums by day.
    """

    partition: str
    commits: int
    digest: str
    rows: int
    behind_commits: int
    behind_rows: int
    ranges: tuple[RangeTally, ...]
    days: tuple[DayVerification, ...] = ()


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

    def shown(self, samples_max: int) -> Verification:
        """The same with so many rows named of each kind."""
        kinds = ("missing", "doubled", "altered", "unknown")
        return evolve(self, **{kind: getattr(self, kind)[:samples_max] for kind in kinds})

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON data; sums as text, of more digits than many readers hold."""
        facts = asdict(self)
        for part, made in zip(facts["partitions"], self.partitions, strict=True):
            for one in part["ranges"]:
                for name in ("log_hash_sum", "claimed", "computed"):
                    one[name] = None if one[name] is None else str(one[name])
            for one, day in zip(part["days"], made.days, strict=True):
                one |= {"day": day.day.isoformat(), "equal": day.equal}
                one |= {name: str(one[name]) for name in ("due_hash_sum", "hash_sum")}
        return {"ok": self.ok, **facts}


@frozen(kw_only=True)
class NamedPosition:
    """One position at which journal and log differ.

    Attributes:
        position: of the journal.
        event_id: as the log has it; as the journal has it, of what is missing in the log.
        in_journal: records there in the journal.
        in_log: records of it in the log.
        partitions: which hold it.
        detail: for a person; never a payload's bytes.
    """

    position: int
    event_id: str | None
    in_journal: int
    in_log: int
    partitions: tuple[str, ...] = ()
    detail: str = ""


@frozen(kw_only=True)
class PositionRange:
    """A range of positions: what the log says of it, and what the journal holds."""

    first: int
    last: int
    log_rows: int
    rows: int
    log_hash_sum: int
    hash_sum: int

    @property
    def equal(self) -> bool:
        """Whether both hold the same."""
        return (self.log_rows, self.log_hash_sum) == (self.rows, self.hash_sum)


@frozen(kw_only=True)
class JournalVerification:
    """What the comparison of a journal found. The counts are exact; of each kind some are named.

    Attributes:
        log: its URL.
        source: the journal's name.
        partitions: those compared; `late` those that hold late arrivals.
        upto: the greatest checkpoint: the last position that was compared.
        behind: records that the journal has beyond it.
        ranges: by position.
        missing: in the journal, not in the log.
        gone: in the log, no longer in the journal.
        doubled: several records at one position, in either.
        altered: another id or payload than the log has.
        missing_count: and so on: how many.
    """

    log: str
    source: str
    partitions: tuple[Coverage, ...]
    late: tuple[str, ...]
    upto: int
    behind: int
    ranges: tuple[PositionRange, ...]
    missing: tuple[NamedPosition, ...]
    gone: tuple[NamedPosition, ...]
    doubled: tuple[NamedPosition, ...]
    altered: tuple[NamedPosition, ...]
    missing_count: int
    gone_count: int
    doubled_count: int
    altered_count: int

    @property
    def ok(self) -> bool:
        """Whether the log holds exactly what the journal holds up to its checkpoint."""
        return not (self.missing_count + self.gone_count + self.doubled_count + self.altered_count)

    def shown(self, samples_max: int) -> JournalVerification:
        """The same with so many records named of each kind."""
        kinds = ("missing", "gone", "doubled", "altered")
        return evolve(self, **{kind: getattr(self, kind)[:samples_max] for kind in kinds})

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON data; sums as text, of more digits than many readers hold."""
        facts = asdict(self)
        for one, made in zip(facts["ranges"], self.ranges, strict=True):
            one |= {
                "equal": made.equal,
                "log_hash_sum": str(made.log_hash_sum),
                "hash_sum": str(made.hash_sum),
            }
        return {"ok": self.ok, **facts}
