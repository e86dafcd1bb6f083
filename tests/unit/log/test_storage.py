"""The storage port: one set of tests for each store, and what is special about the folder."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path

import obstore
import pytest
from obstore.exceptions import GenericError, PermissionDeniedError
from obstore.store import LocalStore, MemoryStore

from eventreplay.errors import ConfigError, LogError, LogUnavailableError
from eventreplay.log import folder as folder_module
from eventreplay.log.folder import FolderStorage
from eventreplay.log.s3 import S3Storage
from eventreplay.log.storage import ObstoreStorage, Storage, open_storage


@pytest.fixture(params=["memory", "folder"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "memory":
        return ObstoreStorage(MemoryStore(), "memory://test")
    return FolderStorage(tmp_path / "deep" / "log")


def test_put_new_never_overwrites(storage: Storage) -> None:
    assert storage.put_new("a=b/x.json", b"one")
    assert not storage.put_new("a=b/x.json", b"two")
    assert not storage.put_new("a=b/x.json", b"one")
    assert storage.get("a=b/x.json") == b"one"
    assert storage.put_new("empty", b"")
    assert storage.get("empty") == b""
    assert storage.put_new("view", memoryview(b"seen"))
    assert storage.get("view") == b"seen"


def test_replace_overwrites_only_what_was_seen(storage: Storage) -> None:
    assert not storage.replace("d/x", b"new", b"")
    storage.put_new("d/x", b"old")
    assert not storage.replace("d/x", b"new", b"other")
    assert not storage.replace("d/y", b"new", b"old")
    assert storage.get("d/x") == b"old"
    assert storage.get("d/y") is None
    assert storage.replace("d/x", b"new", b"old")
    assert not storage.replace("d/x", b"newer", b"old")
    assert storage.get("d/x") == b"new"


def test_discard_deletes_only_what_was_seen(storage: Storage) -> None:
    storage.put_new("d/x", b"old")
    assert not storage.discard("d/x", b"other")
    assert not storage.discard("d/none", b"old")
    assert not storage.discard("e/none", b"old")
    assert storage.get("d/x") == b"old"
    # A store without a conditional delete must leave it rather than risk another's object.
    can = isinstance(storage, FolderStorage)
    assert storage.discard("d/x", b"old") is can
    assert (storage.get("d/x") is None) is can


def test_delete_and_get_of_nothing(storage: Storage) -> None:
    storage.delete("d/x")
    assert storage.get("d/x") is None
    storage.put_new("d/x", b"1")
    storage.delete("d/x")
    storage.delete("d/x")
    assert storage.get("d/x") is None
    assert storage.put_new("d/x", b"2")


def test_keys_are_ascending_and_complete(storage: Storage) -> None:
    names = ["b/2", "b/10", "b/1", "b.c/1", "b-c/1", "a", "b/sub/1", "c"]
    for name in names:
        storage.put_new(name, b"")
    assert list(storage.keys("")) == sorted(names)
    assert list(storage.keys("b/")) == ["b/1", "b/10", "b/2", "b/sub/1"]
    assert list(storage.keys("b/", "b/10")) == ["b/2", "b/sub/1"]
    assert list(storage.keys("b/", "b/11")) == ["b/2", "b/sub/1"]
    assert list(storage.keys("none/")) == []
    assert storage.folders("b/") == ["sub"]
    assert storage.folders("") == ["b", "b-c", "b.c"]
    assert storage.folders("none/") == []
    assert storage.stale("b/") == []


def test_one_of_many_creates_and_one_of_many_replaces(storage: Storage) -> None:
    def race(act: Callable[[int], bool]) -> list[int]:
        won: list[int] = []
        barrier = threading.Barrier(8)

        def run(number: int) -> None:
            barrier.wait()
            if act(number):
                won.append(number)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return won

    for turn in range(5):
        key = f"race/{turn}"
        created = race(lambda number, key=key: storage.put_new(key, b"%d" % number))  # type: ignore[misc]
        assert len(created) == 1
        first = b"%d" % created[0]
        assert storage.get(key) == first
        replaced = race(
            lambda number, key=key, first=first: storage.replace(key, b"r%d" % number, first)  # type: ignore[misc]
        )
        assert len(replaced) == 1
        assert storage.get(key) == b"r%d" % replaced[0]


@pytest.mark.parametrize("key", ["../x", "a/../x", "a//b", "/etc/x", "a/./b", "a\0b", ""])
def test_no_key_leaves_the_folder(tmp_path: Path, key: str) -> None:
    storage = FolderStorage(tmp_path / "log")
    for act in (storage.get, storage.delete, lambda key: storage.put_new(key, b"")):
        with pytest.raises(LogError):
            act(key)
    assert not (tmp_path / "x").exists()


def test_the_folder_holds_nothing_but_objects(tmp_path: Path) -> None:
    root = tmp_path / "log"
    storage = FolderStorage(root)
    storage.put_new("c/x", b"1")
    storage.put_new("c/x", b"2")
    storage.replace("c/x", b"3", b"1")
    storage.replace("c/x", b"4", b"1")
    storage.put_new("c/y", b"1")
    storage.discard("c/y", b"1")
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == ["c", "c/x"]


def test_staging_files_are_seen_apart(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    storage.put_new("c/x", b"1")
    stale = tmp_path / "c" / ".x.77-1.staging"
    stale.write_bytes(b"half")
    assert list(storage.keys("")) == ["c/x"]
    assert storage.stale("c/") == ["c/.x.77-1.staging"]
    assert storage.stale("") == []
    storage.delete("c/.x.77-1.staging")
    assert not stale.exists()


def test_a_staging_name_in_use_is_stepped_over(tmp_path: Path) -> None:
    """Process ids repeat across containers: another's staging file must not be written into."""
    for number in (1, 2):
        (tmp_path / f".x.{os.getpid()}-{number}.staging").write_bytes(b"another's")
    storage = FolderStorage(tmp_path)
    assert storage.put_new("x", b"mine")
    assert (tmp_path / f".x.{os.getpid()}-1.staging").read_bytes() == b"another's"


class SweepingOs:
    """`os`, but a staging file is swept away by someone else right after it was written."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def fsync(self, handle: int) -> None:
        path = str(Path(f"/proc/self/fd/{handle}").readlink())
        if path.endswith(".staging") and self.left > 0:
            self.left -= 1
            Path(path).unlink()


@pytest.mark.parametrize(("times", "works"), [(0, True), (2, True), (3, False)])
def test_a_swept_staging_file_is_put_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, *, works: bool
) -> None:
    storage = FolderStorage(tmp_path)
    storage.put_new("old", b"1")
    acts: list[Callable[[], bool]] = [
        lambda: storage.put_new("new", b"2"),
        lambda: storage.replace("old", b"2", b"1"),
    ]
    for act in acts:
        monkeypatch.setattr(folder_module, "os", SweepingOs(times))
        if works:
            assert act()
        else:
            with pytest.raises(LogUnavailableError, match="taken away"):
                act()


class RecordingOs:
    """`os`, and the order of the calls that matter for durability."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def fsync(self, handle: int) -> None:
        self.calls.append(("fsync", Path(f"/proc/self/fd/{handle}").readlink().name))

    def link(self, source: Path, target: Path) -> None:
        self.calls.append(("link", target.name))
        os.link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        self.calls.append(("rename", target.name))
        source.rename(target)

    def unlink(self, path: Path) -> None:
        if path.exists():
            self.calls.append(("unlink", path.name))
        path.unlink()


def test_content_is_durable_before_its_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = RecordingOs()
    monkeypatch.setattr(folder_module, "os", recording)
    storage = FolderStorage(tmp_path / "log")
    storage.put_new("c/p/x", b"1")
    staged = f".x.{os.getpid()}-1.staging"
    # Every new folder's name is synced in the folder above it, up to one that was there.
    made = {name for call, name in recording.calls[: recording.calls.index(("fsync", staged))]}
    assert made >= {"c", "log", tmp_path.name}
    assert recording.calls[-4:] == [("fsync", staged), ("link", "x"), ("unlink", staged), ("fsync", "p")]
    recording.calls.clear()
    storage.put_new("c/p/x", b"2")
    assert recording.calls == [("fsync", "p")]  # who made it may have died before its name was durable
    recording.calls.clear()
    storage.replace("c/p/x", b"3", b"1")
    staged = f".x.{os.getpid()}-2.staging"
    assert recording.calls == [("fsync", staged), ("rename", "x"), ("fsync", "p")]
    recording.calls.clear()
    storage.discard("c/p/x", b"3")
    assert recording.calls == [("unlink", "x"), ("fsync", "p")]


class FailingOs:
    """`os`, whose every call of one name fails."""

    def __init__(self, name: str, number: int) -> None:
        self._name, self._number = name, number

    def __getattr__(self, name: str) -> object:
        if name != self._name:
            return getattr(os, name)

        def fail(*_: object, **__: object) -> object:
            raise OSError(self._number, os.strerror(self._number))

        return fail


@pytest.mark.parametrize(
    ("call", "number", "kind", "words"),
    [
        ("write", errno.ENOSPC, LogError, "full"),
        ("write", errno.EDQUOT, LogError, "quota"),
        ("open", errno.EACCES, LogError, "permission denied"),
        ("link", errno.EPERM, LogError, "permission denied"),
        ("open", errno.EROFS, LogError, "read-only"),
        ("open", errno.EMFILE, LogUnavailableError, "open files"),
        ("fsync", errno.EIO, LogError, "error"),
        ("link", errno.EOPNOTSUPP, LogError, "supported"),
    ],
)
def test_each_failure_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, kind: type[LogError], words: str
) -> None:
    storage = FolderStorage(tmp_path)
    storage.put_new("x", b"1")
    monkeypatch.setattr(folder_module, "os", FailingOs(call, number))
    with pytest.raises(LogError) as caught:
        storage.put_new("y", b"2")
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert caught.value.hint
    assert isinstance(caught.value.__cause__, OSError)
    monkeypatch.undo()
    assert list(storage.keys("")) == ["x"]
    assert storage.put_new("y", b"2")


def test_a_lock_held_by_a_stopped_process_does_not_hang(tmp_path: Path) -> None:
    waits = itertools.count()
    storage = FolderStorage(tmp_path, sleep=lambda seconds: assert_short(seconds, waits))
    storage.put_new("c/x", b"1")
    handle = os.open(tmp_path / "c", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(LogUnavailableError, match="locked"):
            storage.replace("c/x", b"2", b"1")
    finally:
        os.close(handle)
    assert next(waits) == folder_module.LOCK_POLLS_MAX
    assert storage.stale("c/") == []
    assert storage.replace("c/x", b"2", b"1")


def assert_short(seconds: float, waits: itertools.count[int]) -> None:
    assert 0 < seconds < 1
    next(waits)


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    holder: list[int] = []

    def release(_: float) -> None:
        os.close(holder.pop())

    storage = FolderStorage(tmp_path, sleep=release)
    storage.put_new("c/x", b"1")
    holder.append(os.open(tmp_path / "c", os.O_RDONLY))
    fcntl.flock(holder[0], fcntl.LOCK_EX)
    assert storage.replace("c/x", b"2", b"1")
    assert not holder


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (PermissionDeniedError("403 secret"), LogError, "permission denied"),
        (GenericError("503 secret"), LogUnavailableError, "did not answer"),
        (FileNotFoundError("no bucket"), LogError, "does not exist"),
        (GenericError("404 <Code>NoSuchBucket</Code> secret"), LogError, "does not exist"),
        (TimeoutError("slow"), LogUnavailableError, "did not answer"),
    ],
)
def test_driver_errors_are_mapped_and_their_text_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[LogError], words: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    storage = ObstoreStorage(MemoryStore(), "s3://bucket")
    for call in ("put", "list", "list_with_delimiter"):
        monkeypatch.setattr(obstore, call, fail)
    for act in (
        lambda: storage.put_new("x", b""),
        lambda: list(storage.keys("")),
        lambda: storage.folders(""),
    ):
        with pytest.raises(LogError) as caught:
            act()
        assert type(caught.value) is kind
        assert words in str(caught.value)
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is error


def test_a_store_without_conditional_writes_is_refused(tmp_path: Path) -> None:
    storage = ObstoreStorage(LocalStore(str(tmp_path)), "local")
    storage.put_new("x", b"1")
    with pytest.raises(LogError, match="cannot write"):
        storage.replace("x", b"2", b"1")
    assert storage.get("x") == b"1"


def test_urls(tmp_path: Path) -> None:
    for url in (str(tmp_path / "log"), f"file://{tmp_path}/log"):
        storage = open_storage(url)
        assert isinstance(storage, FolderStorage)
        storage.put_new("x", b"1")
        assert (tmp_path / "log" / "x").read_bytes() == b"1"
        storage.delete("x")
    for url in ("s3://", "ftp://host/x", "gs://bucket/x", "file://host/x"):
        with pytest.raises(ConfigError):
            open_storage(url)
    for url in ("s3://key:hush@bucket/x", "s3://bucket/x?secret=hush"):
        with pytest.raises(ConfigError) as caught:
            open_storage(url)
        assert "hush" not in str(caught.value)


def test_s3_opens_with_keys_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    storage = open_storage("s3://bucket/some/prefix")
    assert isinstance(storage, S3Storage)
    assert "hush" not in repr(storage)
