"""Ceph 16 knows a version by its bare hash, and refuses what the standard wants: the hash in quotes."""

from __future__ import annotations

from typing import Any

import pytest

from eventreplay.log.s3.client import StoreError
from eventreplay.log.s3.storage import S3Storage
from tests.integration.s3.bucket import Bucket, run

KEY = "commits/journal/1"


class Bare:
    """A client of a store that compares as Ceph 16 does."""

    def __init__(self, storage: S3Storage) -> None:
        self._call = storage._client.call
        self.conditions: list[str] = []

    def __call__(self, operation: str, **parameters: Any) -> Any:
        version = parameters.pop("IfMatch", None)
        if version is None:
            return self._call(operation, **parameters)
        self.conditions.append(version)
        if version.startswith('"'):
            raise StoreError(412, "PreconditionFailed")
        return self._call(operation, IfMatch=f'"{version}"', **parameters)


def test_it_is_found_out_once(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = bucket.storage(bucket.prefix())
    bare = Bare(storage)
    monkeypatch.setattr(storage._client, "call", bare)
    assert storage.put_new(KEY, b"one")
    assert storage.replace(KEY, b"two", b"one")
    assert not storage.replace(KEY, b"three", b"one")
    assert storage.get(KEY) == b"two"
    before = len(bare.conditions)
    assert storage.replace(KEY, b"three", b"two")
    assert storage.get(KEY) == b"three"
    assert len(bare.conditions) == before + 1


def test_another_ones_content_is_left_alone(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = bucket.prefix()
    storage, other = bucket.storage(prefix), bucket.plain(prefix)
    bare = Bare(storage)
    monkeypatch.setattr(storage._client, "call", bare)
    assert storage.put_new(KEY, b"one")
    read = storage._get

    def late(key: str) -> dict[str, Any] | None:
        found = read(key)
        assert other.replace(KEY, b"another one's", b"one")
        return found

    monkeypatch.setattr(storage, "_get", late)
    assert not storage.replace(KEY, b"two", b"one")
    assert not bare.conditions[-1].startswith('"')
    assert other.get(KEY) == b"another one's"


def test_a_capture_goes_through(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = bucket.prefix()
    log = bucket.log(prefix)
    storage = log._storage
    assert isinstance(storage, S3Storage)
    monkeypatch.setattr(storage._client, "call", Bare(storage))
    run(log)
    assert log.check().ok
    due = bucket.prefix()
    run(bucket.plain_log(due))
    assert bucket.files(prefix) == bucket.files(due)
