"""What `explain` found: plain data, for people, programs and receipts; and how it is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from attrs import asdict, define, field, frozen

Verdict = Literal[
    "passes", "fails", "fails_otherwise", "dismissed", "altered", "unknown",
    "admitted", "refused", "refused_otherwise", "not_run", "conflict",
]  # fmt: skip
"""What today's code says of a record.

Of stage decode: it `passes`, `fails` by the code it failed by before, or `fails_otherwise`. Of stage capture:
it would be `admitted` under today's limits, but only if it is captured again, since the log has no place for
it; it is `refused` or `refused_otherwise`; or it was `not_run`: no limit had refused it, so only its source's
code, reading it again, could say. A `conflict` of STAGING never passes. One that is `dismissed` was put aside
for good. One that is `altered` is not what the log holds at its place; an `unknown` one has no place in this
log, or none that is loaded yet.
"""

VERDICTS: tuple[Verdict, ...] = (
    "passes", "fails", "fails_otherwise", "admitted", "refused", "refused_otherwise", "not_run", "conflict",
    "dismissed", "altered", "unknown",
)  # fmt: skip

GROUPS_MAX = 10_000
"""Groups that are counted apart; a producer may make up any number of event types."""
OTHERS = "(others)"
"""The event type under which the rest is counted."""

_KEYS = ("stage", "partition", "error_code", "event_type", "fingerprint", "verdict", "error_code_now")


@frozen(kw_only=True)
class ExplainedGroup:
    """Records of one kind and what today's code says of them.

    Attributes:
        stage: who refused them.
        partition: of the log; empty for conflicts of STAGING, which are counted together.
        error_code: why they were refused.
        event_type: as it arrived.
        fingerprint: of the codec that refused them; empty where none did.
        verdict: see `Verdict`.
        error_code_now: why they are refused today; empty where they are not, or it was not asked.
        rows: how many.
    """

    stage: str
    partition: str
    error_code: str
    event_type: str | None
    fingerprint: str
    verdict: str
    error_code_now: str
    rows: int


@frozen(kw_only=True)
class Sample:
    """One record, for people to look at; `message` is today's."""

    stage: str
    partition: str
    offset: int
    event_id: str | None
    event_type: str | None
    error_code: str
    verdict: str
    error_code_now: str
    message: str


@frozen(kw_only=True)
class Explanation:
    """What today's code says of the selected records.

    Attributes:
        log: its URL.
        replay_id: whose checkpoints.
        fingerprint: of today's codec.
        loaded_by: by partition, the fingerprint of the codec that its checkpoint names.
        groups: counts that add up to all selected records.
        samples: a few of each verdict.
    """

    log: str
    replay_id: str
    fingerprint: str
    loaded_by: Mapping[str, str]
    groups: tuple[ExplainedGroup, ...]
    samples: tuple[Sample, ...]

    def count(self, *verdicts: Verdict) -> int:
        """Records of these verdicts; of all, if none is given."""
        return sum(group.rows for group in self.groups if not verdicts or group.verdict in verdicts)

    def by(self, name: str) -> dict[str | None, dict[str, int]]:
        """Counts by one attribute of the groups, and in it by verdict."""
        made: dict[str | None, Counter[str]] = {}
        for group in self.groups:
            made.setdefault(getattr(group, name), Counter())[group.verdict] += group.rows
        return {key: dict(counts) for key, counts in made.items()}

    @property
    def is_sound(self) -> bool:
        """Whether every selected record is what this log holds at its place."""
        return self.count("altered", "unknown") == 0

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        return {
            "log": self.log,
            "replay_id": self.replay_id,
            "codec": self.fingerprint,
            "loaded_by": dict(self.loaded_by),
            "records": self.count(),
            **{verdict: self.count(verdict) for verdict in VERDICTS},
            "groups": [asdict(group) for group in self.groups],
            "samples": [asdict(sample) for sample in self.samples],
        }


JUDGED = pa.schema(
    [
        pa.field("log_offset", pa.int64()),
        pa.field("event_id", pa.string()),
        pa.field("event_type", pa.string()),
        pa.field("error_code", pa.string()),
        pa.field("decoder_fingerprint", pa.string()),
        pa.field("verdict", pa.string()),
        pa.field("error_code_now", pa.string()),
        pa.field("message", pa.string()),
    ]
)
"""Records and what today's code says of them."""


@define
class Tallying:
    """Counts verdicts as batches come; bounded by `GROUPS_MAX` and `samples_max` of each verdict."""

    samples_max: int
    counts: Counter[tuple[str | None, ...]] = field(factory=Counter)
    samples: list[Sample] = field(factory=list)
    _sampled: Counter[str] = field(factory=Counter)

    def add(self, stage: str, partition: str, judged: pa.Table) -> None:
        """Take judged records: columns of `JUDGED`."""
        grouped = judged.group_by(
            ["error_code", "event_type", "decoder_fingerprint", "verdict", "error_code_now"]
        ).aggregate([([], "count_all")])
        for row in grouped.to_pylist():
            self.count(
                stage, partition, row["error_code"], row["event_type"], row["decoder_fingerprint"],
                row["verdict"], row["error_code_now"], rows=row["count_all"],
            )  # fmt: skip
        for verdict in sorted({row["verdict"] for row in grouped.to_pylist()}):
            self._sample(stage, partition, judged, verdict)

    def count(
        self,
        stage: str,
        partition: str,
        code: str,
        kind: str | None,
        fingerprint: str,
        verdict: Verdict,
        code_now: str = "",
        *,
        rows: int,
    ) -> None:
        """Count records that are not looked at one by one."""
        key = (stage, partition, code, kind, fingerprint, verdict, code_now)
        if key not in self.counts and len(self.counts) >= GROUPS_MAX:
            key = (stage, partition, OTHERS, OTHERS, OTHERS, verdict, OTHERS if code_now else "")
        self.counts[key] += rows

    def groups(self) -> tuple[ExplainedGroup, ...]:
        """What was counted, in a stated order."""
        ordered = sorted(self.counts, key=lambda key: tuple((part is not None, part or "") for part in key))
        return tuple(
            ExplainedGroup(**dict(zip(_KEYS, key, strict=True)), rows=self.counts[key])  # type: ignore[arg-type]
            for key in ordered
        )

    def _sample(self, stage: str, partition: str, judged: pa.Table, verdict: str) -> None:
        wanted = self.samples_max - self._sampled[verdict]
        if wanted <= 0:
            return
        of_it = judged.filter(pc.equal(judged.column("verdict"), verdict))
        rows: Iterable[Mapping[str, Any]] = of_it.slice(0, wanted).to_pylist()
        for row in rows:
            self._sampled[verdict] += 1
            self.samples.append(
                Sample(
                    stage=stage,
                    partition=partition,
                    offset=row["log_offset"],
                    event_id=row["event_id"],
                    event_type=row["event_type"],
                    error_code=row["error_code"],
                    verdict=row["verdict"],
                    error_code_now=row["error_code_now"],
                    message=row["message"],
                )
            )
