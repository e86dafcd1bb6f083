"""RAW.CHECKPOINTS: read, and moved by compare-and-set under a lock that Snowflake really takes.

Snowflake's transactions are READ COMMITTED, its INSERTs never wait for one another, and no key is enforced:
two first-comers could both insert. An UPDATE locks its table until the transaction ends. So every commit
first updates the one row of RAW.CHECKPOINT_LOCK; each later statement sees all that was committed before it
began, that is, what the holders before left. Nobody can move the checkpoint between the comparison and the
COMMIT.
"""

from __future__ import annotations

from eventreplay.errors import SinkError
from eventreplay.event import Checkpoint
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.tables import Raw

_FIELDS = ("source", "epoch", "position", "digest", "fingerprint")
_NAMES = ", ".join(f'"{name.upper()}"' for name in _FIELDS)


def stored(session: Session, raw: Raw, replay_id: str) -> Checkpoint | None:
    """The checkpoint of `replay_id`, as committed.

    Raises:
        SinkError: there are several, which nothing of ours writes.
    """
    rows = session.run(
        f'SELECT {_NAMES} FROM {raw.table("CHECKPOINTS")} WHERE "REPLAY_ID" = ?',
        [replay_id],
        doing=raw.doing(f"Reading {raw.schema}.CHECKPOINTS", "CHECKPOINTS", "SELECT"),
    )
    if len(rows) > 1:
        raise SinkError(
            f"{raw.schema}.CHECKPOINTS has {len(rows)} rows for one replay.",
            hint="Something else than eventreplay wrote there: find out what, and delete the wrong one.",
        )
    if not rows:
        return None
    source, epoch, position, digest, fingerprint = rows[0]
    return Checkpoint(
        source=source, epoch=epoch, position=int(position), digest=digest, fingerprint=fingerprint
    )


def lock(session: Session, raw: Raw, holder: str, moment_us: int) -> None:
    """Wait until no other commit is under way, and keep it so until this transaction ends.

    Raises:
        SinkUnavailableError: another transaction held the lock for lock_timeout_s.
        SinkError: the lock's row is missing.
    """
    rows = session.run(
        f'UPDATE {raw.table("CHECKPOINT_LOCK")} SET "LOCKED_BY" = ?, "LOCKED_AT" = TO_TIMESTAMP_NTZ(?, 6)',
        [holder, moment_us],
        doing=raw.doing(f"Locking {raw.schema}.CHECKPOINT_LOCK", "CHECKPOINT_LOCK", "SELECT", "UPDATE"),
    )
    if int(rows[0][0]) < 1:
        raise SinkError(
            f"{raw.schema}.CHECKPOINT_LOCK has no row, so two writers could not be told apart.",
            hint="Run SnowflakeSink.init(settings), which inserts it.",
            table="CHECKPOINT_LOCK",
        )


def moved(
    session: Session,
    raw: Raw,
    replay_id: str,
    checkpoint: Checkpoint,
    expected: Checkpoint | None,
    moment_us: int,
) -> bool:
    """Set the checkpoint if it is `expected` in every field; False, and nothing set, if it is not.

    Call it with the lock held, in a transaction.
    """
    table = raw.table("CHECKPOINTS")
    values = [*(getattr(checkpoint, name) for name in _FIELDS), moment_us]
    if expected is None:
        rows = session.run(
            f'INSERT INTO {table} ({_NAMES}, "UPDATED_AT", "REPLAY_ID") SELECT ?, ?, ?, ?, ?,'
            f" TO_TIMESTAMP_NTZ(?, 6), ?"
            f' WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE "REPLAY_ID" = ?)',
            [*values, replay_id, replay_id],
            doing=raw.doing(f"Writing {raw.schema}.CHECKPOINTS", "CHECKPOINTS", "SELECT", "INSERT"),
        )
    else:
        sets = ", ".join(f'"{name.upper()}" = ?' for name in _FIELDS)
        tests = " AND ".join(f'"{name.upper()}" = ?' for name in _FIELDS)
        rows = session.run(
            f'UPDATE {table} SET {sets}, "UPDATED_AT" = TO_TIMESTAMP_NTZ(?, 6)'
            f' WHERE "REPLAY_ID" = ? AND {tests}',
            [*values, replay_id, *(getattr(expected, name) for name in _FIELDS)],
            doing=raw.doing(f"Writing {raw.schema}.CHECKPOINTS", "CHECKPOINTS", "SELECT", "UPDATE"),
        )
    return int(rows[0][0]) == 1
