"""What today's code says of quarantined records: their bytes are read from the log, and run again.

The sink says which records are quarantined, the log what they are. RAW.QUARANTINE has the bytes as well, but
the log is what every row is made from: its bytes are verified, it has headers and hashes as they were, so
what comes out here is what a replay by today's code would load, column by column. A record whose row in the
quarantine is not what the log holds at its place is judged by neither: it is `altered`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import frozen

from eventreplay.admission import AdmissionLimits, admit, codes_of_limits
from eventreplay.batch import EVENT_SCHEMA, QUARANTINE_SCHEMA, RAW_SCHEMA, Batch, conform
from eventreplay.capabilities.quarantine import PLACES_SCHEMA, Selection, Stage, SupportsQuarantine
from eventreplay.interfaces import Codec
from eventreplay.log import Commit, Log, PartitionReader, SegmentRef
from eventreplay.raw_rows import no_rows, raw_rows
from eventreplay.redrive.explanation import JUDGED


@frozen
class Judged:
    """Some records and what became of them.

    Attributes:
        records: `JUDGED`, one row for each row of the quarantine.
        passed: `RAW_SCHEMA`: what today's codec makes of those that pass, each place once.
        refused: `QUARANTINE_SCHEMA`: why it refuses the others.
    """

    records: pa.Table
    passed: pa.RecordBatch
    refused: pa.RecordBatch


@frozen(kw_only=True)
class Bench:
    """Where and by what records of one partition are judged.

    Attributes:
        log: their bytes.
        reader: of the partition.
        upto: the last commit that the sink has loaded.
        codec: today's.
        limits: of admission, today's.
        batch_rows_max: places asked for, and rows decoded, at a time.
    """

    log: Log
    reader: PartitionReader
    upto: Commit
    codec: Codec
    limits: AdmissionLimits
    batch_rows_max: int

    def judged(self, sink: SupportsQuarantine, stage: Stage, selection: Selection) -> Iterator[Judged]:
        """Judge the selected records of a stage, in order, a segment's part at a time.

        Dismissed ones are judged only if the selection is of them alone.

        Raises:
            CorruptLogError: a segment or the chain is not what was committed.
            LogError: the codec does not account for every row.
        """
        after = None
        while True:
            places = sink.refused_places(
                self.reader.partition, stage, selection, after=after, rows_max=self.batch_rows_max
            )
            if not places.num_rows:
                return
            after = places.column("log_offset")[-1].as_py()
            if selection.dismissed is not True:
                aside = places.filter(places.column("dismissed"))
                if aside.num_rows:
                    yield Judged(_all(aside, "dismissed"), *_NOTHING)
                places = places.filter(pc.invert(places.column("dismissed")))
            yield from self._page(places, stage)

    def _page(self, places: pa.RecordBatch, stage: Stage) -> Iterator[Judged]:
        offsets = places.column("log_offset").to_numpy()
        end = self.upto.next_offset if stage == "decode" else self.upto.next_quarantine_offset
        # By offset, so what is below the first one or beyond the checkpoint stands at the ends.
        low, high = np.searchsorted(offsets, (0, end)).tolist()
        for outside in (places.slice(0, low), places.slice(high)):
            if outside.num_rows:
                yield Judged(_all(outside, "unknown"), *_NOTHING)
        if low == high:
            return
        for ref in self._refs(stage, int(offsets[low]), int(offsets[high - 1])):
            first, last = np.searchsorted(offsets, (ref.first_offset, ref.next_offset)).tolist()
            if first < last:
                part = places.slice(first, last - first)
                yield self._decoded(part, ref) if stage == "decode" else self._admitted(part, ref)

    def _refs(self, stage: Stage, first: int, last: int) -> Iterator[SegmentRef]:
        """Segments that hold any offset from `first` to `last`; the first commit is found by bisection."""
        low, high = 1, self.upto.number
        while low < high:
            middle = (low + high) // 2
            commit = self.reader.commit(middle)
            end = 0 if commit is None else _end(commit, stage)
            low, high = (low, middle) if end > first else (middle + 1, high)
        for commit in self.reader.commits(low - 1):
            for ref in commit.segments if stage == "decode" else commit.quarantine:
                if ref.first_offset <= last and ref.next_offset > first:
                    yield ref
            if commit.number >= self.upto.number or _end(commit, stage) > last:
                return

    def _decoded(self, places: pa.RecordBatch, ref: SegmentRef) -> Judged:
        table, index, fine = self._held(places, ref)
        rows, refused = [], []
        for made in raw_rows(table, self.reader.partition, self.codec, self.batch_rows_max, rejects=False):
            rows.append(made.rows)
            refused.append(made.refused)
        passed = joined(rows, RAW_SCHEMA)
        failed = joined(refused, QUARANTINE_SCHEMA)
        offsets = places.column("log_offset")
        # Of each place: where its failure stands; -1 if it did not fail.
        at = pc.fill_null(pc.index_in(offsets, failed.column("log_offset")), -1).to_numpy()
        code = _picked(failed.column("error_code"), at)
        message = _picked(failed.column("error_message"), at)
        is_same = pc.equal(code, places.column("error_code")).to_numpy(zero_copy_only=False)
        verdict = np.select(
            [~fine[index], at < 0, is_same], ["altered", "passes", "fails"], "fails_otherwise"
        )
        return Judged(_judged(places, verdict, code, message), passed, failed)

    def _admitted(self, places: pa.RecordBatch, ref: SegmentRef) -> Judged:
        """Envelopes that a limit refused are looked at again; they may pass, but the log has no place."""
        table, index, fine = self._held(places, ref)
        again = np.isin(places.column("error_code").to_numpy(zero_copy_only=False), sorted(_AGAIN))
        events = conform(joined(table.select(EVENT_SCHEMA.names).to_batches(), EVENT_SCHEMA), EVENT_SCHEMA)
        # Admission does not look at positions: they number the rows here, so that each is found again.
        numbers = pa.array(np.arange(events.num_rows, dtype=np.int64))
        at = EVENT_SCHEMA.get_field_index("source_position")
        found = admit(Batch(events.set_column(at, EVENT_SCHEMA.field(at), numbers)), self.limits)
        # Rows that are not what the log holds were left out of the table: they have no number.
        number = np.where(fine[index], np.cumsum(fine)[index] - 1, -1)
        refused = found.rejects.column("source_position")
        where = pc.fill_null(pc.index_in(pa.array(number), refused), -1).to_numpy()
        where = np.where(again, where, -1)
        code = _picked(found.rejects.column("error_code"), where)
        message = _picked(found.rejects.column("error_message"), where)
        is_same = pc.equal(code, places.column("error_code")).to_numpy(zero_copy_only=False)
        verdict = np.select(
            [~fine[index], ~again, where < 0, is_same],
            ["altered", "not_run", "admitted", "refused"],
            "refused_otherwise",
        )
        return Judged(_judged(places, verdict, code, message), *_NOTHING)

    def _held(self, places: pa.RecordBatch, ref: SegmentRef) -> tuple[pa.Table, np.ndarray, np.ndarray]:
        """What the log holds at these places: its rows but for those that RAW has otherwise.

        Returns:
            the rows; for each place the number of its offset among the different ones; and for each of
            these whether all rows of the quarantine at it are what the log holds.
        """
        offsets = places.column("log_offset").to_numpy()
        different, index = np.unique(offsets, return_inverse=True)
        table = self.log.read(ref).take(pa.array(different - ref.first_offset))
        same = np.ones(len(different), dtype=bool)
        for name in ("event_id", "payload_sha256"):
            held = table.column(name).combine_chunks().take(pa.array(index))
            mine = places.column(name)
            equal = pc.fill_null(pc.equal(held, mine), False)  # noqa: FBT003 - an Arrow kernel
            both_null = pc.and_(pc.is_null(held), pc.is_null(mine))
            differs = pc.invert(pc.or_(equal, both_null)).to_numpy(zero_copy_only=False)
            same[index[differs]] = False
        return table.filter(pa.array(same)), index, same


_NOTHING = (no_rows(RAW_SCHEMA), no_rows(QUARANTINE_SCHEMA))
_AGAIN = codes_of_limits()


def joined(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """Batches as one."""
    return pa.concat_batches([no_rows(schema), *batches])


def _end(commit: Commit, stage: Stage) -> int:
    return commit.next_offset if stage == "decode" else commit.next_quarantine_offset


def _picked(values: pa.Array, at: np.ndarray) -> pa.Array:
    """The value at each place; an empty text where there is none."""
    picked = values.take(pa.array(np.maximum(at, 0))) if len(values) else pa.nulls(len(at), pa.string())
    return pc.if_else(pa.array(at >= 0), picked, "")


def _all(places: pa.RecordBatch, verdict: str) -> pa.Table:
    none = pa.repeat(pa.scalar(""), places.num_rows)
    return _judged(places, np.full(places.num_rows, verdict), none, none)


def _judged(places: pa.RecordBatch, verdict: np.ndarray, code: pa.Array, message: pa.Array) -> pa.Table:
    made = {"verdict": pa.array(verdict, pa.string()), "error_code_now": code, "message": message}
    columns = [
        made[name] if name in made else places.column(PLACES_SCHEMA.get_field_index(name))
        for name in JUDGED.names
    ]
    return pa.Table.from_arrays(columns, schema=JUDGED)
