"""One transaction's rows before it is one: spooled, staged, and counted; nothing of it is visible yet."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from attrs import define

from eventreplay.errors import SinkError
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.settings import SnowflakeSettings
from eventreplay.sinks.snowflake.spool import SpooledFile, TableSpool
from eventreplay.sinks.snowflake.stage import Stage

MOMENT_COLUMNS = {"EVENTS": "inserted_at", "QUARANTINE": "quarantined_at"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@define(kw_only=True)
class Pending:
    """Rows since the last commit.

    Attributes:
        owner: folder of the replay on the stage.
        folder: folder of this transaction under it.
        moment_us: microseconds since 1970 that stamp every row of the transaction.
        spools: by table.
        staged: whether any file has gone up.
    """

    owner: str
    folder: str
    moment_us: int
    local: Path
    spools: dict[str, TableSpool]
    staged: bool = False

    def add(self, table: str, rows: pa.RecordBatch) -> None:
        """Spool rows of a table; a file that gets full is uploaded."""
        self.spools[table].add(rows, self.moment_us)

    def finish(self) -> None:
        """Upload what is left."""
        for spool in self.spools.values():
            spool.finish()

    def files(self, table: str) -> list[SpooledFile]:
        """Files on the stage, in order."""
        return self.spools[table].files

    def drop_local(self) -> None:
        """Delete what is left on this machine."""
        for spool in self.spools.values():
            spool.abandon()
        shutil.rmtree(self.local, ignore_errors=True)


def begun(
    settings: SnowflakeSettings, session: Session, stage: Stage, owner: str, folder: str, moment: datetime
) -> Pending:
    """A new, empty transaction that stages into `folder`.

    Raises:
        SinkError: the temporary folder cannot be made.
    """
    try:
        local = Path(tempfile.mkdtemp(prefix="eventreplay-snowflake-"))
    except OSError as error:
        raise SinkError(
            f"No temporary folder can be made: {error.strerror}.", hint="Set TMPDIR to one with free space."
        ) from error
    pending = Pending(
        owner=owner,
        folder=folder,
        moment_us=(moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1),
        local=local,
        spools={},
    )

    def upload(file: SpooledFile) -> None:
        pending.staged = True  # before: an upload whose answer is lost has left a file
        stage.upload(session, file.path, owner, folder)

    for table, moment_column in MOMENT_COLUMNS.items():
        pending.spools[table] = TableSpool(
            table=table,
            folder=local,
            moment_column=moment_column,
            full=upload,
            file_bytes_max=settings.file_bytes_max,
            row_group_rows_max=settings.row_group_rows_max,
        )
    return pending
