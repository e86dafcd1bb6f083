"""Unique secrets, and the search for them in everything that a run says, raises and leaves behind."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import pytest

from eventreplay.cli import main


def spellings(secret: str) -> set[bytes]:
    """A secret in the forms that it may take: as it is, in a URL, in Basic authentication, in a repr."""
    return {
        secret.encode(),
        quote(secret, safe="").encode(),
        base64.b64encode(secret.encode()),
        repr(secret)[1:-1].encode(),
    }


def leaks(secret: str, *texts: str | bytes) -> list[str]:
    """Where `secret` is seen; empty if it is nowhere."""
    found = []
    for text in texts:
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        for form in spellings(secret):
            at = data.find(form)
            if at >= 0:
                found.append(f"...{data[max(0, at - 80) : at + 80]!r}")
    return found


def files(folder: Path, *but: str) -> Iterator[bytes]:
    """Name and content of every file under `folder`."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in but:
            yield str(path).encode()
            yield path.read_bytes()


def raised(command: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[str]]:
    """What a debug run shows: the whole traceback, and the local variables of our own frames."""
    with monkeypatch.context() as patch:
        patch.setenv("EVENTREPLAY_DEBUG", "1")
        try:
            main(command)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must hold no secret
            seen: list[str] = []
            each: BaseException | None = error
            while each is not None:
                seen += [repr(each), repr(vars(each)), *locals_of(each.__traceback__)]
                each = each.__cause__ or each.__context__
            return "".join(traceback.format_exception(error)), seen
    return "", []


def locals_of(frames: TracebackType | None) -> Iterator[str]:
    """Local variables of frames of the library; a driver's own hold what the driver was given."""
    while frames is not None:
        if str(frames.tb_frame.f_globals.get("__name__", "")).startswith("eventreplay."):
            for name, value in frames.tb_frame.f_locals.items():
                yield f"{name} = {shown(value)}"
        frames = frames.tb_next


def shown(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a half-made object may not print; then it shows nothing
        return type(error).__name__
