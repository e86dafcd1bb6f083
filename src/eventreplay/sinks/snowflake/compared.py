"""What `verify` and `repair` ask of a Snowflake sink: counting, comparing, and replacing rows of RAW."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import pyarrow as pa

from eventreplay.capabilities.tally import Order, Span, Tally
from eventreplay.errors import CheckpointConflictError, SinkError
from eventreplay.event import Checkpoint
from eventreplay.sinks.snowflake import checkpoints, comparing, repair, tally
from eventreplay.sinks.snowflake.gate import Gate
from eventreplay.sinks.snowflake.names import stage_path
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.settings import SnowflakeSettings
from eventreplay.sinks.snowflake.stage import ROOT, Stage, folder_name, owner_of
from eventreplay.sinks.snowflake.tables import Raw
from eventreplay.sinks.snowflake.transaction import Pending, begun


class ComparedRaw(ABC):
    """`SupportsTally`, `SupportsComparison` and `SupportsRepair`, on the session of the sink."""

    _settings: SnowflakeSettings
    _raw: Raw
    _gate: Gate
    _stage: Stage
    _sink_id: str
    _transactions: int

    @abstractmethod
    def begin(self, replay_id: str) -> Checkpoint | None: ...

    @abstractmethod
    def write(self, rows: pa.RecordBatch) -> None: ...

    @abstractmethod
    def quarantine(self, rows: pa.RecordBatch) -> None: ...

    @abstractmethod
    def _connected(self) -> Session: ...

    @abstractmethod
    def _begun(self) -> str: ...

    @abstractmethod
    def _now(self) -> datetime: ...

    @abstractmethod
    def _opened(self, replay_id: str) -> Pending: ...

    @abstractmethod
    def _holder(self, replay_id: str) -> str: ...

    @abstractmethod
    def _abandon(self, error: BaseException) -> None: ...

    @abstractmethod
    def _drop_pending(self) -> None: ...

    def partitions(self) -> list[str]:
        """See `SupportsTally`; also the two methods below."""
        return tally.partitions(self._connected(), self._raw)

    def tally(self, partition: str, order: Order, spans: Sequence[Span]) -> list[Tally]:
        """Count and add up inside Snowflake."""
        return tally.tally(self._connected(), self._raw, partition, order, spans)

    def tallied(
        self, partition: str, order: Order, span: Span, *, rows_max: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Rows of a span with their hashes."""
        return tally.tallied(self._connected(), self._raw, partition, order, span, rows_max)

    def differing(self, rows: pa.RecordBatch) -> Mapping[int, Sequence[str]]:
        """Compare every column, over the stage and a temporary table; see `SupportsComparison`."""
        replay_id = self._begun()
        if not rows.num_rows:
            return {}
        session, moment = self._connected(), self._now()
        self._transactions += 1
        folder = folder_name(moment, self._sink_id, self._transactions)
        pending = begun(self._settings, session, self._stage, owner_of(replay_id), folder, moment)
        try:
            return comparing.differing(session, self._raw, self._settings.stage_identifier, pending, rows)
        finally:
            pending.drop_local()
            if pending.staged:
                with suppress(SinkError):  # left for a later run to remove, as after a load
                    self._stage.remove(session, pending.owner, pending.folder)

    def replace(
        self,
        replay_id: str,
        partition: str,
        places: Mapping[Order, Sequence[int]],
        rows: pa.RecordBatch,
        refused: pa.RecordBatch,
        *,
        expected: Checkpoint | None,
    ) -> int:
        """Put rows in the place of others; see `SupportsRepair` and `repair.replace`."""
        self.begin(replay_id)
        self.write(rows)
        self.quarantine(refused)
        pending = self._opened(replay_id)
        folder = stage_path(self._settings.stage_identifier, ROOT, pending.owner, pending.folder)
        wanted = repair.Replacement(
            replay_id=replay_id, partition=partition, places=places, expected=expected
        )
        try:
            pending.finish()
            session = self._connected()
            count = repair.replace(
                session, self._gate, self._raw, folder, self._holder(replay_id), pending, wanted
            )
        except BaseException as error:
            # Ctrl-C too: what was taken out must not be committed without what comes in its place.
            self._abandon(error)
            raise
        self._drop_pending()
        if count is None:
            raise conflict(expected, checkpoints.stored(self._connected(), self._raw, replay_id))
        return count


def conflict(expected: Checkpoint | None, found: Checkpoint | None) -> CheckpointConflictError:
    """The stored checkpoint is not the one that was expected."""
    return CheckpointConflictError(
        "Another run moved this replay's checkpoint; nothing of this commit was written.",
        hint="Let the other run finish or stop it, then start again: it goes on from the stored checkpoint.",
        expected=expected,
        found=found,
    )
