"""S3Storage over a bucket in memory: lost replies, refusals, damage, and stores that drop metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from eventreplay.errors import LogError, LogUnavailableError
from eventreplay.log.s3 import S3Settings, S3Storage
from eventreplay.log.s3.client import S3Client, StoreError
from eventreplay.log.s3.patience import Patience

Answer = Callable[[str, dict[str, Any]], None]


class MemoryBucket(S3Client):
    """S3's rules for puts and gets, without S3; `before` and `after` a request something may happen."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.before: Answer = lambda _operation, _parameters: None
        self.after: Answer = lambda _operation, _parameters: None
        self.keeps_metadata = True
        self.calls: list[str] = []

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        self.calls.append(operation)
        self.before(operation, parameters)
        reply = self._put(parameters) if operation == "put_object" else self._get(parameters)
        self.after(operation, parameters)
        return reply

    def _put(self, given: dict[str, Any]) -> dict[str, Any]:
        there = self.objects.get(given["Key"])
        if "IfNoneMatch" in given and there is not None:
            raise StoreError(412, "PreconditionFailed")
        if "IfMatch" in given and (there is None or there["ETag"] != given["IfMatch"]):
            raise StoreError(412 if there else 404, "PreconditionFailed" if there else "NoSuchKey")
        etag = f'"{hashlib.md5(given["Body"], usedforsecurity=False).hexdigest()}"'
        metadata = given["Metadata"] if self.keeps_metadata else {}
        self.objects[given["Key"]] = {"Content": given["Body"], "ETag": etag, "Metadata": metadata}
        return {"ETag": etag}

    def _get(self, given: dict[str, Any]) -> dict[str, Any]:
        if given["Key"] not in self.objects:
            raise StoreError(404, "NoSuchKey")
        return dict(self.objects[given["Key"]])


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


@pytest.fixture
def storage(bucket: MemoryBucket) -> S3Storage:
    return handle(bucket)


def handle(bucket: MemoryBucket) -> S3Storage:
    settings = S3Settings(attempts_max=3)
    patience = Patience(settings=settings, label="s3://bucket/log", sleep=lambda _: None)
    return S3Storage(bucket, "log", settings, patience)


def lose_reply(bucket: MemoryBucket) -> None:
    def after(_: str, __: object) -> None:
        bucket.after = lambda _operation, _parameters: None
        raise StoreError(0, "ReadTimeoutError")

    bucket.after = after


def test_a_lost_reply_of_ones_own_write_is_a_write(bucket: MemoryBucket, storage: S3Storage) -> None:
    lose_reply(bucket)
    assert storage.put_new("slot", b"one") is True
    lose_reply(bucket)
    assert storage.replace("slot", b"two", b"one") is True
    assert storage.get("slot") == b"two"


@pytest.mark.parametrize("theirs", [b"theirs", b"two"])
def test_after_silence_anothers_write_is_not_ours(
    bucket: MemoryBucket, storage: S3Storage, theirs: bytes
) -> None:
    storage.put_new("slot", b"one")
    other = handle(bucket)

    def before(_: str, __: object) -> None:
        # The request never arrives; meanwhile another writer gets on, perhaps with the same bytes.
        bucket.before = lambda _operation, _parameters: None
        assert other.replace("slot", theirs, b"one")
        raise StoreError(0, "ConnectTimeoutError")

    bucket.before = before
    assert storage.replace("slot", b"two", b"one") is False
    assert storage.get("slot") == theirs


def test_where_metadata_is_dropped_nothing_is_claimed(bucket: MemoryBucket, storage: S3Storage) -> None:
    bucket.keeps_metadata = False
    lose_reply(bucket)
    with pytest.raises(LogUnavailableError, match="does not say who wrote"):
        storage.put_new("slot", b"one")
    assert storage.put_new("slot", b"one") is False


@pytest.mark.parametrize("code", ["AccessDenied", "ExplicitDeny"])
def test_a_refusal_is_never_taken_for_nothing_there(
    bucket: MemoryBucket, storage: S3Storage, code: str
) -> None:
    def refuse(_: str, __: object) -> None:
        raise StoreError(403, code)

    bucket.before = refuse
    with pytest.raises(LogError, match="s3:GetObject"):
        storage.get("commits/journal/00000000000000000001.json")
    assert len(bucket.calls) == 1


def test_nothing_is_ever_overwritten_but_what_was_seen(bucket: MemoryBucket, storage: S3Storage) -> None:
    storage.put_new("slot", b"one")
    assert storage.put_new("slot", b"two") is False
    handle(bucket).replace("slot", b"three", b"one")
    # The version this handle remembers is not there any more.
    assert storage.replace("slot", b"four", b"one") is False
    assert storage.get("slot") == b"three"


def test_one_s_own_claim_is_replaced_without_reading_it(bucket: MemoryBucket, storage: S3Storage) -> None:
    storage.put_new("slot", b"claim")
    bucket.calls.clear()
    assert storage.replace("slot", b"commit", b"claim") is True
    assert bucket.calls == ["put_object"]


def test_what_the_store_damaged_is_put_again(bucket: MemoryBucket, storage: S3Storage) -> None:
    def damage(operation: str, parameters: dict[str, Any]) -> None:
        if operation == "put_object":
            bucket.before = lambda _operation, _parameters: None
            parameters["Body"] = b"damaged"

    bucket.before = damage
    assert storage.put_new("slot", b"content") is True
    assert storage.get("slot") == b"content"


def test_a_damaged_reply_is_read_again_and_damage_in_the_store_is_handed_on(
    bucket: MemoryBucket, storage: S3Storage
) -> None:
    storage.put_new("slot", b"content")
    right = bucket.objects["log/slot"]
    bucket.objects["log/slot"] = {**right, "Content": b"c0ntent"}

    def repair(_: str, __: object) -> None:
        if len(bucket.calls) == 3:
            bucket.objects["log/slot"] = right

    bucket.before = repair
    assert storage.get("slot") == b"content"
    # For ever the same other bytes: what reads them compares its own hash, and names the object.
    bucket.before = lambda _operation, _parameters: None
    bucket.objects["log/slot"] = {**right, "Content": b"c0ntent"}
    assert storage.get("slot") == b"c0ntent"
