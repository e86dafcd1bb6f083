"""What a sink offers so that its quarantine can be looked into, brought back from, and put aside for good.

A quarantined record is known by three things: its partition, its stage and its offset, which count on for
ever and are those of the log. `SupportsQuarantine` reads; `SupportsRedrive` also changes, and only in ways
that may be repeated: a record is in EVENTS or in QUARANTINE, never in both and never in neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import pyarrow as pa
from attrs import field, frozen

from eventreplay.errors import ConfigError
from eventreplay.event import Checkpoint

Stage = Literal["capture", "decode", "staging"]
"""Who refused: capture the envelope, a codec the payload, or STAGING an event whose id was taken."""

STAGES: tuple[Stage, ...] = ("capture", "decode", "staging")
CONFLICTS = "STG_EVENTS__CONFLICTS"
"""The model in STAGING that holds events whose id was taken by an earlier one with another payload."""
CONFLICT_CODE = "conflicting_payload"
CONFLICT_MESSAGE = "An earlier event has this id and another payload."

REASON_CHARACTERS_MAX = 1_000
NAMES_MAX = 1_000
"""Values that one filter may name."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1

PLACES_SCHEMA = pa.schema(
    [
        pa.field("log_offset", pa.int64(), nullable=False),
        pa.field("event_id", pa.string()),
        pa.field("event_type", pa.string()),
        pa.field("payload_sha256", pa.binary(32), nullable=False),
        pa.field("error_code", pa.string(), nullable=False),
        pa.field("decoder_fingerprint", pa.string(), nullable=False),
        pa.field("dismissed", pa.bool_(), nullable=False),
    ]
)
"""Records of one partition and one stage as `refused_places` gives them: all but their content."""


def _named(_: object, attribute: Any, value: tuple[str, ...]) -> None:
    if len(value) > NAMES_MAX:
        raise ConfigError(
            f"{len(value):,} {attribute.name} are named, more than {NAMES_MAX:,}.",
            hint="Name fewer, or leave the filter away.",
            setting=attribute.name,
        )


def _offset(_: object, attribute: Any, value: int | None) -> None:
    if value is not None and not _INT64_MIN <= value <= _INT64_MAX:
        raise ConfigError(
            f"{attribute.name} is {value}.", hint="An offset has 64 bits.", setting=attribute.name
        )


def _stages(_: object, __: Any, value: tuple[str, ...]) -> None:
    for stage in value:
        if stage not in STAGES:
            raise ConfigError(f"There is no stage {stage[:80]!r}.", hint=f"Give one of {', '.join(STAGES)}.")


@frozen(kw_only=True)
class Selection:
    """Which records of the quarantine are meant; what is empty or None does not narrow it.

    Attributes:
        stages: who refused them.
        codes: error codes.
        types: event types, as they arrived.
        partitions: of the log.
        fingerprints: of the codec that refused them.
        first_offset: the least offset, itself included.
        last_offset: the greatest, itself included.
        dismissed: only such as were put aside for good, only such as were not, or None: both.

    Raises:
        ConfigError: there is no such stage, an offset has more than 64 bits, or too much is named.
    """

    stages: tuple[str, ...] = field(default=(), validator=_stages)
    codes: tuple[str, ...] = field(default=(), validator=_named)
    types: tuple[str, ...] = field(default=(), validator=_named)
    partitions: tuple[str, ...] = field(default=(), validator=_named)
    fingerprints: tuple[str, ...] = field(default=(), validator=_named)
    first_offset: int | None = field(default=None, validator=_offset)
    last_offset: int | None = field(default=None, validator=_offset)
    dismissed: bool | None = False

    @property
    def is_narrow(self) -> bool:
        """Whether anything but the partition and what was dismissed narrows it."""
        names = (self.stages, self.codes, self.types, self.fingerprints)
        return any(names) or self.first_offset is not None or self.last_offset is not None


@frozen(kw_only=True)
class RefusedGroup:
    """Records of one stage, error code and event type; `dismissed`: those put aside, counted apart."""

    stage: str
    error_code: str
    event_type: str | None
    dismissed: bool
    rows: int


@frozen(kw_only=True)
class Marked:
    """Records that `dismiss` marked, or `undismiss` freed, of one partition, stage and error code."""

    partition: str
    stage: str
    error_code: str
    rows: int
    first_offset: int
    last_offset: int


@frozen(kw_only=True)
class Settled:
    """What one `settle` changed.

    Attributes:
        moved: offsets that are in EVENTS now and were in QUARANTINE, int64, ascending.
        restated: records that stay in QUARANTINE and say now why today's codec refuses them.
    """

    moved: pa.Array
    restated: int


@runtime_checkable
class SupportsQuarantine(Protocol):
    """A sink whose quarantine can be looked into. Only committed rows count.

    Conflicts of STAGING are among the records where that was built.
    """

    def partitions(self) -> Sequence[str]:
        """Names that any row has as its `log_partition`, ascending."""

    def refused_count(self, selection: Selection) -> int:
        """How many records are selected."""

    def refused_groups(self, selection: Selection, *, groups_max: int) -> Sequence[RefusedGroup]:
        """Counts of the selected records, by stage, code, type and whether dismissed; at most the first."""

    def refused_page(
        self, selection: Selection, *, limit_rows: int, skip_rows: int = 0
    ) -> Sequence[Mapping[str, Any]]:
        """Records in full, by partition, stage and offset.

        Each has the names of `QUARANTINE_SCHEMA`, and `quarantined_at`, `payload_json` (of a conflict, whose
        original bytes are in the log alone), `dismissed_reason`, `dismissed_at`.
        """

    def refused_places(
        self, partition: str, stage: Stage, selection: Selection, *, after: int | None, rows_max: int
    ) -> pa.RecordBatch:
        """Selected records of one partition and of stage decode or capture behind an offset, by offset.

        Returns:
            `PLACES_SCHEMA`, at most `rows_max` rows, and besides them all at the last one's offset.
        """


@runtime_checkable
class SupportsRedrive(SupportsQuarantine, Protocol):
    """A sink that takes records out of its quarantine. Each method is one transaction, safe to repeat."""

    def settle(
        self, replay_id: str, passed: pa.RecordBatch, refused: pa.RecordBatch, *, expected: Checkpoint
    ) -> Settled:
        """Move what passes now to EVENTS, where it is still in QUARANTINE; restate what does not.

        In one transaction, under the lock by which loads exclude one another: of the places in `passed`,
        those that are in QUARANTINE with stage decode and not in EVENTS are deleted there and inserted here.
        Rows of `refused` give their code, message and fingerprint to those that are still in QUARANTINE.
        No checkpoint moves.

        Args:
            replay_id: whose checkpoint, with the partition: `live/journal`.
            passed: `RAW_SCHEMA`, of one partition, by offset.
            refused: `QUARANTINE_SCHEMA`, stage decode, of the same partition.
            expected: the stored checkpoint must be of the same source, epoch and codec, and not behind it.

        Raises:
            CheckpointConflictError: it is not; nothing was changed.
            SinkUnavailableError: no answer, or others change the same rows; try again.
        """

    def dismiss(self, selection: Selection, reason: str) -> Sequence[Marked]:
        """Mark the selected records as put aside for good; a mark that is there stays as it is."""

    def undismiss(self, selection: Selection) -> Sequence[Marked]:
        """Take the marks of the selected records away."""


def goes_on_from(found: Checkpoint | None, expected: Checkpoint) -> bool:
    """Whether a load may have moved the checkpoint from `expected` to `found`, by the same codec."""
    return (
        found is not None
        and (found.source, found.epoch, found.fingerprint)
        == (expected.source, expected.epoch, expected.fingerprint)
        and found.position >= expected.position
    )


def checked_reason(reason: str) -> str:
    """`reason`, if it can be stored as it is everywhere.

    Raises:
        ConfigError: it is empty, too long, or has what no warehouse stores as text.
    """
    if not reason.strip():
        raise ConfigError("No reason is given.", hint="Say why these records are put aside for good.")
    if len(reason) > REASON_CHARACTERS_MAX:
        raise ConfigError(
            f"The reason has {len(reason):,} characters, more than {REASON_CHARACTERS_MAX:,}.",
            hint="Say it shorter, or point to where it is written down.",
        )
    if _UNSTORABLE.search(reason):
        raise ConfigError(
            "The reason has a NUL or half a character, which cannot be stored.", hint="Write plain text."
        )
    return reason
