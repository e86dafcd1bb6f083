"""The corpus as events: each string in each place for a stranger's text, and what must come of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay.event import Event
from eventreplay.testing.hostile import storable

PLACES = ("event_id", "event_type", "stream_id", "source", "header_name", "header_value")
NAME_BYTES_MAX = 512
HEADERS_BYTES_MAX = 65_536
MOMENT = datetime(2026, 1, 31, tzinfo=UTC)


@frozen
class Case:
    """One string in one place."""

    name: str
    place: str
    text: str

    @property
    def event(self) -> Event:
        """The event that carries it; its payload says which case it is."""
        values: dict[str, Any] = {"event_id": f"{self.place}/{self.name}", "event_type": "hostile.tested"}
        if self.place == "header_name":
            values["headers"] = {self.text: "value"}
        elif self.place == "header_value":
            values["headers"] = {"name": self.text}
        else:
            values[self.place] = self.text
        return Event(
            **values,
            payload=json.dumps({"case": f"{self.place}/{self.name}"}).encode(),
            content_type="application/json",
            occurred_at=MOMENT,
        )

    @property
    def is_refused(self) -> bool:
        """Whether the log has no room for it: empty where something must stand, or too long."""
        size = len(self.text.encode())
        if self.place.startswith("header"):
            return size > HEADERS_BYTES_MAX - len("value")
        return size > NAME_BYTES_MAX or (not size and self.place in {"event_id", "event_type"})

    def found_in(self, row: dict[str, Any]) -> str:
        """The string as it came out, of a row whose headers are a mapping."""
        if self.place == "header_name":
            (name,) = row["headers"]
            return str(name)
        return str(row["headers"]["name"] if self.place == "header_value" else row[self.place])


def cases(places: tuple[str, ...] = PLACES) -> Iterator[Case]:
    """Every storable string in every place."""
    for place in places:
        for name, text in storable():
            yield Case(name, place, text)


def canary(folder: Path) -> dict[str, bytes]:
    """A folder beside the work that nothing may touch; see `intact`."""
    nest = folder / "canary"
    nest.mkdir()
    (nest / "bird").write_bytes(b"alive")
    return seen(folder)


def seen(folder: Path) -> dict[str, bytes]:
    """Every file of `folder` but those of the log and the warehouse, with its bytes."""
    ours = {"log", "w.duckdb", "events.jsonl"}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in ours
    }
