"""How often an operation is tried, how long it waits, and what its end is called."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from eventreplay.errors import LogError, LogUnavailableError
from eventreplay.log.s3 import S3Settings
from eventreplay.log.s3.client import S3Client, StoreError
from eventreplay.log.s3.patience import RIGHTS, Patience


class Client(S3Client):
    """Only what patience asks of it."""

    def __init__(self) -> None:
        self.renewed = 0

    def renew(self) -> None:
        self.renewed += 1


class Run:
    """An operation that fails as told, and the waits that it took."""

    def __init__(self, *failures: StoreError, settings: S3Settings | None = None, clock: Any = None) -> None:
        self.waits_s: list[float] = []
        self.client = Client()
        self._failures: Iterator[StoreError] = iter(failures)
        self.patience = Patience(
            settings=settings or S3Settings(attempts_max=4, wait_min_s=1, wait_max_s=3),
            label="s3://bucket/log",
            sleep=self.waits_s.append,
            clock=clock or (lambda: 0.0),
            jitter=lambda: 1.0,
        )

    def __call__(self) -> str:
        return self.patience.run(self.client, "put_object", "some/key", self._attempt)

    def _attempt(self) -> str:
        failure = next(self._failures, None)
        if failure is not None:
            raise failure
        return "done"


BUSY = StoreError(503, "SlowDown")


def test_waits_grow_to_a_bound_and_are_jittered() -> None:
    run = Run(BUSY, BUSY, BUSY)
    assert run() == "done"
    assert run.waits_s == [1, 2, 3]
    low = Patience(settings=run.patience.settings, label="", jitter=lambda: 0.0)
    assert low._wait_s(1) == 0.5


def test_attempts_have_an_end_and_the_end_says_why() -> None:
    run = Run(*[BUSY] * 9)
    with pytest.raises(LogUnavailableError, match=r"4 attempts.*503, SlowDown") as caught:
        run()
    assert caught.value.retryable
    assert len(run.waits_s) == 3


def test_time_has_an_end() -> None:
    seconds = count(0, 50)
    run = Run(*[BUSY] * 99, settings=S3Settings(attempts_max=99), clock=lambda: float(next(seconds)))
    with pytest.raises(LogUnavailableError, match="3 attempts"):
        run()


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (StoreError(403, "AccessDenied"), "permission denied; s3:PutObject"),
        (StoreError(403, "SignatureDoesNotMatch"), "credentials"),
        (StoreError(403, "InvalidAccessKeyId"), "credentials"),
        (StoreError(403, "RequestTimeTooSkewed"), "clock"),
        (StoreError(403, "AssumeRole.AccessDenied"), "sts:AssumeRole"),
        (StoreError(403, "NoCredentials"), "no credentials"),
        (StoreError(400, "KMS.DisabledException"), "KMS"),
        (StoreError(404, "NoSuchBucket"), "does not exist"),
        (StoreError(301, "PermanentRedirect"), "another region"),
        (StoreError(501, "NotImplemented"), "conditional puts"),
        (StoreError(418, "Unnamed"), "418"),
    ],
)
def test_refusals_stop_at_once_and_say_what_to_do(failure: StoreError, words: str) -> None:
    run = Run(failure)
    with pytest.raises(LogError, match=words) as caught:
        run()
    assert not caught.value.retryable
    assert caught.value.hint
    assert run.waits_s == []


@pytest.mark.parametrize("status", [400, 403])
def test_expired_credentials_are_renewed_once(status: int) -> None:
    run = Run(StoreError(status, "ExpiredToken"))
    assert run() == "done"
    assert run.client.renewed == 1
    run = Run(*[StoreError(status, "ExpiredToken")] * 2)
    with pytest.raises(LogError, match="expired"):
        run()


@pytest.mark.parametrize(
    ("failure", "transient", "unknown"),
    [
        (StoreError(0, "ReadTimeoutError"), True, True),
        (StoreError(500, "InternalError"), True, True),
        (StoreError(503, "SlowDown"), True, False),
        (StoreError(409, "ConditionalRequestConflict"), True, False),
        (StoreError(400, "BadDigest"), True, False),
        (StoreError(400, "RequestTimeout"), True, True),
        (StoreError(412, "PreconditionFailed"), False, False),
        (StoreError(403, "AccessDenied"), False, False),
        (StoreError(502, "Unnamed"), True, True),
    ],
)
def test_what_may_have_happened(failure: StoreError, *, transient: bool, unknown: bool) -> None:
    assert (failure.transient, failure.unknown) == (transient, unknown)


def test_every_operation_has_its_right() -> None:
    assert RIGHTS["list_objects_v2"] == "s3:ListBucket"
    assert all(right.startswith("s3:") for right in RIGHTS.values())
