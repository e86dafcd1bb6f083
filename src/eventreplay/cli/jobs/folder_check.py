"""Whether a folder can hold a log, or a file a warehouse: written, made durable, with room for more."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from eventreplay.cli.screen import size_text
from eventreplay.errors import EventReplayError
from eventreplay.finding import Finding
from eventreplay.log import Log

FREE_BYTES_MIN = 1024**3
"""Below it a folder gets the advice to make room."""


def check_folder(folder: Path) -> list[Finding]:
    """A log's folder, which need not be there yet; nothing is left behind."""
    found = [_format(folder), _writable(_nearest(folder))]
    return [*found, _room(_nearest(folder))]


def check_file(path: Path) -> list[Finding]:
    """A warehouse's file, which need not be there yet."""
    state = "is there" if path.is_file() else "is not there yet; a replay makes it"
    folder = _nearest(path.parent)
    return [
        Finding(name="warehouse file", ok=not path.is_dir(), detail=f"{path.name} {state}"),
        _writable(folder),
        _room(folder),
    ]


def _nearest(folder: Path) -> Path:
    """`folder`, or what stands above it as far as it is there."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return place


def _format(folder: Path) -> Finding:
    try:
        there = Log.open(folder).exists()
    except EventReplayError as error:
        return Finding(name="log", ok=False, detail=error.message, hint=error.hint)
    detail = "a log is there" if there else "no log yet; the first capture begins one"
    return Finding(name="log", ok=True, detail=f"{folder}: {detail}")


def _writable(folder: Path) -> Finding:
    name = "write and fsync"
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".eventreplay-doctor-") as file:
            file.write(b"eventreplay")
            file.flush()
            os.fsync(file.fileno())
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        user = f"user id {os.geteuid()}"
        return Finding(
            name=name,
            ok=False,
            detail=f"{folder}: {error.strerror}",
            hint=f"Give {user} the right to write there, or name another place.",
        )
    return Finding(name=name, ok=True, detail=f"a file and its folder reach the disk in {folder}")


def _room(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    enough = free >= FREE_BYTES_MIN
    hint = "" if enough else f"Make room: less than {size_text(FREE_BYTES_MIN)} is left."
    return Finding(name="free space", ok=enough, detail=f"{size_text(free)} free", hint=hint, required=False)
