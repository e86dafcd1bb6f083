"""The port to the bytes: eight operations a log needs of a store, and stores behind obstore.

Two of them are conditional, and the whole safety of a log rests on those: `put_new` never overwrites,
`replace` overwrites only what the caller has seen. A store that accepts either unconditionally must not
hold a log. Everything is durable when a call returns. Drivers' errors end here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)

from eventreplay.errors import ConfigError, LogError, LogUnavailableError
from eventreplay.log import layout
from eventreplay.log.folder import FolderStorage
from eventreplay.log.s3 import S3Settings, open_s3

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class Storage(Protocol):
    """A flat store of immutable objects under one root. Keys are relative, separated by `/`.

    Each call raises `LogUnavailableError` if trying again may help (the outcome of a write is then
    unknown: it may have happened), and `LogError` if it will not.
    """

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        """Create `key`. False if it exists, whatever its content; it is then untouched, and durable."""

    def replace(self, key: str, data: bytes, expected: bytes) -> bool:
        """Overwrite `key` if its content is exactly `expected`; atomic.

        False if it is not, or gone: then this very call did not write. A store whose driver repeats
        requests by itself must not do so here, or a False could follow a write whose reply was lost.
        """

    def discard(self, key: str, expected: bytes) -> bool:
        """Delete `key` if its content is exactly `expected`; atomic.

        False if it is not, or if the store has no conditional delete: nothing is done then.
        """

    def delete(self, key: str) -> None:
        """Delete `key` unconditionally; nothing happens if it is gone."""

    def get(self, key: str) -> bytes | None:
        """The content of `key`, or None if there is none."""

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        """Keys that start with `prefix` (empty, or ending in `/`) and are greater than `after`, ascending."""

    def folders(self, prefix: str) -> list[str]:
        """Names of what looks like a folder directly under `prefix`, ascending."""

    def stale(self, prefix: str) -> list[str]:
        """Keys of half-written objects directly under `prefix`, left by a dead writer; `keys` skips them."""


class ObstoreStorage:
    """A log in an object store that obstore knows: memory for tests, or one that you bring yourself.

    For S3 there is `S3Storage`, which knows what became of a write whose reply was lost.

    Args:
        store: obstore's store, rooted at the log. It must honour If-None-Match and If-Match on puts.
        label: how messages call it; never contains a secret.
        single: the same store through a driver that sends each request once; needed where `store`
            repeats requests by itself.
    """

    def __init__(self, store: ObjectStore, label: str, *, single: ObjectStore | None = None) -> None:
        self._store = store
        self._single = store if single is None else single
        self._label = label

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        with _driver_errors("write", self._label, key):
            try:
                obstore.put(self._store, key, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def replace(self, key: str, data: bytes, expected: bytes) -> bool:
        with _driver_errors("write", self._label, key):
            try:
                found = obstore.get(self._store, key)
                seen = _version(found.meta)
                if bytes(found.bytes()) != expected:
                    return False
                obstore.put(self._single, key, data, mode=seen, use_multipart=False)  # type: ignore[arg-type]
            except (PreconditionError, AlreadyExistsError, FileNotFoundError):
                return False
        return True

    def discard(self, key: str, expected: bytes) -> bool:  # noqa: ARG002 - the store cannot do it
        # obstore has no conditional delete; an unconditional one could delete another writer's commit.
        return False

    def delete(self, key: str) -> None:
        with _driver_errors("delete", self._label, key):
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                return

    def get(self, key: str) -> bytes | None:
        with _driver_errors("read", self._label, key):
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError:
                return None

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        with _driver_errors("list", self._label, prefix):
            stream = obstore.list(
                self._store, prefix.rstrip("/") or None, offset=after or None, chunk_size=1000
            )
            for chunk in stream:
                for meta in chunk:
                    yield meta["path"]

    def folders(self, prefix: str) -> list[str]:
        with _driver_errors("list", self._label, prefix):
            found = obstore.list_with_delimiter(self._store, prefix.rstrip("/") or None)
            return sorted(name.rpartition("/")[2] for name in found["common_prefixes"])

    def stale(self, prefix: str) -> list[str]:  # noqa: ARG002 - nothing half-written is ever an object
        return []


def open_storage(url: str, s3: S3Settings | None = None) -> Storage:
    """The store behind a URL: a path, `file://`, or `s3://bucket/prefix`.

    Args:
        url: where the log is.
        s3: how to reach a log on S3; None: boto3's chain of credentials, and the conventional variables.

    Raises:
        ConfigError: the scheme is unknown, the URL holds credentials, or boto3 is missing or finds none.
    """
    if "://" not in url:
        return FolderStorage(Path(url))
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            "A log's URL must not carry credentials, a query or a fragment.",
            hint="Give s3://bucket/prefix; credentials come from the environment, a profile or a role.",
        )
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return FolderStorage(Path(parts.path))
    if parts.scheme == "s3" and parts.netloc:
        return open_s3(url, s3)
    raise ConfigError(
        f"No log can be opened at a URL of scheme {parts.scheme!r}.",
        hint="Give a folder, or s3://bucket/prefix.",
        scheme=parts.scheme,
    )


def _version(meta: object) -> dict[str, str]:
    # obstore refuses None for a value it does not have.
    known: dict[str, str | None] = {name: meta[name] for name in ("e_tag", "version")}  # type: ignore[index]
    return {name: value for name, value in known.items() if value is not None}


@contextmanager
def _driver_errors(verb: str, label: str, key: str) -> Iterator[None]:
    where = f"{label.rstrip('/')}/{key}"
    if key:
        layout.check_key(key.rstrip("/") if verb == "list" else key)
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise LogError(
            f"The store refuses to {verb} {where}: permission denied.",
            hint="Grant s3:ListBucket on the bucket and s3:GetObject, s3:PutObject, s3:DeleteObject below it,"
            " or renew expired credentials; then start again.",
            key=key,
        ) from error
    except FileNotFoundError as error:
        raise _no_bucket(verb, where, key) from error
    except (InvalidPathError, NotSupportedError, UnknownConfigurationKeyError, NotImplementedError) as error:
        raise LogError(
            f"The store cannot {verb} {where}.",
            hint="Use a store with conditional puts (If-None-Match and If-Match).",
            key=key,
        ) from error
    except (BaseError, OSError) as error:
        # Listing a bucket that is not there is a generic failure to the driver.
        if "NoSuchBucket" in str(error):
            raise _no_bucket(verb, where, key) from error
        raise LogUnavailableError(
            f"The store did not answer to {verb} {where}.",
            hint="Check the network and the endpoint; starting again resumes where the log ends.",
            key=key,
        ) from error


def _no_bucket(verb: str, where: str, key: str) -> LogError:
    return LogError(
        f"The store cannot {verb} {where}: its bucket does not exist.",
        hint="Create the bucket, or correct the log's URL.",
        key=key,
    )
