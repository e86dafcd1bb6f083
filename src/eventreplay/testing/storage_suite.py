"""What every storage of a log must do: two conditional writes that hold under races, and honest lists."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import ClassVar

from eventreplay.errors import EventReplayError
from eventreplay.log.storage import Storage
from eventreplay.testing.checks import check, check_equal

_LARGE_BYTES = 3 * 1024 * 1024
_KEYS_MANY = 1_100


class StorageSuite(ABC):
    """Exclusive creation, compare-and-swap, lists, content. The store is empty when a test begins.

    Attributes:
        racers: threads that do the same thing at the same moment.
        keys_many: how many keys a long list has; more than your store gives on one page.
    """

    racers: ClassVar[int] = 8
    keys_many: ClassVar[int] = _KEYS_MANY

    @abstractmethod
    def open_storage(self) -> Storage:
        """A new handle on the same store, as another process would have."""

    def test_what_is_put_is_got(self) -> None:
        contents = {
            "a": b"",
            "folder/b.json": b"{}",
            "folder/key=value/c.parquet": bytes(range(256)) * 3,
            "deep/er/and/deeper/d": b"\x00" * 10,
            "large": b"0123456789abcdef" * (_LARGE_BYTES // 16),
        }
        storage = self.open_storage()
        for key, data in contents.items():
            check(storage.put_new(key, data) is True, f"put_new({key!r}) on an empty store must create.")
        for handle in (storage, self.open_storage()):
            for key, data in contents.items():
                check(handle.get(key) == data, f"get({key!r}) is not what was put.")

    def test_memoryviews_are_data_too(self) -> None:
        storage = self.open_storage()
        storage.put_new("view", memoryview(b"xxcontentxx")[2:-2])
        check_equal(storage.get("view"), b"content", "A memoryview's content")

    def test_missing_is_none(self) -> None:
        storage = self.open_storage()
        check(storage.get("nothing") is None, "get() of a missing key must be None.")
        check(storage.get("folder/nothing") is None, "get() of a missing key must be None.")
        storage.put_new("folder/key", b"1")
        check(storage.get("folder/keys") is None, "get() must not take a prefix for a key.")

    def test_put_new_never_overwrites(self) -> None:
        storage = self.open_storage()
        check(storage.put_new("key", b"first"), "The first put_new creates.")
        for handle in (storage, self.open_storage()):
            check(handle.put_new("key", b"second") is False, "put_new() of an existing key must be False.")
            check(handle.put_new("key", b"first") is False, "put_new() is False even for equal content.")
            check_equal(handle.get("key"), b"first", "The content after a refused put_new")

    def test_one_of_many_creates(self) -> None:
        for turn in range(5):
            key = f"race/{turn}"
            won = self._race(lambda storage, at, key=key: storage.put_new(key, b"from %d" % at))
            check_equal(len(won), 1, f"Winners of {self.racers} put_new() on one key")
            check_equal(self.open_storage().get(key), b"from %d" % won[0], "The content is the winner's")

    def test_replace_needs_the_exact_content(self) -> None:
        storage = self.open_storage()
        check(storage.replace("key", b"new", b"") is False, "replace() of a missing key must be False.")
        check(storage.get("key") is None, "A refused replace() created the key.")
        storage.put_new("key", b"one")
        for wrong in (b"", b"on", b"one ", b"two"):
            check(
                storage.replace("key", b"new", wrong) is False, "replace() with other content must be False."
            )
            check_equal(storage.get("key"), b"one", "The content after a refused replace()")
        check(
            storage.replace("key", b"two", b"one") is True, "replace() with the right content must be True."
        )
        check_equal(self.open_storage().get("key"), b"two", "The content after replace()")
        check(
            storage.replace("key", b"three", b"one") is False,
            "replace() with content of before must be False.",
        )

    def test_one_of_many_replaces(self) -> None:
        storage = self.open_storage()
        storage.put_new("slot", b"start")
        held = b"start"
        for _ in range(5):
            seen = held
            won = self._race(lambda handle, at, seen=seen: handle.replace("slot", seen + b" %d" % at, seen))
            check_equal(len(won), 1, f"Winners of {self.racers} replace() that expect the same")
            held = seen + b" %d" % won[0]
            check_equal(self.open_storage().get("slot"), held, "The content is the winner's")

    def test_discard_only_the_exact_content(self) -> None:
        storage = self.open_storage()
        storage.put_new("key", b"one")
        check(storage.discard("key", b"two") is False, "discard() with other content must be False.")
        check_equal(storage.get("key"), b"one", "The content after a refused discard()")
        gone = storage.discard("key", b"one")
        check_equal(storage.get("key"), None if gone else b"one", "What discard() said and what it did")
        check(storage.discard("nothing", b"") is False, "discard() of a missing key must be False.")

    def test_delete_is_idempotent_and_exact(self) -> None:
        storage = self.open_storage()
        for key in ("a/1", "a/10", "a/1.json"):
            storage.put_new(key, b"x")
        storage.delete("a/1")
        storage.delete("a/1")
        storage.delete("never/was")
        check_equal(list(storage.keys("a/")), ["a/1.json", "a/10"], "Keys left after delete()")
        check(storage.put_new("a/1", b"again"), "A deleted key can be created again.")

    def test_keys_are_complete_sorted_and_only_the_prefix(self) -> None:
        storage = self.open_storage()
        keys = ["a/1", "a/10", "a/2", "a/b/3", "ab/1", "b", "a/Z", "a/é"]
        for key in keys:
            storage.put_new(key, b"x")
        due = sorted((key for key in keys if key.startswith("a/")), key=str.encode)
        check_equal(list(storage.keys("a/")), due, "Keys under a/")
        check_equal(list(storage.keys("")), sorted(keys, key=str.encode), "All keys")
        check_equal(list(storage.keys("none/")), [], "Keys under a prefix that is not there")
        for at, key in enumerate(due):
            check_equal(list(storage.keys("a/", after=key)), due[at + 1 :], f"Keys after {key}")
        check_equal(
            list(storage.keys("a/", after="a/1.5")),
            [key for key in due if key > "a/1.5"],
            "Keys after no key",
        )

    def test_long_lists_are_complete(self) -> None:
        storage = self.open_storage()
        keys = [f"many/{number:08d}" for number in range(self.keys_many)]
        with ThreadPoolExecutor(self.racers) as threads:
            check(all(threads.map(lambda key: storage.put_new(key, b""), keys)), "put_new() creates.")
        check_equal(list(storage.keys("many/")), keys, "A long list")
        middle = keys[len(keys) // 2]
        check_equal(list(storage.keys("many/", after=middle)), keys[len(keys) // 2 + 1 :], "Its second half")

    def test_folders_are_direct_and_sorted(self) -> None:
        storage = self.open_storage()
        for key in ("p/b/1", "p/a/x/2", "p/file", "q/c/3"):
            storage.put_new(key, b"x")
        check_equal(storage.folders("p/"), ["a", "b"], "Folders under p/")
        check_equal(storage.folders(""), ["p", "q"], "Folders at the top")
        check_equal(storage.folders("none/"), [], "Folders under a prefix that is not there")

    def test_keys_cannot_leave_the_root(self) -> None:
        storage = self.open_storage()
        for key in ("../outside", "a/../../outside", "/absolute", "a/../b"):
            try:
                storage.put_new(key, b"x")
            except (EventReplayError, ValueError):
                # No layout makes such keys, so a plain ValueError says enough: a mistake in the program.
                check_equal(list(storage.keys("")), [], "Keys after a refused one")
                continue
            check_equal(storage.get(key), b"x", f"What {key!r} holds after it was accepted")
            check(len(list(storage.keys(""))) == 1, f"{key!r} was accepted and went out of the store.")
            storage.delete(key)

    def test_nothing_half_written_is_listed(self) -> None:
        storage = self.open_storage()
        storage.put_new("whole/1", b"x")
        check_equal(storage.stale("whole/"), [], "Half-written objects in a store nobody died in")
        check_equal(list(storage.keys("")), ["whole/1"], "Keys")

    def _race(self, attempt: Callable[..., bool]) -> list[int]:
        """Who got True when all try at the same moment, each over a handle of its own."""
        handles = [self.open_storage() for _ in range(self.racers)]
        gate = Barrier(self.racers)

        def run(at: int) -> bool:
            gate.wait(timeout=30)
            return attempt(handles[at], at)

        with ThreadPoolExecutor(self.racers) as threads:
            results = list(threads.map(run, range(self.racers)))
        return [at for at, won in enumerate(results) if won]
