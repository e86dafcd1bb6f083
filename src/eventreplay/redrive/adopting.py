"""Adopting a codec: every accepted row is what today's codec gives, so the checkpoint may name it.

A checkpoint names the codec that made the rows. After a redrive by another codec some rows are that one's,
and a load by it would be refused. If every accepted row, decoded again, is what is there in every column,
then both codecs made the same of them, and naming today's is the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
from attrs import evolve

from eventreplay.capabilities.quarantine import Selection, SupportsQuarantine
from eventreplay.capabilities.tally import SupportsComparison
from eventreplay.errors import CheckpointConflictError, CodecChangedError, ConfigError
from eventreplay.event import Checkpoint
from eventreplay.interfaces import Sink
from eventreplay.log import Commit
from eventreplay.raw_rows import raw_rows
from eventreplay.redrive.judging import Bench

_RESTATED = frozenset({"error_code", "error_message", "decoder_fingerprint"})
"""Columns of QUARANTINE that a redrive which adopts makes today's."""
_NAMED_MAX = 5


def see_accepted(
    bench: Bench,
    sink: Sink,
    refused: SupportsQuarantine,
    known: Checkpoint,
    after: Commit | None,
    advance: Callable[[int], None],
) -> None:
    """Raise unless today's codec makes of each accepted event what is there.

    Args:
        bench: of the partition, up to the commit that is loaded.
        sink: what is compared; begun.
        refused: the same, for what was dismissed.
        known: its checkpoint.
        after: the commit up to which this was seen before.
        advance: told of rows compared.

    Raises:
        CodecChangedError: a row differs, or a dismissed record would pass.
        ConfigError: the sink cannot compare columns.
    """
    if not isinstance(sink, SupportsComparison):
        raise ConfigError("This sink cannot compare columns.", hint="Redrive without adopting the codec.")
    for commit in bench.reader.commits(0 if after is None else after.number):
        if commit.number > bench.upto.number:
            break
        for ref in commit.segments:
            table = bench.log.read(ref)
            for made in raw_rows(table, commit.partition, bench.codec, bench.batch_rows_max, rejects=False):
                _see_equal(sink, made.rows, known, bench.codec.fingerprint, expected={"table"})
                _see_equal(sink, made.refused, known, bench.codec.fingerprint, expected=_RESTATED)
            advance(ref.rows)
    passes = sum(
        judged.passed.num_rows for judged in bench.judged(refused, "decode", Selection(dismissed=True))
    )
    if passes:
        raise CodecChangedError(
            f"{passes:,} dismissed records of {bench.reader.partition!r} would pass today.",
            hint="A load by today's codec would accept them: `quarantine drop --undo` them, or do not adopt.",
            expected=known.fingerprint,
            found=bench.codec.fingerprint,
        )


def adopted(sink: Sink, known: Checkpoint, fingerprint: str) -> bool:
    """Let the checkpoint name another codec; False if it has moved meanwhile. The sink was begun with it."""
    try:
        sink.commit(evolve(known, fingerprint=fingerprint), expected=known)
    except CheckpointConflictError:
        return False
    return True


def _see_equal(
    sink: SupportsComparison,
    rows: pa.RecordBatch,
    known: Checkpoint,
    fingerprint: str,
    *,
    expected: set[str] | frozenset[str],
) -> None:
    if not rows.num_rows:
        return
    differ = {
        offset: [name for name in names if name not in expected]
        for offset, names in sink.differing(rows).items()
    }
    wrong: Mapping[int, Sequence[str]] = {offset: names for offset, names in differ.items() if names}
    if wrong:
        named = [f"{offset} ({', '.join(wrong[offset])})" for offset in sorted(wrong)[:_NAMED_MAX]]
        raise CodecChangedError(
            f"Accepted rows of {known.source!r} are not what today's codec gives, at offsets"
            f" {', '.join(named)} and perhaps others. Nothing was moved.",
            hint="The codec changed more than what was quarantined: rebuild, which shows the difference; or"
            " redrive without adopting.",
            expected=known.fingerprint,
            found=fingerprint,
            offsets=sorted(wrong)[:_NAMED_MAX],
        )
