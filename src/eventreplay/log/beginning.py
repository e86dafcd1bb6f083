"""The mark of a log, which stands there before anything else does."""

from __future__ import annotations

from eventreplay.errors import CorruptLogError, LogError, LogUnavailableError
from eventreplay.log import layout
from eventreplay.log.storage import Storage


def begin(storage: Storage) -> None:
    """See that the store holds a log of this format; make an empty one where there is nothing.

    Raises:
        LogError: something else stands there, or a log of another version.
        CorruptLogError: the mark of a log is missing where a log is.
        LogUnavailableError: the store says that the mark is there, and does not give it.
    """
    found = storage.get(layout.FORMAT_KEY)
    if found is None:
        # Written before anything else, so it is not missing by a crash. (Looked for again, because
        # another writer may be beginning this log at the same time.)
        if storage.folders(f"{layout.COMMITS}/") and storage.get(layout.FORMAT_KEY) is None:
            raise CorruptLogError(
                f"{layout.FORMAT_KEY} is missing, though commits stand beside it.",
                hint="Restore it; `eventreplay log check` says what else is missing.",
                key=layout.FORMAT_KEY,
            )
        storage.put_new(layout.FORMAT_KEY, layout.FORMAT_BYTES)
        found = storage.get(layout.FORMAT_KEY)
    if found is None:
        raise LogUnavailableError(
            f"The store says that {layout.FORMAT_KEY} is there already, and does not find it.",
            hint="Nothing was written. Start again; if it stays so, the store does not keep its conditions.",
            key=layout.FORMAT_KEY,
        )
    if found != layout.FORMAT_BYTES:
        raise LogError(
            f"{layout.FORMAT_KEY} is not that of a log of version 1.",
            hint="Give another folder, use the release that wrote it, or run `eventreplay log check`.",
            key=layout.FORMAT_KEY,
        )
