"""How a DuckDB file comes into being: whole, or not at all.

DuckDB writes three headers into a new file, one after the other. A process that dies between them leaves a
file that no later run can open, and that nobody may delete for the user without looking. So a new database
is made beside its place, and gets its name only when it is complete.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from eventreplay.errors import SinkError

if TYPE_CHECKING:
    import duckdb

_SUFFIX = ".new"


def be_born(file: Path) -> None:
    """Make an empty database at `file` unless something is there; durable when it has its name.

    Two processes may do so at once: the first to finish gives the name, the other leaves its own away.

    Raises:
        SinkError: the folder does not allow it; the hint says what to look at.
    """
    import duckdb  # noqa: PLC0415 - an optional driver, loaded by `connect`

    try:
        _clear(file)
        if not file.exists():
            _make(file, duckdb.connect)
    except OSError as error:
        raise SinkError(
            f"The DuckDB file {file.name} cannot be made: {error.strerror}.",
            hint="Check the folder's permissions and free space, and that it allows hard links.",
        ) from error


def _make(file: Path, connect: Callable[[str], duckdb.DuckDBPyConnection]) -> None:
    cradle = file.with_name(f".{file.name}.{os.getpid()}{_SUFFIX}")
    try:
        _fill(connect(str(cradle)))
        _sync(cradle)
        with suppress(FileExistsError):
            os.link(cradle, file)
    finally:
        cradle.unlink(missing_ok=True)
        cradle.with_name(cradle.name + ".wal").unlink(missing_ok=True)
    _sync(file.parent)


def _fill(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("CHECKPOINT").fetchall()
    finally:
        connection.close()


def _clear(file: Path) -> None:
    """Remove what a process that is no more began to make here."""
    for left in file.parent.glob(f".{escape(file.name)}.*{_SUFFIX}*"):
        pid = left.name.removeprefix(f".{file.name}.").split(".", 1)[0]
        if pid.isdigit() and (int(pid) == os.getpid() or not _lives(int(pid))):
            left.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, and belongs to another user
        return True
    return True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
