"""RAW.CHECKPOINTS: read, and moved by compare-and-set under a lock that Snowflake really takes.

Snowflake's transactions are READ COMMITTED, its INSERTs never wait for one another, and no key is enforced:
two first-comers could both insert. An UPDATE locks its table until the transaction ends. So every commit
first updates the one row of RAW.CHECKPOINT_LOCK; each later statement sees all that was committed before it
began, that is, what the holders before left. Nobody can move the checkpoint between the comparison and the
COMMIT. `gate` says what is compared beside it.
"""

from __future__ import annotations

from eventreplay.errors import SinkError
from eventreplay.event import Checkpoint
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.gate import Gate
from eventreplay.sinks.snowflake.session import Row, Session
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
    return _checkpoint(raw, rows)


def begun(session: Session, raw: Raw, gate: Gate, replay_id: str) -> tuple[Checkpoint | None, str]:
    """The checkpoint of `replay_id` and the gate's mark, both of one moment.

    Raises:
        SinkUnavailableError: tables may be changing places.
        SinkError: as `stored`.
    """
    names = ", ".join(f'C."{name.upper()}"' for name in _FIELDS)
    both = raw.doing(f"Reading {raw.schema}.CHECKPOINTS", "CHECKPOINTS", "SELECT")
    rows = session.run(
        f'SELECT {names}, G."MARK", G."REFUSED" FROM ({gate.now}) AS G'
        f' LEFT JOIN {raw.table("CHECKPOINTS")} AS C ON C."REPLAY_ID" = ?',
        [replay_id],
        doing=Doing(both.what, (*both.grants, gate.doing.grants[-1])),
    )
    mark = gate.admitted(*rows[0][-2:])
    return _checkpoint(raw, [row[:-2] for row in rows if row[0] is not None]), mark


def _checkpoint(raw: Raw, rows: list[Row]) -> Checkpoint | None:
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
    gate: Gate,
    mark: str,
    *,
    replay_id: str,
    checkpoint: Checkpoint,
    expected: Checkpoint | None,
    moment_us: int,
) -> bool:
    """Set the checkpoint if it is `expected` in every field and the gate's mark is still `mark`.

    Call it with the lock held, in a transaction.

    Returns:
        False, and nothing is set, if one of them is another.
    """
    table = raw.table("CHECKPOINTS")
    values = [*(getattr(checkpoint, name) for name in _FIELDS), moment_us]
    open_still = f"({gate.mark}) = ?"
    if expected is None:
        rows = session.run(
            f'INSERT INTO {table} ({_NAMES}, "UPDATED_AT", "REPLAY_ID") SELECT ?, ?, ?, ?, ?,'
            f" TO_TIMESTAMP_NTZ(?, 6), ?"
            f' WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE "REPLAY_ID" = ?) AND {open_still}',
            [*values, replay_id, replay_id, mark],
            doing=raw.doing(f"Writing {raw.schema}.CHECKPOINTS", "CHECKPOINTS", "SELECT", "INSERT"),
        )
    else:
        sets = ", ".join(f'"{name.upper()}" = ?' for name in _FIELDS)
        tests = " AND ".join(f'"{name.upper()}" = ?' for name in _FIELDS)
        rows = session.run(
            f'UPDATE {table} SET {sets}, "UPDATED_AT" = TO_TIMESTAMP_NTZ(?, 6)'
            f' WHERE "REPLAY_ID" = ? AND {tests} AND {open_still}',
            [*values, replay_id, *(getattr(expected, name) for name in _FIELDS), mark],
            doing=raw.doing(f"Writing {raw.schema}.CHECKPOINTS", "CHECKPOINTS", "SELECT", "UPDATE"),
        )
    return int(rows[0][0]) == 1
