"""The work of `ReplayOperator`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from attrs import asdict, frozen

from eventreplay import receipts
from eventreplay.assembly import codec_of, limits_of, schemas_named
from eventreplay.config import load_settings
from eventreplay.rebuild import codec_types
from eventreplay.replay import ReplayReceipt, replay
from eventreplay_airflow.assets import RAW_EVENTS, table_asset
from eventreplay_airflow.jobs.ends import RAW, EndsRequest, LogToSinkWork
from eventreplay_airflow.jobs.outcome import Outcome
from eventreplay_airflow.jobs.places import partition_place, table_place


@frozen(kw_only=True)
class ReplayRequest(EndsRequest):
    """What the operator was told; see there."""

    schemas: str | None
    replay_id: str
    workers: int
    accept_codec_change: bool


class ReplayWork(LogToSinkWork[ReplayRequest]):
    """One load; see `Work`."""

    def __init__(self, request: ReplayRequest, *given: Any) -> None:
        super().__init__(request, *given)
        self._settings = load_settings(
            arguments={
                "log_url": request.log,
                "sink_url": request.sink,
                "replay_id": request.replay_id,
                "workers": request.workers,
            }
        )
        self._codec = codec_of(request.schemas, self._settings)
        self._receipt = ReplayReceipt(replay_id=request.replay_id, fingerprint=self._codec.fingerprint)

    def run(self) -> None:
        """Load what the log has and the sink has not."""
        request = self._request
        sink = self._open_sink()
        try:
            replay(
                self.log,
                sink,
                self._codec,
                replay_id=request.replay_id,
                batch_rows_max=self._settings.batch_rows_max,
                workers=self._settings.workers,
                accept_codec_change=request.accept_codec_change,
                progress=self._report,
                receipt=self._receipt,
            )
        finally:
            sink.close()

    def outcome(self) -> Outcome:
        """Counts so far, and the commits they stand for."""
        receipt, sink = self._receipt, self._request.sink
        used = {
            "schemas": schemas_named(self._request.schemas),
            "limits": asdict(limits_of(self._settings)),
            "batch_rows_max": self._settings.batch_rows_max,
            "workers": self._settings.workers,
        }
        # By which code, type by type: the next plan of a rebuild finds it in the receipt.
        types = codec_types(self._codec)
        facts = receipts.loaded(self.log, receipt, sink=sink, settings=used, types=types)
        raw = self._request.raw_schema
        upto = {each.partition: each.upto_commit for each in receipt.partitions}
        extra = {"replay_id": receipt.replay_id, "commits": upto, "rows": receipt.loaded}
        extra["digest"] = _digest(facts)
        refused = {**extra, "rows": receipt.quarantined}
        assets: dict[Any, Mapping[str, Any]] = {table_asset(sink, f"{raw}.EVENTS"): extra}
        if raw.upper() == RAW:
            assets[RAW_EVENTS] = extra
        outputs = [table_place(sink, f"{raw}.EVENTS", receipt.loaded)]
        if receipt.quarantined:
            assets[table_asset(sink, f"{raw}.QUARANTINE")] = refused
            outputs.append(table_place(sink, f"{raw}.QUARANTINE", receipt.quarantined))
        return Outcome(
            facts=facts,
            said=(
                f"{receipt.read:,} read = {receipt.loaded:,} loaded + {receipt.quarantined:,} quarantined"
                f", in {receipt.commits:,} commits of replay {receipt.replay_id}."
            ),
            changed=receipt.commits > 0,
            assets=assets,
            inputs=tuple(
                partition_place(self.log.url, each.partition, each.loaded + each.quarantined)
                for each in receipt.partitions
            ),
            outputs=tuple(outputs),
        )


def _digest(facts: Mapping[str, Any]) -> str:
    """One hash over the commits that were loaded last, of all partitions."""
    lines = sorted(f"{each['partition']} {each['digest']}" for each in facts["partitions"])
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
