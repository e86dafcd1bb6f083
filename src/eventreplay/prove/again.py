"""A receipt is enough to do the same thing again: into a temporary place, to compare what comes out.

The log that the receipt stands beside is read and never written, the sink likewise.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay.capabilities.tally import OFFSET_END, OFFSET_MIN, Span
from eventreplay.capture import CaptureOptions, capture
from eventreplay.errors import CodecChangedError, ConfigError, EpochError
from eventreplay.interfaces import Codec, Source, SupportsTypes
from eventreplay.log import Commit, Log
from eventreplay.receipts import Receipt, hash_sum_of
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.verify import Verification

Progress = Callable[[int, int | None], None]
DIFFERENCES = ("missing", "doubled", "altered", "unknown")
_NAMED_MAX = 5


@frozen(kw_only=True)
class Compared:
    """One fact: as the receipt has it, and as it came out again."""

    what: str
    then: object
    now: object

    @property
    def equal(self) -> bool:
        """Whether it is the same."""
        return self.then == self.now

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"what": self.what, "then": self.then, "now": self.now, "equal": self.equal}


def captured_again(
    log: Log, receipt: Receipt, source: Source, options: CaptureOptions, *, progress: Progress | None = None
) -> list[Compared]:
    """Capture the range of a receipt into a temporary log that goes on from the same chain.

    Args:
        log: where it was captured to; its chain up to the range is copied, its segments are not read.
        receipt: of a capture from a source that can be read again.
        source: the same source; not closed.
        options: by which it was captured.
        progress: told of positions.

    Raises:
        EpochError: the source is another one, or the log is.
        ConfigError: the receipt has no range that could be captured again.
    """
    part = _only_part(receipt)
    commits = _commits(log, part)
    begun = (receipt.facts.get("settings") or {}).get("first")
    again = _Again(log, str(part["partition"]), source, options, begun, progress)
    with tempfile.TemporaryDirectory(prefix="eventreplay-again-") as folder:
        made = again.range(Path(folder), int(part["after_commit"]), commits)
    return [
        *_where_they_part(commits, made),
        Compared(what="commits", then=part["commits"], now=len(made)),
        Compared(what="logged", then=part["logged"], now=_rows(made, "events")),
        Compared(what="quarantined", then=part["quarantined"], now=_rows(made, "quarantine")),
        Compared(what="event_hash_sum", then=part["event_hash_sum"], now=str(hash_sum_of(made))),
        Compared(what="digest", then=part["digest"], now=made[-1].sha256 if made else None),
    ]


@frozen
class _Again:
    """A capture of commits that are known, into temporary logs."""

    log: Log
    partition: str
    source: Source
    options: CaptureOptions
    begun: int | None
    progress: Progress | None

    def range(self, folder: Path, after: int, commits: list[Commit]) -> list[Commit]:
        """In one go; from where that is cut otherwise than it was then, again, to each cut of then.

        A run that followed its source ended its rounds where the head then was, which nobody knows any more;
        where its commits end, the log says.
        """
        whole = self._fresh(folder / "whole", after)
        self._upto(whole, commits[-1])
        made = self._made(whole, after)
        equal = sum(1 for one, other in zip(commits, made, strict=False) if one.sha256 == other.sha256)
        if equal == len(commits) or (
            equal < len(made) and made[equal].checkpoint == commits[equal].checkpoint
        ):
            return made
        steps = self._fresh(folder / "steps", after + equal)
        for commit in commits[equal:]:
            self._upto(steps, commit)
        return [*made[:equal], *self._made(steps, after + equal)]

    def _fresh(self, folder: Path, upto: int) -> Log:
        fresh = Log.open(folder)
        fresh.take_over(self.log, self.partition, upto=upto)
        return fresh

    def _upto(self, fresh: Log, commit: Commit) -> None:
        is_begun = fresh.reader(self.partition).head() is not None
        capture(
            self.source,
            fresh,
            self.partition,
            first=None if is_begun else self.begun,
            upto=commit.checkpoint.position,
            options=self.options,
            progress=self.progress,
        )

    def _made(self, fresh: Log, after: int) -> list[Commit]:
        return list(fresh.reader(self.partition).commits(after))


def _where_they_part(commits: list[Commit], made: list[Commit]) -> list[Compared]:
    """The first commit that is another one, if there is."""
    for commit, again in zip(commits, made, strict=False):
        if commit.sha256 != again.sha256:
            what = f"commit {commit.number} ({_what_differs(commit, again)})"
            return [Compared(what=what, then=commit.sha256, now=again.sha256)]
    return []


def _what_differs(one: Commit, other: Commit) -> str:
    if one.checkpoint != other.checkpoint:
        return f"position {one.checkpoint.position}, now {other.checkpoint.position}"
    rows = [[ref.rows for ref in (*each.segments, *each.quarantine)] for each in (one, other)]
    if rows[0] != rows[1]:
        return f"rows {rows[0]}, now {rows[1]}"
    sums = [hash_sum_of([each]) for each in (one, other)]
    return "other events" if sums[0] != sums[1] else "the same events in other bytes"


def _rows(commits: list[Commit], kind: str) -> int:
    return sum(ref.rows for commit in commits for ref in commit.refs(kind))


def replayed_again(
    log: Log, receipt: Receipt, codec: Codec, *, workers: int = 1, progress: Progress | None = None
) -> list[Compared]:
    """Replay the commits of a receipt into a temporary DuckDB file and compare counts and sums of hashes.

    Args:
        log: what was read.
        receipt: of a replay, into whatever sink.
        codec: one of the same fingerprint.
        workers: processes that decode.
        progress: told of rows loaded.

    Raises:
        CodecChangedError: another codec than the receipt's; the message says what of it changed.
        EpochError: the log has other commits than the receipt.
    """
    _same_codec(receipt, codec)
    parts = _parts(receipt)
    for part in parts:
        _commits(log, part)
    readers = [
        log.between(str(part["partition"]), after=int(part["after_commit"]), upto=int(part["upto_commit"]))
        for part in parts
    ]
    found: list[Compared] = []
    with tempfile.TemporaryDirectory(prefix="eventreplay-again-") as folder:
        place = Path(folder) / "warehouse.duckdb"
        with DuckDBSink(place, clock=lambda: datetime.now(UTC)) as sink:
            again = replay(log, sink, codec, readers=readers, workers=workers, progress=progress)
            made = {part.partition: part for part in again.partitions}
            for part in parts:
                name = str(part["partition"])
                now = made.get(name)
                (tally,) = sink.tally(name, "log", [Span(OFFSET_MIN, OFFSET_END)])
                for what in ("loaded", "quarantined", "digest"):
                    value = None if now is None else getattr(now, what)
                    found.append(Compared(what=f"{name}: {what}", then=part[what], now=value))
                then = str(part["event_hash_sum"])
                found.append(Compared(what=f"{name}: event_hash_sum", then=then, now=str(tally.computed)))
    counts = ("read", "loaded", "quarantined", "commits")
    found += [Compared(what=what, then=receipt.facts[what], now=getattr(again, what)) for what in counts]
    return found


def verified_again(receipt: Receipt, now: Verification) -> list[Compared]:
    """Compare a comparison with one of before: what differed then, and now.

    A load may have gone on since, so more commits may be compared now; fewer are a difference.

    Args:
        receipt: of a comparison.
        now: the same comparison made again.
    """
    found = [
        Compared(what=kind, then=receipt.facts[f"{kind}_count"], now=getattr(now, f"{kind}_count"))
        for kind in DIFFERENCES
    ]
    known = {part.partition: part for part in now.partitions}
    for part in receipt.facts["partitions"]:
        name, then = str(part["partition"]), int(part["commits"])
        later = known[name].commits if name in known else 0
        found.append(Compared(what=f"{name}: commits compared", then=then, now=min(then, later)))
    return found


def _same_codec(receipt: Receipt, codec: Codec) -> None:
    then = receipt.facts.get("codec")
    if then == codec.fingerprint:
        return
    types = receipt.facts.get("types") or (receipt.facts.get("settings") or {}).get("types") or {}
    now = dict(codec.type_fingerprints()) if isinstance(codec, SupportsTypes) else {}
    changed = sorted(name for name in {*types, *now} if types.get(name) != now.get(name))
    which = ", ".join(changed[:_NAMED_MAX]) + (" and more" if len(changed) > _NAMED_MAX else "")
    release = receipt.code.get("eventreplay")
    raise CodecChangedError(
        f"Receipt {receipt.number} is of another codec ({str(then)[:12]}…) than the one there is now"
        f" ({codec.fingerprint[:12]}…)" + (f": {which} changed." if types and which else "."),
        hint=f"Use the schemas, limits and release of then (eventreplay {release}).",
        expected=then,
        found=codec.fingerprint,
        types=changed,
    )


def _only_part(receipt: Receipt) -> Mapping[str, Any]:
    parts = _parts(receipt)
    if len(parts) != 1:
        raise ConfigError(
            f"Receipt {receipt.number} is of {len(parts)} partitions of a queue.",
            hint="A queue delivers once: what it delivered is in the log, and nowhere else.",
        )
    return parts[0]


def _parts(receipt: Receipt) -> list[Mapping[str, Any]]:
    parts = [part for part in receipt.facts.get("partitions") or () if "upto_commit" in part]
    if not parts:
        raise ConfigError(
            f"Receipt {receipt.number} names no commits.", hint="Nothing in it could be done again."
        )
    return parts


def _commits(log: Log, part: Mapping[str, Any]) -> list[Commit]:
    """The commits of a range, which must be those that the receipt speaks of; the chain is verified."""
    name, after, upto = str(part["partition"]), int(part["after_commit"]), int(part["upto_commit"])
    before = log.reader(name).commit(after) if after > 0 else None
    found = list(log.between(name, after=after, upto=upto).commits())
    digests = ("" if before is None else before.sha256, found[-1].sha256 if found else "")
    if digests != (part["digest_before"], part["digest"]):
        raise EpochError(
            f"Commits {after + 1} to {upto} of {name!r} are not those that the receipt speaks of.",
            hint="The log was replaced or rolled back. Point to the right one.",
            expected=part["digest"],
            found=digests[1],
        )
    return found
