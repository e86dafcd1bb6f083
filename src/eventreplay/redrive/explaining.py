"""What today's code says of a sink's quarantine, counted. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, frozen

from eventreplay.admission import AdmissionLimits
from eventreplay.capabilities.quarantine import Selection, Stage, SupportsQuarantine
from eventreplay.errors import ConfigError, EpochError
from eventreplay.event import Checkpoint
from eventreplay.interfaces import Codec, Sink
from eventreplay.log import Commit, Log, PartitionReader
from eventreplay.redrive.explanation import GROUPS_MAX, OTHERS, Explanation, Tallying, Verdict
from eventreplay.redrive.judging import Bench

Progress = Callable[[int, int | None], None]

BATCH_ROWS_MAX = 65_536
EVERYTHING = Selection()
_STAGES: tuple[Stage, ...] = ("decode", "capture")


@frozen
class Place:
    """A partition that the sink has loaded from this log: by which checkpoint, and up to which commit."""

    reader: PartitionReader
    known: Checkpoint
    upto: Commit

    def bench(self, log: Log, codec: Codec, limits: AdmissionLimits, batch_rows_max: int) -> Bench:
        """Where records of the partition are judged."""
        return Bench(
            log=log,
            reader=self.reader,
            upto=self.upto,
            codec=codec,
            limits=limits,
            batch_rows_max=batch_rows_max,
        )


def explain(
    log: Log,
    sink: Sink,
    codec: Codec,
    *,
    replay_id: str = "live",
    selection: Selection = EVERYTHING,
    limits: AdmissionLimits | None = None,
    batch_rows_max: int = BATCH_ROWS_MAX,
    samples_max: int = 5,
    progress: Progress | None = None,
) -> Explanation:
    """Run quarantined records through today's code, and count what it says of them. Changes nothing.

    Args:
        log: where their bytes are.
        sink: whose quarantine; not closed. A load may go on meanwhile.
        codec: today's.
        replay_id: whose checkpoints say up to where the sink is loaded.
        selection: which records; what was dismissed is counted, and not run.
        limits: today's, of admission; None: the defaults.
        batch_rows_max: records asked for and decoded at a time; bounds memory.
        samples_max: records named of each verdict.
        progress: told of records judged, and of all.

    Raises:
        ConfigError: the sink's quarantine cannot be looked into, or a bound is below 1.
        EpochError: the sink was loaded from another log, or the log was rolled back under it.
        CorruptLogError: the log is not what was committed.
    """
    check_bounds(batch_rows_max=batch_rows_max)
    if not isinstance(sink, SupportsQuarantine):
        raise ConfigError(
            "This sink's quarantine cannot be looked into.",
            hint="Its class needs the methods of SupportsQuarantine.",
        )
    wide = selection if selection.dismissed else evolve(selection, dismissed=None)
    tallying, loaded_by = Tallying(samples_max), dict[str, str]()
    total, done = sink.refused_count(wide), 0
    stages = [stage for stage in _STAGES if not selection.stages or stage in selection.stages]
    for partition in partitions_of(sink, selection):
        place = placed(log, sink, replay_id, partition)
        if place is None:
            _count_unseen(sink, tallying, evolve(wide, partitions=(partition,), stages=tuple(stages)))
            continue
        loaded_by[partition] = place.known.fingerprint
        bench = place.bench(log, codec, limits or AdmissionLimits(), batch_rows_max)
        for stage in stages:
            for judged in bench.judged(sink, stage, wide):
                tallying.add(stage, partition, judged.records)
                done += judged.records.num_rows
                if progress is not None:
                    progress(done, total)
    if not selection.stages or "staging" in selection.stages:
        _count_unseen(sink, tallying, evolve(wide, stages=("staging",)))
    return Explanation(
        log=log.url,
        replay_id=replay_id,
        fingerprint=codec.fingerprint,
        loaded_by=loaded_by,
        groups=tallying.groups(),
        samples=tuple(tallying.samples),
    )


def placed(log: Log, sink: Sink, replay_id: str, partition: str) -> Place | None:
    """Up to where the sink has loaded a partition of this log; None: nothing of it.

    Raises:
        EpochError: what it has loaded is not of this log.
    """
    if partition not in log.partitions():
        return None
    known = sink.begin(f"{replay_id}/{partition}")
    if known is None:
        return None
    reader = log.reader(partition)
    upto = reader.commit(known.position)
    if upto is None or (known.epoch, known.digest) != (reader.epoch(), upto.sha256):
        raise EpochError(
            f"The sink has loaded commit {known.position} of {partition!r}, which is not in this log.",
            hint="The log was replaced or rolled back: nothing can be redriven. Point to the right one.",
            expected=known.digest,
            found=None if upto is None else upto.sha256,
        )
    return Place(reader, known, upto)


def _count_unseen(sink: SupportsQuarantine, tallying: Tallying, selection: Selection) -> None:
    """Count records that have no place in the log, or are of STAGING, without a look at each."""
    partition = "" if len(selection.partitions) != 1 else selection.partitions[0]
    groups = sink.refused_groups(selection, groups_max=GROUPS_MAX)
    for group in groups:
        verdict: Verdict = "conflict" if group.stage == "staging" else "unknown"
        if group.dismissed and selection.dismissed is not True:
            verdict = "dismissed"
        tallying.count(
            group.stage, partition, group.error_code, group.event_type, "", verdict, rows=group.rows
        )
    rest = sink.refused_count(selection) - sum(group.rows for group in groups)
    if rest > 0:
        tallying.count(OTHERS, partition, OTHERS, OTHERS, OTHERS, "unknown", rows=rest)


def check_bounds(**bounds: int) -> None:
    """Raise `ConfigError` unless every bound is at least 1."""
    for name, value in bounds.items():
        if value < 1:
            raise ConfigError(f"{name} is {value}.", hint=f"{name} is at least 1.", setting=name)


def partitions_of(sink: SupportsQuarantine, selection: Selection) -> list[str]:
    """Partitions that the sink has any row of, as far as they are selected."""
    known = sink.partitions()
    return [name for name in known if not selection.partitions or name in selection.partitions]
