"""A log in a bucket: conditional puts whose outcome is known even when their reply is lost.

Each write carries a random mark in the object's metadata (not in its bytes, which stay reproducible). When no
answer came and the next attempt finds the name taken, the mark says whether it was this very call that wrote.
See docs/decisions/017.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, field

from eventreplay.errors import LogUnavailableError
from eventreplay.log import layout
from eventreplay.log.s3.client import S3Client, StoreError
from eventreplay.log.s3.multipart import put_in_parts
from eventreplay.log.s3.patience import Patience
from eventreplay.log.s3.settings import S3Settings

WRITE_MARK = "eventreplay-write"
"""Metadata: which call of `put_new` or `replace` wrote the object."""
SHA256_MARK = "eventreplay-sha256"
"""Metadata: of the bytes that were to be stored; says on reading whether they arrived."""

SEEN_MAX = 256
"""Versions of small objects that a handle remembers, to replace its own claim without reading it."""
SEEN_BYTES_MAX = 1024 * 1024
"""Larger objects are never replaced by compare-and-set, but for repair."""

_PRECONDITION_FAILED = 412
_NOT_FOUND = 404


@define
class _Write:
    """One call's attempts to put one object."""

    key: str
    data: bytes
    condition: dict[str, str]
    mark: str = field(factory=lambda: secrets.token_hex(16))
    unknown: bool = False

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.data).digest()


class S3Storage:
    """`Storage` over one prefix of a bucket; any number of handles and threads at once.

    Args:
        client: the bucket.
        prefix: where the log stands in it; empty, or parts separated by `/`.
        settings: bounds and encryption.
        patience: how failures are met.
    """

    def __init__(self, client: S3Client, prefix: str, settings: S3Settings, patience: Patience) -> None:
        self._client = client
        self._root = f"{prefix}/" if prefix else ""
        self._settings = settings
        self._patience = patience
        self._seen: OrderedDict[str, tuple[bytes, str]] = OrderedDict()
        # Whether this store was seen to want versions without quotes.
        self._bare = False
        self._lock = threading.Lock()

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        content = bytes(data)
        large = self._settings.multipart_bytes_min
        # Only under a name that carries the content's hash: some stores ignore the condition when the
        # parts are put together, and there it cannot matter.
        if large is not None and len(content) >= large and _names_its_content(key, content):
            return self._put_large(key, content)
        return self._put(_Write(key, content, {"IfNoneMatch": "*"}))

    def replace(self, key: str, data: bytes, expected: bytes) -> bool:
        seen = self._remembered(key, expected)
        if seen is not None and self._put(_Write(key, data, {"IfMatch": self._version(seen)})):
            return True
        # Not remembered, or not the same version any more: the content decides.
        found = self._get(key)
        if found is None or found["Content"] != expected:
            return False
        if self._put(_Write(key, data, {"IfMatch": self._version(found["ETag"])})):
            return True
        # Nobody need have been faster: Ceph 16 compares what it is sent with the ETag without its quotes.
        if self._bare or not self._put(_Write(key, data, {"IfMatch": found["ETag"].strip('"')})):
            return False
        self._bare = True
        return True

    def discard(self, key: str, expected: bytes) -> bool:  # noqa: ARG002 - nothing is done
        # Stores that ignore If-Match on a delete would delete another writer's commit.
        return False

    def delete(self, key: str) -> None:
        name = self._name(key)
        self._try("delete_object", key, lambda: self._client.call("delete_object", Key=name))

    def get(self, key: str) -> bytes | None:
        found = self._get(key)
        if found is None:
            return None
        content: bytes = found["Content"]
        self._remember(key, content, found.get("ETag"))
        return content

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        for page in self._pages(prefix, after, ""):
            for entry in page.get("Contents", ()):
                key = str(entry["Key"]).removeprefix(self._root)
                # A folder that somebody made in a console is an empty object.
                if key > after and not key.endswith("/") and key:
                    yield key

    def folders(self, prefix: str) -> list[str]:
        found = [
            str(entry["Prefix"]).removeprefix(self._root + prefix).rstrip("/")
            for page in self._pages(prefix, "", "/")
            for entry in page.get("CommonPrefixes", ())
        ]
        return sorted(name for name in found if name)

    def stale(self, prefix: str) -> list[str]:  # noqa: ARG002 - what is half-written is no object
        return []

    def _name(self, key: str) -> str:
        return self._root + layout.check_key(key)

    def _try(self, operation: str, key: str, attempt: Callable[[], Any]) -> Any:
        return self._patience.run(self._client, operation, key, attempt)

    def _get(self, key: str) -> dict[str, Any] | None:
        """The reply to a read whose bytes are those that were written, or twice the same others."""
        name = self._name(key)
        before: bytes | None = None

        def attempt() -> dict[str, Any] | None:
            nonlocal before
            try:
                reply = self._client.call("get_object", Key=name)
            except StoreError as error:
                if error.status == _NOT_FOUND and error.code != "NoSuchBucket":
                    return None
                raise
            content: bytes = reply["Content"]
            due = reply.get("Metadata", {}).get(SHA256_MARK)
            if due is not None and due != hashlib.sha256(content).hexdigest() and content != before:
                # Damaged on the way, or in the store: in which case it comes out the same again, and
                # what reads it names it, as commits and segments carry hashes of their own.
                before = content
                raise StoreError(0, "DamagedReply")
            return reply

        found: dict[str, Any] | None = self._try("get_object", key, attempt)
        return found

    def _put(self, write: _Write) -> bool:
        name, digest = self._name(write.key), write.digest
        parameters: dict[str, Any] = {
            "Key": name,
            "Body": write.data,
            # The store compares this with what arrived, and keeps it.
            "ChecksumSHA256": base64.b64encode(digest).decode("ascii"),
            "Metadata": {WRITE_MARK: write.mark, SHA256_MARK: digest.hex()},
            **self.encryption(),
        }

        def attempt() -> bool:
            try:
                reply = self._client.call("put_object", **parameters, **write.condition)
            except StoreError as error:
                refused = error.status == _PRECONDITION_FAILED or (
                    error.status == _NOT_FOUND and error.code == "NoSuchKey"
                )
                if refused:
                    return write.unknown and self._was_ours(write)
                write.unknown = write.unknown or error.unknown
                raise
            self._see_stored(write, reply)
            self._remember(write.key, write.data, reply.get("ETag"))
            return True

        done: bool = self._try("put_object", write.key, attempt)
        return done

    def _was_ours(self, write: _Write) -> bool:
        """Whether an attempt without an answer had been carried out after all.

        Raises:
            LogUnavailableError: the store keeps no metadata, so that nothing can tell.
        """
        found = self._get(write.key)
        if found is None:
            return False
        mark = found.get("Metadata", {}).get(WRITE_MARK)
        if mark == write.mark:
            self._see_stored(write, found)
            self._remember(write.key, write.data, found.get("ETag"))
            return True
        if mark is None and found["Content"] == write.data:
            raise LogUnavailableError(
                f"A reply of the store was lost, and it does not say who wrote"
                f" {self._patience.where(write.key)}.",
                hint="Start again: the run goes on behind the last commit.",
                key=write.key,
            )
        return False

    def _see_stored(self, write: _Write, reply: dict[str, Any]) -> None:
        """See that the store holds what was sent, where its reply does not prove it.

        Raises:
            StoreError: transient; it holds other bytes, and the next attempt replaces them.
        """
        if reply.get("ChecksumSHA256") == base64.b64encode(write.digest).decode("ascii"):
            return
        etag = str(reply.get("ETag", "")).strip('"')
        if etag == hashlib.md5(write.data, usedforsecurity=False).hexdigest():
            return
        # Encrypted by KMS on a store without checksums, or damaged: only reading it tells.
        found = reply if "Content" in reply else self._get(write.key)
        if found is not None and found["Content"] == write.data:
            return
        if found is not None and found.get("Metadata", {}).get(WRITE_MARK) == write.mark:
            write.condition = {"IfMatch": self._version(found["ETag"])}
        write.unknown = True
        raise StoreError(0, "DamagedObject")

    def encryption(self) -> dict[str, str]:
        """What every put says of encryption."""
        found: dict[str, str] = {}
        if self._settings.sse is not None:
            found["ServerSideEncryption"] = self._settings.sse
        if self._settings.kms_key_id is not None:
            found["SSEKMSKeyId"] = self._settings.kms_key_id
        return found

    def _put_large(self, key: str, content: bytes) -> bool:
        if next(self.keys(key), None) == key:
            return False
        metadata = {SHA256_MARK: hashlib.sha256(content).hexdigest()}
        return put_in_parts(
            self._client,
            self._patience,
            key,
            content,
            part_bytes=self._settings.part_bytes,
            parameters={"Key": self._name(key), "Metadata": metadata, **self.encryption()},
        )

    def _pages(self, prefix: str, after: str, delimiter: str) -> Iterator[dict[str, Any]]:
        if prefix:
            layout.check_key(prefix.rstrip("/"))
        parameters: dict[str, Any] = {"Prefix": self._root + prefix}
        if delimiter:
            parameters["Delimiter"] = delimiter
        if after:
            parameters["StartAfter"] = self._root + after
        while True:
            page = self._try(
                "list_objects_v2", prefix, lambda: self._client.call("list_objects_v2", **parameters)
            )
            yield page
            token = page.get("NextContinuationToken")
            if not page.get("IsTruncated") or token is None:
                return
            parameters["ContinuationToken"] = token

    def _remember(self, key: str, content: bytes, etag: str | None) -> None:
        if etag is None or len(content) > SEEN_BYTES_MAX:
            return
        with self._lock:
            self._seen[key] = (hashlib.sha256(content).digest(), etag)
            self._seen.move_to_end(key)
            while len(self._seen) > SEEN_MAX:
                self._seen.popitem(last=False)

    def _version(self, etag: str) -> str:
        """An ETag as this store wants it in a condition."""
        return etag.strip('"') if self._bare else etag

    def _remembered(self, key: str, expected: bytes) -> str | None:
        """The version under which this handle last saw exactly `expected`."""
        with self._lock:
            digest, etag = self._seen.get(key, (b"", ""))
        return etag if digest == hashlib.sha256(expected).digest() else None


def _names_its_content(key: str, content: bytes) -> bool:
    name = key.rpartition("/")[2]
    return layout.segment_hash(name) == hashlib.sha256(content).hexdigest()[:16]
