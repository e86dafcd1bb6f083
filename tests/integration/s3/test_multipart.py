"""A large segment goes in parts: all of them or none, whatever fails."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from attrs import evolve

from eventreplay.errors import LogError, LogUnavailableError
from eventreplay.log.layout import segment_key
from eventreplay.log.s3.settings import PART_BYTES_MIN
from eventreplay.log.s3.storage import S3Storage
from eventreplay.testing.faults.s3 import Kind
from tests.integration.s3.bucket import PARTITION, Bucket

CONTENT = bytes(range(256)) * (2 * PART_BYTES_MIN // 256) + b"the rest"
KEY = segment_key("events", PARTITION, 0, hashlib.sha256(CONTENT).hexdigest())
STEPS = ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")


def later(*kinds: str) -> list[Any]:
    """The same with other kinds; ten megabytes each."""
    return [pytest.param(kind, marks=pytest.mark.long) for kind in kinds]


@pytest.fixture
def storage(bucket: Bucket) -> S3Storage:
    storage = bucket.patient(bucket.prefix())
    settings = evolve(
        storage._settings, multipart_bytes_min=PART_BYTES_MIN, part_bytes=PART_BYTES_MIN, attempts_max=4
    )
    storage._settings = settings
    storage._patience = evolve(storage._patience, settings=settings)
    return storage


def test_it_is_what_was_put_and_never_overwritten(bucket: Bucket, storage: S3Storage) -> None:
    assert storage.put_new(KEY, CONTENT) is True
    assert [call.operation for call in bucket.shim.calls].count("UploadPart") == 3
    assert storage.get(KEY) == CONTENT
    assert storage.put_new(KEY, CONTENT) is False
    assert bucket.uploads() == []


def test_what_does_not_carry_its_hash_goes_in_one_piece(bucket: Bucket, storage: S3Storage) -> None:
    assert storage.put_new("events/other", CONTENT) is True
    assert storage.put_new("events/other", CONTENT) is False
    assert {call.operation for call in bucket.shim.calls} == {"PutObject"}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", ["lost", *later("500", "503", "200-error", "409")])
def test_a_failure_at_a_step_is_ridden_out(bucket: Bucket, storage: S3Storage, step: str, kind: Kind) -> None:
    bucket.shim.fail(kind, operation=step)
    storage.put_new(KEY, CONTENT)
    assert bucket.shim.fired
    assert storage.get(KEY) == CONTENT


@pytest.mark.parametrize("kind", ["damaged-request", "damaged-object"])
def test_a_damaged_part_is_sent_again(bucket: Bucket, storage: S3Storage, kind: Kind) -> None:
    bucket.shim.fail(kind, operation="UploadPart", first=2)
    assert storage.put_new(KEY, CONTENT) is True
    assert storage.get(KEY) == CONTENT


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", ["403", *later("500", "200-error")])
def test_a_failure_for_ever_leaves_nothing(bucket: Bucket, storage: S3Storage, step: str, kind: Kind) -> None:
    bucket.shim.fail(kind, operation=step, times=None)
    with pytest.raises(LogError) as caught:
        storage.put_new(KEY, CONTENT)
    assert isinstance(caught.value, LogUnavailableError) is (kind != "403")
    bucket.shim.reset()
    assert storage.get(KEY) is None
    assert bucket.uploads() == []


def test_another_ones_object_at_the_last_moment_is_left_alone(bucket: Bucket, storage: S3Storage) -> None:
    plain = bucket.plain(storage._root.rstrip("/"))
    seen = storage.keys

    def keys(prefix: str, after: str = "") -> object:
        found = list(seen(prefix, after))
        plain.put_new(KEY, b"another one's")
        return iter(found)

    storage.keys = keys  # type: ignore[method-assign,assignment]
    assert storage.put_new(KEY, CONTENT) is False
    assert plain.get(KEY) == b"another one's"
    assert bucket.uploads() == []
