"""Which rows of the log a partial replay takes: by type, stream, source, and from a moment on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from attrs import field, frozen

from eventreplay.batch import TIMESTAMP
from eventreplay.errors import ConfigError

_MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"


def _names(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _utc(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise ConfigError(
            f"{moment.isoformat()} has no time zone.",
            hint="Write e.g. 2026-01-01T00:00:00Z.",
            setting="since",
        )
    return None if moment is None else moment.astimezone(UTC)


@frozen(kw_only=True)
class Selection:
    """Rows of the log; all of them unless something is named.

    A row belongs to it if each condition that is given holds. One that lacks what a condition asks for does
    not: a record that capture refused, and that has no type, belongs to no selection by type.

    Attributes:
        types: event types; empty: all.
        streams: stream ids; empty: all.
        sources: the producers' names; empty: all.
        since: recorded at this moment or later; what nobody recorded is judged by when it happened.
    """

    types: tuple[str, ...] = field(default=(), converter=_names)
    streams: tuple[str, ...] = field(default=(), converter=_names)
    sources: tuple[str, ...] = field(default=(), converter=_names)
    since: datetime | None = field(default=None, converter=_utc)

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return not (self.types or self.streams or self.sources or self.since)

    def taken(self, rows: pa.Table) -> pa.Table:
        """The rows of a segment that belong to it, in their order; columns of `batch.EVENT_SCHEMA`."""
        conditions = [
            pc.is_in(rows.column(column), value_set=pa.array(wanted, pa.string()))
            for column, wanted in (
                ("event_type", self.types),
                ("stream_id", self.streams),
                ("source", self.sources),
            )
            if wanted
        ]
        if self.since is not None:
            moment = pc.coalesce(rows.column("recorded_at"), rows.column("occurred_at"))
            late = pc.greater_equal(moment, pa.scalar(self.since, TIMESTAMP))
            conditions.append(pc.fill_null(late, False))  # noqa: FBT003 - Arrow's own arguments
        if not conditions:
            return rows
        mask = conditions[0]
        for condition in conditions[1:]:
            mask = pc.and_(mask, condition)
        return rows.filter(mask)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {
            "types": list(self.types),
            "streams": list(self.streams),
            "sources": list(self.sources),
            "since": None if self.since is None else self.since.strftime(_MOMENT),
        }

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Selection:
        """What `to_json` gave."""
        since = facts["since"]
        return cls(
            types=facts["types"],
            streams=facts["streams"],
            sources=facts["sources"],
            since=None if since is None else datetime.strptime(since, _MOMENT).replace(tzinfo=UTC),
        )
