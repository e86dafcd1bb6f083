"""A log in a folder of this machine (POSIX): durable before a call returns, and never half there.

An object is written beside its place under a staging name, synced, and then linked to its name, which
fails if the name exists: that is `put_new`. `replace` holds an exclusive `flock` on the folder itself
(so that no lock file has to stand anywhere) just while it compares and renames; staging is done before.
The folder is synced last. A process that dies leaves at most a staging file, which no reader sees.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from eventreplay.errors import LogError, LogUnavailableError
from eventreplay.log import layout

STAGING_SUFFIX = ".staging"
STAGE_ATTEMPTS_MAX = 3
LOCK_POLL_S = 0.01
LOCK_POLLS_MAX = 3000
"""30 s: the lock is held for microseconds, so who still waits then waits for a stopped process."""

_RETRYABLE = {
    errno.EMFILE,
    errno.ENFILE,
    errno.EAGAIN,
    errno.EINTR,
    errno.EBUSY,
    errno.ETIMEDOUT,
    errno.ESTALE,
}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


class FolderStorage:
    """`Storage` over a local folder; several processes of one machine may use it at once.

    Args:
        root: the log's folder; made when something is first written.
        sleep: waits between two looks at a lock that another process holds, seconds.
    """

    def __init__(self, root: Path, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._root = root
        self._sleep = sleep
        self._synced: set[Path] = set()
        self._staged = 0

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        path = self._path(key)
        with _os_errors("write", path):
            self._make(path.parent)
            created = not path.exists() and self._staged_into(path, data, _link)
            # Also when it was there: whoever made it may have died before its name was durable.
            _sync_folder(path.parent)
            return created

    def replace(self, key: str, data: bytes, expected: bytes) -> bool:
        path = self._path(key)

        def rename_if_same(staged: Path, target: Path) -> bool:
            with self._locked(target.parent):
                if _read(target) != expected:
                    return False
                os.rename(staged, target)  # noqa: PTH104 - every system call of a write goes through `os`
                return True

        with _os_errors("write", path):
            if not path.parent.is_dir():
                return False
            replaced = self._staged_into(path, data, rename_if_same)
            _sync_folder(path.parent)
            return replaced

    def discard(self, key: str, expected: bytes) -> bool:
        path = self._path(key)
        with _os_errors("delete", path):
            if not path.parent.is_dir():
                return False
            with self._locked(path.parent):
                same = _read(path) == expected
                if same:
                    _unlink(path)
            _sync_folder(path.parent)
            return same

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _os_errors("delete", path):
            if path.parent.is_dir():
                _unlink(path)
                _sync_folder(path.parent)

    def get(self, key: str) -> bytes | None:
        path = self._path(key)
        with _os_errors("read", path):
            return _read(path)

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        for key in self._walk(prefix):
            if key > after and not _is_staging(key):
                yield key

    def folders(self, prefix: str) -> list[str]:
        folder = self._folder(prefix)
        with _os_errors("list", folder), suppress(FileNotFoundError):
            return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
        return []

    def stale(self, prefix: str) -> list[str]:
        folder = self._folder(prefix)
        with _os_errors("list", folder), suppress(FileNotFoundError):
            return sorted(prefix + entry.name for entry in os.scandir(folder) if _is_staging(entry.name))
        return []

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*layout.check_key(key).split("/"))

    def _folder(self, prefix: str) -> Path:
        return self._root if prefix == "" else self._path(prefix.rstrip("/"))

    def _walk(self, prefix: str) -> Iterator[str]:
        folder = self._folder(prefix)
        with _os_errors("list", folder):
            try:
                entries = [
                    (e.name + "/", True) if e.is_dir() else (e.name, False) for e in os.scandir(folder)
                ]
            except FileNotFoundError:
                return
        for name, is_folder in sorted(entries):
            if is_folder:
                yield from self._walk(prefix + name)
            else:
                yield prefix + name

    def _make(self, folder: Path) -> None:
        """Make `folder` and see that every name on the way to it is durable."""
        if folder in self._synced:
            return
        missing = []
        above = folder
        while not above.is_dir():
            missing.append(above)
            above = above.parent
        for path in reversed(missing):
            with suppress(FileExistsError):
                os.mkdir(path)  # noqa: PTH102
        # Not only the folders made now: a run before this one may have died before it synced them.
        above = folder
        while above != self._root:
            _sync_folder(above.parent)
            above = above.parent
        for path in (self._root.parent, *(made.parent for made in missing)):
            _sync_folder(path)
        self._synced.add(folder)

    def _staged_into(self, path: Path, data: bytes | memoryview, place: Callable[[Path, Path], bool]) -> bool:
        """Write `data` durably under a staging name, then let `place` give it its real one."""
        for _ in range(STAGE_ATTEMPTS_MAX):
            staged = self._stage(path, data)
            try:
                return place(staged, path)
            except FileNotFoundError:
                # Another writer took the partition over and swept our staging file away. Put it
                # again: it is not for the storage to judge who may write, the claim decides that.
                continue
            finally:
                _unlink(staged)
        raise LogUnavailableError(
            f"The staging file of {path.name} was taken away {STAGE_ATTEMPTS_MAX} times.",
            hint="Other writers are opening this partition; see that only one runs.",
        )

    def _stage(self, path: Path, data: bytes | memoryview) -> Path:
        while True:
            self._staged += 1
            staged = path.with_name(f".{path.name}.{os.getpid()}-{self._staged}{STAGING_SUFFIX}")
            # Exclusive: the same process id may stand in another container, or in a former life.
            with suppress(FileExistsError):
                handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
                break
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        except BaseException:
            # Ctrl-C too: half a file is of no use to anybody.
            _unlink(staged)
            raise
        finally:
            os.close(handle)
        return staged

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for _ in range(LOCK_POLLS_MAX):
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self._sleep(LOCK_POLL_S)
            else:
                raise LogUnavailableError(
                    f"{folder} has been locked for {LOCK_POLL_S * LOCK_POLLS_MAX:.0f} s.",
                    hint="A writer was stopped while it held the lock; end that process, then start again.",
                )
            yield
        finally:
            os.close(handle)


def _is_staging(key: str) -> bool:
    name = key.rpartition("/")[2]
    return name.startswith(".") and name.endswith(STAGING_SUFFIX)


def _link(staged: Path, path: Path) -> bool:
    try:
        os.link(staged, path)
    except FileExistsError:
        return False
    return True


def _unlink(path: Path) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _os_errors(verb: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            kind, what, hint = LogError, "the disk or the quota is full", "Free space, then start again."
        elif error.errno in _DENIED:
            kind, what = LogError, "permission denied, or the file system is read-only"
            hint = "Give this user the right to read and write the log's folder."
        elif error.errno in _RETRYABLE:
            kind, what = LogUnavailableError, os.strerror(error.errno or 0)
            hint = "Starting again resumes where the log ends."
        else:
            # EIO among them: after a failed fsync the same call can falsely succeed, so stop.
            kind, what = LogError, os.strerror(error.errno or 0)
            hint = "Check the disk and the file system (it must know hard links), then start again."
        raise kind(f"Cannot {verb} {path}: {what}.", hint=hint, path=str(path), errno=error.errno) from error
