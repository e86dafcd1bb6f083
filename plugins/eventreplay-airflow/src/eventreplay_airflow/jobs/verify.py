"""The work of `VerifyOperator`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import asdict, frozen

from eventreplay.assembly import codec_of
from eventreplay.capabilities.generations import suffix_of
from eventreplay.config import load_settings
from eventreplay.errors import EventReplayError
from eventreplay.rebuild import opened_raw
from eventreplay.verify import Verification, verify
from eventreplay_airflow.jobs.ends import EndsRequest, LogToSinkWork
from eventreplay_airflow.jobs.outcome import Outcome
from eventreplay_airflow.jobs.places import partition_place, table_place

KINDS = ("missing", "doubled", "altered", "unknown")
SHOWN_MAX = 10
"""Events of each kind that the error names."""


class UnequalError(EventReplayError):
    """RAW does not hold what the log does."""


@frozen(kw_only=True)
class VerifyRequest(EndsRequest):
    """What the operator was told; see there."""

    replay_id: str
    partitions: Sequence[str] | None
    deep: bool
    schemas: str | None
    generation: str | None


class VerifyWork(LogToSinkWork[VerifyRequest]):
    """One comparison; see `Work`."""

    def __init__(self, request: VerifyRequest, *given: Any) -> None:
        super().__init__(request, *given)
        self._found: Verification | None = None

    def run(self) -> None:
        """Compare.

        Raises:
            UnequalError: names events that are missing, doubled, altered or unknown.
        """
        request = self._request
        codec = None
        if request.deep:
            codec = codec_of(request.schemas, load_settings(arguments={"log_url": request.log}))
        with opened_raw(self._open_sink, request.generation) as sink:
            found = self._found = verify(
                self.log,
                sink,
                replay_id=request.replay_id,
                partitions=request.partitions,
                codec=codec,
                progress=self._report,
            )
        if not found.ok:
            raise UnequalError(
                f"{self._raw} is not what the log holds: {'; '.join(_named(found))}.",
                hint="Something else than a load changed it: find out who, and rebuild it from the log.",
            )

    @property
    def _raw(self) -> str:
        generation = self._request.generation
        return f"{self._request.raw_schema}{'' if generation is None else suffix_of(generation)}.EVENTS"

    def outcome(self) -> Outcome:
        """What was compared, and what differs."""
        found, request = self._found, self._request
        facts: dict[str, Any] = {"log": self.log.url, "sink": request.sink, "replay_id": request.replay_id}
        if request.generation is not None:
            facts["settings"] = {"generation": request.generation}
        if found is not None:
            facts |= {"ok": found.ok, "deep": found.deep}
            facts |= {f"{kind}_count": getattr(found, f"{kind}_count") for kind in KINDS}
            facts |= {kind: [asdict(one) for one in getattr(found, kind)[:SHOWN_MAX]] for kind in KINDS}
            facts["partitions"] = [
                {name: value for name, value in asdict(one).items() if name != "ranges"}
                for one in found.partitions
            ]
        compared = () if found is None else found.partitions
        rows = sum(one.rows for one in compared)
        return Outcome(
            facts=facts,
            said=f"{rows:,} rows compared, {'all equal' if found is None or found.ok else 'not equal'}.",
            changed=False,
            noteworthy=found is not None,
            inputs=(
                *(partition_place(self.log.url, one.partition, one.rows) for one in compared),
                table_place(request.sink, self._raw, rows),
            ),
        )


def _named(found: Verification) -> list[str]:
    """What differs: counts of each kind, and its first events by name."""
    said = []
    for kind in KINDS:
        count, events = getattr(found, f"{kind}_count"), getattr(found, kind)[:SHOWN_MAX]
        if count:
            shown = ", ".join(f"{one.event_id} ({one.partition}, offset {one.offset})" for one in events)
            more = f" and {count - len(events)} more" if count > len(events) else ""
            said.append(f"{count} {kind}: {shown}{more}")
    return said
