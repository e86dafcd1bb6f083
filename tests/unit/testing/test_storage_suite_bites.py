"""Broken storages fail the storage suite, each in the test that is meant for it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from threading import Event, Lock
from typing import Any

import pytest

from eventreplay.log.storage import Storage
from eventreplay.testing import StorageSuite
from tests.unit.testing.biting import failing


class Objects:
    """What handles share."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.lock = Lock()


class SoundStorage:
    """The model: a dict under a lock."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.held = objects.held

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        with self.objects.lock:
            if key in self.held:
                return False
            self.held[key] = bytes(data)
            return True

    def replace(self, key: str, data: bytes, expected: bytes) -> bool:
        with self.objects.lock:
            if self.held.get(key) != expected:
                return False
            self.held[key] = data
            return True

    def discard(self, key: str, expected: bytes) -> bool:
        with self.objects.lock:
            if self.held.get(key) != expected:
                return False
            del self.held[key]
            return True

    def delete(self, key: str) -> None:
        self.held.pop(key, None)

    def get(self, key: str) -> bytes | None:
        return self.held.get(key)

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        return iter(sorted(key for key in self.held if key.startswith(prefix) and key > after))

    def folders(self, prefix: str) -> list[str]:
        rest = [key.removeprefix(prefix) for key in self.held if key.startswith(prefix)]
        return sorted({name.split("/")[0] for name in rest if "/" in name})

    def stale(self, prefix: str) -> list[str]:
        del prefix
        return []


def suite_of(broken: type[SoundStorage]) -> type[Any]:
    class Suite(StorageSuite):
        def prepare(self) -> None:
            self.objects = Objects()

        def open_storage(self) -> Storage:
            return broken(self.objects)

    return Suite


class Overwrites(SoundStorage):
    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        self.held[key] = bytes(data)
        return True


class LooksBeforeItPuts(SoundStorage):
    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        if key in self.held:
            return False
        Event().wait(0.005)  # the other racers look now
        self.held[key] = bytes(data)
        return True


class TrueForEqualContent(SoundStorage):
    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        return super().put_new(key, data) or self.held[key] == bytes(data)


class LooksBeforeItReplaces(SoundStorage):
    def replace(self, key: str, data: bytes, expected: bytes) -> bool:
        if self.held.get(key) != expected:
            return False
        Event().wait(0.005)
        self.held[key] = data
        return True


class ReplacesAnything(SoundStorage):
    def replace(self, key: str, data: bytes, expected: bytes) -> bool:
        del expected
        self.held[key] = data
        return True


class ReplaceCreates(SoundStorage):
    def replace(self, key: str, data: bytes, expected: bytes) -> bool:
        self.held.setdefault(key, expected)
        return super().replace(key, data, expected)


class DiscardsAnything(SoundStorage):
    def discard(self, key: str, expected: bytes) -> bool:
        del expected
        return self.held.pop(key, None) is not None


class DiscardLies(SoundStorage):
    def discard(self, key: str, expected: bytes) -> bool:
        return self.held.get(key) == expected


class MissingRaises(SoundStorage):
    def get(self, key: str) -> bytes | None:
        return self.held[key]


class MissingIsEmpty(SoundStorage):
    def get(self, key: str) -> bytes | None:
        return self.held.get(key, b"")


class DeletesThePrefix(SoundStorage):
    def delete(self, key: str) -> None:
        for found in [held for held in self.held if held.startswith(key)]:
            del self.held[found]


class FirstPageOnly(SoundStorage):
    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        return islice(super().keys(prefix, after), 1000)


class Unsorted(SoundStorage):
    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        return iter([key for key in self.held if key.startswith(prefix) and key > after])


class IncludesAfter(SoundStorage):
    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        return iter(sorted(key for key in self.held if key.startswith(prefix) and key >= after))


class PrefixWithoutSlash(SoundStorage):
    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        return super().keys(prefix.rstrip("/"), after)


class FoldersOfAnyDepth(SoundStorage):
    def folders(self, prefix: str) -> list[str]:
        return sorted({part for key in self.held if key.startswith(prefix) for part in key.split("/")[1:-1]})


class CutsAtNul(SoundStorage):
    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        return super().put_new(key, bytes(data).split(b"\x00", maxsplit=1)[0])


class ResolvesDots(SoundStorage):
    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        return True if ".." in key else super().put_new(key, data)


BROKEN = {
    Overwrites: "test_put_new_never_overwrites",
    LooksBeforeItPuts: "test_one_of_many_creates",
    TrueForEqualContent: "test_put_new_never_overwrites",
    LooksBeforeItReplaces: "test_one_of_many_replaces",
    ReplacesAnything: "test_replace_needs_the_exact_content",
    ReplaceCreates: "test_replace_needs_the_exact_content",
    DiscardsAnything: "test_discard_only_the_exact_content",
    DiscardLies: "test_discard_only_the_exact_content",
    MissingRaises: "test_missing_is_none",
    MissingIsEmpty: "test_missing_is_none",
    DeletesThePrefix: "test_delete_is_idempotent_and_exact",
    FirstPageOnly: "test_long_lists_are_complete",
    Unsorted: "test_keys_are_complete_sorted_and_only_the_prefix",
    IncludesAfter: "test_keys_are_complete_sorted_and_only_the_prefix",
    PrefixWithoutSlash: "test_keys_are_complete_sorted_and_only_the_prefix",
    FoldersOfAnyDepth: "test_folders_are_direct_and_sorted",
    CutsAtNul: "test_what_is_put_is_got",
    ResolvesDots: "test_keys_cannot_leave_the_root",
}


def test_the_sound_storage_passes() -> None:
    assert failing(suite_of(SoundStorage)) == set()


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_broken_storage_fails(broken: type[SoundStorage]) -> None:
    assert BROKEN[broken] in failing(suite_of(broken))
