"""Doubles for the tests of the log: a log in memory, and a storage whose calls can fail."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import obstore
from obstore.store import MemoryStore

from eventreplay.errors import LogUnavailableError
from eventreplay.log import Log
from eventreplay.log.storage import ObstoreStorage, Storage


class MemoryLog:
    """A log in memory whose objects a test can look at and damage."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.storage = ObstoreStorage(self.store, "memory://log")
        tokens = (f"token-{number}" for number in itertools.count())
        self.log = Log.open("memory", storage=self.storage, token_source=lambda: next(tokens))

    def files(self) -> dict[str, bytes]:
        """Every object, by key."""
        return {key: self.storage.get(key) or b"" for key in self.storage.keys("")}

    def put(self, key: str, data: bytes) -> None:
        """Write an object, whatever stands there."""
        obstore.put(self.store, key, data)

    def drop(self, key: str) -> None:
        """Remove an object."""
        self.storage.delete(key)


class Faulty:
    """A storage that calls back before and after each call; either may raise."""

    def __init__(self, inner: Storage) -> None:
        self.inner = inner
        self.calls: list[str] = []
        self.before: Callable[[str, str], None] = lambda _name, _key: None
        self.after: Callable[[str, str], None] = lambda _name, _key: None

    def _call(self, name: str, key: str, *rest: object) -> Any:
        self.calls.append(f"{name} {key}")
        self.before(name, key)
        result = getattr(self.inner, name)(key, *rest)
        self.after(name, key)
        return result

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        return bool(self._call("put_new", key, data))

    def replace(self, key: str, data: bytes, expected: bytes) -> bool:
        return bool(self._call("replace", key, data, expected))

    def discard(self, key: str, expected: bytes) -> bool:
        return bool(self._call("discard", key, expected))

    def delete(self, key: str) -> None:
        self._call("delete", key)

    def get(self, key: str) -> bytes | None:
        found: bytes | None = self._call("get", key)
        return found

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        found: Iterator[str] = self._call("keys", prefix, after)
        return found

    def folders(self, prefix: str) -> list[str]:
        found: list[str] = self._call("folders", prefix)
        return found

    def stale(self, prefix: str) -> list[str]:
        found: list[str] = self._call("stale", prefix)
        return found


def lose_reply_once(faulty: Faulty, name: str) -> None:
    """The next call of `name` happens, but its caller never hears of it."""

    def after(called: str, _: str) -> None:
        if called == name:
            faulty.after = lambda _name, _key: None
            raise LogUnavailableError("The reply was lost.")

    faulty.after = after
