"""Every kind of failure at every call of a small run: the same bytes in the end, or a stop that says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from eventreplay.errors import CorruptLogError, LogError, LogUnavailableError
from eventreplay.log import Log
from eventreplay.log.layout import segment_key
from eventreplay.testing.faults.s3 import KINDS, Kind
from tests.integration.s3.bucket import PARTITION, Bucket, run, tree
from tests.records import logged_events, logged_rejects

RIDDEN_OUT: frozenset[Kind] = frozenset(
    {
        "500",
        "503",
        "reset",
        "timeout",
        "lost",
        "409",
        "expired",
        "200-error",
        "damaged-request",
        "damaged-object",
        "damaged-reply",
        "cut-reply",
    }
)
"""Once, these must not even end the run."""

TIMES: tuple[int | None, ...] = (1, 2, None)
SECRET = "marker-secret"  # noqa: S105 - looked for, not used

_OF: dict[str, set[Kind]] = {
    "PutObject": {*KINDS} - {"damaged-reply", "cut-reply"},
    "GetObject": {*KINDS} - {"200-error", "412", "damaged-request", "damaged-object", "409"},
    "ListObjectsV2": {"500", "503", "reset", "timeout", "lost", "403", "expired", "200-error", "cut-reply"},
    "DeleteObject": {"500", "503", "reset", "timeout", "lost", "403", "expired", "409"},
}
"""Which kinds a request can meet: a list has no checksum, a delete no condition."""

Case = tuple[int, Kind, int | None]


def cases(operations: Sequence[str]) -> list[Case]:
    return [
        (at, kind, times)
        for at, operation in enumerate(operations, 1)
        for kind in KINDS
        if kind in _OF[operation]
        for times in TIMES
    ]


def sampled(every: Sequence[Case], step: int) -> list[Case]:
    """Each kind and each call at least sometimes, for a step that shares no factor with their counts."""
    return list(every[::step])


@pytest.fixture(scope="module")
def due(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    log = Log.open(tmp_path_factory.mktemp("folder") / "log")
    run(log)
    return tree(log._storage)


def operations_of(bucket: Bucket, act: Callable[[str], object], prefix: str) -> list[str]:
    bucket.shim.reset()
    act(prefix)
    return [call.operation for call in bucket.shim.calls]


def see_stop(error: LogError, kind: Kind) -> None:
    """A stop is one of ours, names what to do and quotes nobody."""
    assert error.hint
    assert SECRET not in str(error)
    if kind == "403":
        assert not error.retryable
        assert "s3:" in str(error), f"{error} names no right"
        assert str(error.fields["right"]) in str(error)
    elif kind == "expired":
        assert not error.retryable
        assert "expired" in str(error)


def captured(bucket: Bucket, case: Case, due: dict[str, str]) -> None:
    at, kind, times = case
    prefix = bucket.prefix()
    bucket.shim.reset()
    bucket.shim.fail(kind, call=at, times=times)
    failure: LogError | None = None
    try:
        run(bucket.log(prefix))
    except LogError as error:
        failure = error
    assert bucket.shim.fired, f"{case} never happened"
    bucket.shim.reset()
    if failure is not None:
        see_stop(failure, kind)
        assert times != 1 or kind not in RIDDEN_OUT, f"{case} ended the run: {failure!r}"
        if kind == "damaged-object" and times is None:
            # A store that keeps other bytes than it is given, for ever, without a checksum: it is found
            # at the first object, and no commit names what it damaged.
            assert isinstance(failure, LogUnavailableError | CorruptLogError)
            return
        assert bucket.plain_log(prefix).check().ok, f"{case} left something half-written"
        run(bucket.log(prefix))
    assert bucket.files(prefix) == due, case
    assert bucket.plain_log(prefix).check().ok


def test_a_sample_of_failures_of_a_capture(bucket: Bucket, due: dict[str, str]) -> None:
    operations = operations_of(bucket, lambda prefix: run(bucket.log(prefix)), bucket.prefix())
    every = cases(operations)
    for case in sampled(every, 61):
        captured(bucket, case, due)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_failure_of_a_capture(bucket: Bucket, due: dict[str, str]) -> None:
    operations = operations_of(bucket, lambda prefix: run(bucket.log(prefix)), bucket.prefix())
    for case in cases(operations):
        captured(bucket, case, due)


def test_a_right_that_is_missing_from_some_call_on(bucket: Bucket, due: dict[str, str]) -> None:
    operations = operations_of(bucket, lambda prefix: run(bucket.log(prefix)), bucket.prefix())
    for at in range(1, len(operations) + 1, 4):
        captured(bucket, (at, "403", None), due)


READS = ("read", "check", "gc")


def orphaned(bucket: Bucket) -> str:
    """A log with an orphan that gc removes."""
    prefix = bucket.prefix()
    run(bucket.plain_log(prefix))
    leave_orphan(bucket, prefix)
    return prefix


def leave_orphan(bucket: Bucket, prefix: str) -> None:
    bucket.plain(prefix).put_new(segment_key("events", PARTITION, 0, "0" * 64), b"left by a dead writer")


def look(bucket: Bucket, what: str, prefix: str) -> object:
    log = bucket.log(prefix)
    if what == "read":
        return logged_events(log), logged_rejects(log), log.sha256()
    if what == "check":
        report = log.check()
        return report.ok, report.total, [finding.key for finding in report.findings]
    return log.gc().orphans


def looked(bucket: Bucket, what: str, case: Case, prefix: str, due: object, files: dict[str, str]) -> None:
    at, kind, times = case
    bucket.shim.reset()
    bucket.shim.fail(kind, call=at, times=times)
    failure: LogError | None = None
    found: object = None
    try:
        found = look(bucket, what, prefix)
    except LogError as error:
        failure = error
    assert bucket.shim.fired, f"{what} {case} never happened"
    bucket.shim.reset()
    if failure is not None:
        see_stop(failure, kind)
        assert times != 1 or kind not in RIDDEN_OUT, f"{what} {case} ended it: {failure!r}"
    elif kind in RIDDEN_OUT and times == 1:
        assert found == due, case
    elif what == "check":
        assert found == due or found[0] is False, case  # type: ignore[index]
    else:
        assert found == due, case
    left = bucket.files(prefix)
    if what != "gc":
        assert left == files, case
        return
    leave_orphan(bucket, prefix)
    assert bucket.files(prefix) == files, case


def looks(bucket: Bucket, what: str, step: int) -> Iterator[None]:
    prefix = orphaned(bucket)
    files = bucket.files(prefix)
    due = look(bucket, what, prefix)
    leave_orphan(bucket, prefix)
    operations = operations_of(bucket, lambda at: look(bucket, what, at), prefix)
    leave_orphan(bucket, prefix)
    for case in sampled(cases(operations), step):
        looked(bucket, what, case, prefix, due, files)
        yield


@pytest.mark.parametrize("what", READS)
def test_a_sample_of_failures_of_readers(bucket: Bucket, what: str) -> None:
    assert sum(1 for _ in looks(bucket, what, 97)) > 2


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("what", READS)
def test_every_failure_of_readers(bucket: Bucket, what: str) -> None:
    assert sum(1 for _ in looks(bucket, what, 1)) > 100
