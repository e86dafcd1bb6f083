"""Replacing rows of RAW by their places in the log, in one transaction under the lock of loads.

    BEGIN; lock; see that no promotion is under way; compare the checkpoint;
    DELETE; COPY INTO EVENTS; COPY INTO QUARANTINE; COMMIT

Unlike a load, the lock comes first: a row may only be taken out while no load can commit. DELETE is a right
that loads do not need; whoever repairs is granted it, and the error of who lacks it has the statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from eventreplay.capabilities.tally import Order
from eventreplay.event import Checkpoint
from eventreplay.sinks.snowflake import checkpoints
from eventreplay.sinks.snowflake.copying import copy_files
from eventreplay.sinks.snowflake.gate import Gate
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.tables import Raw
from eventreplay.sinks.snowflake.transaction import Pending

_OFFSETS_MAX = 1_024
"""Offsets named in one statement."""


@frozen(kw_only=True)
class Replacement:
    """What one repair changes.

    Attributes:
        replay_id: whose checkpoint has to be `expected`.
        partition: of the log.
        places: offsets by their order.
        expected: the checkpoint; None: there is none.
    """

    replay_id: str
    partition: str
    places: Mapping[Order, Sequence[int]]
    expected: Checkpoint | None


def replace(
    session: Session, gate: Gate, raw: Raw, folder: str, holder: str, pending: Pending, wanted: Replacement
) -> int | None:
    """Run the transaction; the rows taken out, or None, with nothing changed, if the checkpoint is another.

    Args:
        session: not in a transaction.
        gate: what keeps it from tables that are changing places.
        raw: whose tables.
        folder: of the staged files, as COPY names it.
        holder: who holds the lock.
        pending: the rows to be put there, uploaded.
        wanted: what is taken out, and what must hold.
    """
    session.begin()
    checkpoints.lock(session, gate.raw, holder, pending.moment_us)
    gate.check_open(session)
    if checkpoints.stored(session, raw, wanted.replay_id) != wanted.expected:
        session.rollback()
        return None
    count = sum(
        _removed(session, raw, wanted.partition, order, offsets[begin : begin + _OFFSETS_MAX])
        for order, offsets in wanted.places.items()
        for begin in range(0, len(offsets), _OFFSETS_MAX)
    )
    for table in pending.spools:
        copy_files(session, raw, table, folder, pending.files(table))
    session.commit()
    return count


def _removed(session: Session, raw: Raw, partition: str, order: Order, offsets: Sequence[int]) -> int:
    stage = "capture" if order == "capture" else "decode"
    tables = [("QUARANTINE", f" AND \"STAGE\" = '{stage}'")]
    if order == "log":
        tables.append(("EVENTS", ""))
    listed = ", ".join(str(int(offset)) for offset in offsets)
    count = 0
    for table, condition in tables:
        rows = session.run(
            f'DELETE FROM {raw.table(table)} WHERE "LOG_PARTITION" = ?{condition}'
            f' AND "LOG_OFFSET" IN ({listed})',
            [partition],
            doing=raw.doing(f"Replacing rows of {raw.schema}.{table}", table, "SELECT", "INSERT", "DELETE"),
        )
        count += int(rows[0][0])
    return count
