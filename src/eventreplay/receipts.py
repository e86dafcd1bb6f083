"""Receipts: what a run read, by which code, and what came out; enough to run the same again and compare.

A receipt is kept beside the log, under the next free number, and names the SHA-256 of the one before it: none
can be changed or taken out unseen. The verbs keep none by themselves; whoever runs them does (the command
line, an operator of a scheduler, a script), by `keep` and the facts of one of the functions below.
"""

from __future__ import annotations

import platform
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any, NoReturn

from attrs import asdict, frozen

from eventreplay.capture import CaptureReceipt
from eventreplay.errors import ConfigError, CorruptLogError
from eventreplay.log import Commit, Log
from eventreplay.log.receipts import Slot, receipt_key
from eventreplay.log.sealing import canonical
from eventreplay.redaction import names_secret, redacted
from eventreplay.replay import LoadedRange, ReplayReceipt
from eventreplay.secret import MASK, Secret
from eventreplay.verify import Verification

KINDS = ("capture", "replay", "verify", "dbt", "live", "rebuild", "prove", "redrive", "repair")
FACTS_BYTES_MAX = 1024 * 1024
"""Facts of one receipt: counts, ranges and hashes, never data."""
NAMED_MAX = 20
"""Rows that differ which the receipt of a comparison names, of each kind."""

_RATED = frozenset({"capture", "replay", "verify", "live"})
"""Kinds of runs that go over records once, so that records in a second say something."""
_FORMAT = 1
_MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"
_JSON_INT_BITS = 63
_MADE_BY = ("eventreplay", "pyarrow")
"""Whose releases decide bytes; Python's version stands beside them."""


@frozen(kw_only=True)
class Receipt:
    """What one run did.

    Attributes:
        number: counts from 1 in a log.
        kind: one of `KINDS`.
        run: a random word of this run.
        began: when the run began, UTC.
        ended: when it ended, UTC; wall clocks, which may be set back in between.
        code: releases of what did it: `eventreplay`, `pyarrow`, `python`.
        facts: plain JSON data; what stands in it depends on the kind.
        previous: hex SHA-256 of the receipt before it; 64 zeros in the first.
        sha256: hex SHA-256 of this one.
    """

    number: int
    kind: str
    run: str
    began: datetime
    ended: datetime
    code: Mapping[str, str]
    facts: Mapping[str, Any]
    previous: str
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        return {
            "number": self.number,
            "kind": self.kind,
            "run": self.run,
            "began": self.began.strftime(_MOMENT),
            "ended": self.ended.strftime(_MOMENT),
            "code": dict(self.code),
            "facts": dict(self.facts),
            "previous": self.previous,
            "sha256": self.sha256,
        }


def keep(log: Log, kind: str, facts: Mapping[str, object], *, began: datetime, ended: datetime) -> Receipt:
    """Write a receipt beside the log; durable on return. Any number of runs may do so at once.

    Args:
        log: the log that was read or written.
        kind: one of `KINDS`.
        facts: what was read and what came out, as JSON has it; moments, decimals and integers of more than 63
            bits become text. A `Secret`, and the value of a setting whose name speaks of one, becomes `***`.
        began: when the run began, timezone-aware.
        ended: when it ended, timezone-aware.

    Raises:
        ConfigError: an unknown kind, a moment without a zone, facts that are no JSON or too many; or there is
            no log.
        LogUnavailableError: the store failed. What the run did is done; its receipt may not be there.
    """
    if kind not in KINDS:
        raise ConfigError(f"There is no receipt of kind {kind!r}.", hint=f"Give one of {', '.join(KINDS)}.")
    if not log.exists():
        raise ConfigError(f"There is no log at {log.url}.", hint="A receipt stands beside a log.")
    plain = _rated(kind, _plain(facts), (_utc(ended) - _utc(began)).total_seconds())
    size = len(canonical(plain))
    if size > FACTS_BYTES_MAX:
        raise ConfigError(
            f"The facts of a receipt have {size:,} bytes, more than {FACTS_BYTES_MAX:,}.",
            hint="Keep counts, ranges and hashes, and samples of few rows.",
        )
    body = {
        "version": _FORMAT,
        "kind": kind,
        "run": secrets.token_hex(8),
        "began": _utc(began).strftime(_MOMENT),
        "ended": _utc(ended).strftime(_MOMENT),
        "code": {name: version(name) for name in _MADE_BY} | {"python": platform.python_version()},
        "facts": plain,
    }
    return _receipt(log.receipts().add(body))


def _rated(kind: str, facts: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The facts and how fast it went; wall clocks may be set back, so the run's own seconds are better."""
    rows = _rows_of(facts)
    spent = facts.get("seconds") or seconds
    is_known = kind in _RATED and rows > 0 and spent > 0
    return {"per_second": round(rows / spent), **facts} if is_known else facts


def _rows_of(facts: Mapping[str, Any]) -> int:
    """Records that a run went over, from the facts of any kind."""
    counted = facts.get("read", facts.get("received"))
    if isinstance(counted, int):
        return counted
    parts = [part for part in facts.get("partitions") or () if isinstance(part, Mapping)]
    return sum(int(part.get("received", part.get("rows")) or 0) for part in parts)


def options_of(options: Iterable[str]) -> dict[str, str]:
    """`NAME=VALUE` each as the settings of a receipt have them; what a name calls secret is masked there."""
    return {name: value for name, _, value in (option.partition("=") for option in options)}


class Receipts:
    """The receipts of a log, to read.

    Args:
        log: whose receipts; one of a later release than this is refused.
    """

    def __init__(self, log: Log) -> None:
        self._book = log.receipts()

    def list(self, *, kind: str | None = None, last: int | None = None) -> tuple[Receipt, ...]:
        """Receipts, oldest first.

        Args:
            kind: only of this kind.
            last: only so many, the latest.

        Raises:
            CorruptLogError: one of them was changed.
        """
        found: list[Receipt] = []
        for number in sorted(self._book.numbers(), reverse=True):
            if last is not None and len(found) >= last:
                break
            receipt = self.get(number)
            if receipt is not None and kind in {None, receipt.kind}:
                found.append(receipt)
        return tuple(reversed(found))

    def get(self, number: int) -> Receipt | None:
        """One receipt, or None if there is none of this number.

        Raises:
            CorruptLogError: it was changed.
        """
        slot = self._book.read(number) if number > 0 else None
        return None if slot is None else _receipt(slot)

    def verify_chain(self) -> int:
        """See that every receipt is as it was kept and none is missing between two; how many there are.

        Receipts taken away at the end are not missed: what remembers the hash of the last one can tell.

        Raises:
            CorruptLogError: names the first that does not hold.
        """
        for key, _, detail in self._book.faults():
            raise CorruptLogError(
                f"The chain of receipts does not hold at {key}: {detail}.",
                hint="Restore it from a copy; never edit or delete receipts.",
                key=key,
                detail=detail,
            )
        return sum(1 for _ in self._book.numbers())


def captured(
    log: Log,
    receipts: Iterable[CaptureReceipt],
    *,
    settings: Mapping[str, object] | None = None,
    **more: object,
) -> dict[str, Any]:
    """The facts of a capture: for each partition the commits it made, from where to where, and their hashes.

    Captured again from the same source, run by run to the same positions and by the same settings, a fresh
    partition ends in the same digests.

    Args:
        log: where it was captured to.
        receipts: what the verb gave, one for each partition.
        settings: those that decide what comes out; never a secret.
        more: what else is to be known: `attempts`, `seconds`.
    """
    partitions = [_captured_range(log, receipt) for receipt in receipts]
    return {"log": log.url, "partitions": partitions, "settings": dict(settings or {}), **more}


def _captured_range(log: Log, receipt: CaptureReceipt) -> dict[str, Any]:
    reader = log.reader(receipt.partition)
    facts: dict[str, Any] = {
        "partition": receipt.partition,
        "source": receipt.source,
        "received": receipt.received,
        "logged": receipt.logged,
        "quarantined": receipt.quarantined,
        "commits": receipt.commits,
        "position": receipt.position,
        "digest": receipt.digest,
    }
    last = reader.head()
    # Another run may have gone on since; ours ends where its digest is.
    while last is not None and last.sha256 != receipt.digest:
        last = reader.commit(last.number - 1) if last.number > 1 else None
    if last is None:
        return facts
    first = last.number - receipt.commits
    before = reader.commit(first) if first > 0 else None
    made = [commit for commit in map(reader.commit, range(first + 1, last.number + 1)) if commit is not None]
    return {
        **facts,
        **commit_range(before, last),
        "epoch": last.checkpoint.epoch,
        "position_before": None if before is None else before.checkpoint.position,
        "event_hash_sum": str(hash_sum_of(made)),
        "bytes": sum(ref.bytes for commit in made for ref in (*commit.segments, *commit.quarantine)),
    }


def loaded(
    log: Log,
    receipt: ReplayReceipt,
    *,
    sink: str,
    settings: Mapping[str, object] | None = None,
    **more: object,
) -> dict[str, Any]:
    """The facts of a replay: for each partition the commits it loaded, with their hashes, and by which codec.

    The same commits through a codec of the same fingerprint give the same rows; `event_hash_sum` is that of
    the rows in EVENTS and in QUARANTINE together, as `verify` compares it.

    Args:
        log: what was read.
        receipt: what the verb gave.
        sink: where the rows went, as a URL without secrets.
        settings: those that matter; never a secret.
        more: what else is to be known: `attempts`, `seconds`.
    """
    return {
        "log": log.url,
        "sink": sink,
        "replay_id": receipt.replay_id,
        "codec": receipt.fingerprint,
        "read": receipt.read,
        "loaded": receipt.loaded,
        "quarantined": receipt.quarantined,
        "commits": receipt.commits,
        "transactions": receipt.transactions,
        "partitions": [_loaded_range(log, each) for each in receipt.partitions],
        "settings": dict(settings or {}),
        **more,
    }


def _loaded_range(log: Log, loaded: LoadedRange) -> dict[str, Any]:
    reader = log.reader(loaded.partition)
    numbers = range(loaded.after_commit + 1, loaded.upto_commit + 1)
    read = [commit for commit in map(reader.commit, numbers) if commit is not None]
    return {**asdict(loaded), "epoch": reader.epoch(), "event_hash_sum": str(hash_sum_of(read))}


def verified(log: Log, found: Verification, *, sink: str, **more: object) -> dict[str, Any]:
    """The facts of a comparison: up to which commits, what was counted and added up, and what differs.

    Args:
        log: what was compared with.
        found: what the verb gave; its ranges are added up, few differences named.
        sink: whose rows, as a URL without secrets.
        more: what else is to be known: `seconds`.
    """
    for part in (facts := found.to_json())["partitions"]:
        ranges, days = part.pop("ranges"), part.pop("days")
        part["unequal_ranges"] = sum(not one["equal"] for one in ranges)
        part["unequal_days"] = sum(not one["equal"] for one in days)
        part["event_hash_sum"] = str(sum(int(one["log_hash_sum"] or 0) for one in ranges))
    for kind in ("missing", "doubled", "altered", "unknown"):
        facts[kind] = facts[kind][:NAMED_MAX]
    return {**facts, "log": log.url, "sink": sink, **more}


def commit_range(before: Commit | None, last: Commit) -> dict[str, Any]:
    """The commits behind `before` up to `last`, with the hashes that prove which they are."""
    return {
        "after_commit": 0 if before is None else before.number,
        "upto_commit": last.number,
        "digest_before": "" if before is None else before.sha256,
        "digest": last.sha256,
    }


def hash_sum_of(commits: Iterable[Commit]) -> int:
    """The exact sum of the event hashes that these commits vouch for."""
    return sum(ref.event_hash_sum for commit in commits for ref in commit.segments)


def _receipt(slot: Slot) -> Receipt:
    body: Mapping[str, Any] = slot.body
    try:
        if body["version"] != _FORMAT:
            _unreadable(slot.number, f"it has version {body['version']}, this release reads {_FORMAT}")
        return Receipt(
            number=slot.number,
            kind=str(body["kind"]),
            run=str(body["run"]),
            began=datetime.strptime(body["began"], _MOMENT).replace(tzinfo=UTC),
            ended=datetime.strptime(body["ended"], _MOMENT).replace(tzinfo=UTC),
            code=dict(body["code"]),
            facts=dict(body["facts"]),
            previous=slot.previous,
            sha256=slot.sha256,
        )
    except (KeyError, TypeError, ValueError):
        _unreadable(slot.number, "it lacks what a receipt has")


def _unreadable(number: int, detail: str) -> NoReturn:
    key = receipt_key(number)
    raise CorruptLogError(
        f"{key} cannot be read: {detail}.", hint="Use the release that wrote it.", key=key, detail=detail
    ) from None


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ConfigError("A receipt's moment has no time zone.", hint="Pass e.g. datetime.now(UTC).")
    return moment.astimezone(UTC)


def _plain(value: object, path: str = "facts") -> Any:
    """`value` as JSON data that shows no secret and loses no digit."""
    if isinstance(value, Mapping):
        return {str(name): _named(str(name), item, path) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item, path) for item in value]
    if isinstance(value, Secret):
        return MASK
    return redacted(value) if isinstance(value, str) else _scalar(value, path)


def _scalar(value: object, path: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _JSON_INT_BITS else str(value)
    if isinstance(value, float) and value == value and abs(value) != float("inf"):  # noqa: PLR0124 - not NaN
        return value
    if isinstance(value, datetime):
        return _utc(value).strftime(_MOMENT)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    raise ConfigError(
        f"{path} has a {type(value).__name__}, which a receipt does not take.",
        hint="Give texts, numbers, moments, lists and mappings.",
        path=path,
    )


def _named(name: str, value: object, path: str) -> Any:
    if names_secret(name) and isinstance(value, str) and value:
        return MASK
    return _plain(value, f"{path}.{name}")
