"""How far the replays have come and what they quarantined: what `eventreplay status` shows of Snowflake."""

from __future__ import annotations

from eventreplay.finding import Standing
from eventreplay.sinks.snowflake.session import Session, check_context
from eventreplay.sinks.snowflake.settings import SnowflakeSettings
from eventreplay.sinks.snowflake.tables import Raw


def standing(settings: SnowflakeSettings) -> Standing:
    """Read RAW.CHECKPOINTS and count RAW.QUARANTINE; nothing is written.

    Raises:
        SinkUnavailableError: Snowflake gives no answer.
        SinkError: a login or right is refused, or there is no RAW yet.
    """
    session = Session(settings)
    try:
        raw = Raw.of(settings, check_context(session, settings))
        checkpoints = session.run(
            f'SELECT "REPLAY_ID", "POSITION", "DIGEST", "UPDATED_AT" FROM {raw.table("CHECKPOINTS")}',
            doing=raw.doing(f"Reading {raw.schema}.CHECKPOINTS", "CHECKPOINTS", "SELECT"),
        )
        counts = session.run(
            f'SELECT "STAGE", "ERROR_CODE", "EVENT_TYPE", COUNT(*) FROM {raw.table("QUARANTINE")}'
            " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            doing=raw.doing(f"Counting {raw.schema}.QUARANTINE", "QUARANTINE", "SELECT"),
        )
    finally:
        session.close()
    return Standing(
        checkpoints={
            replay_id: {"position": int(position), "digest": digest, "updated_at": moment}
            for replay_id, position, digest, moment in checkpoints
        },
        quarantined=[
            {"stage": stage, "error_code": code, "event_type": kind, "count": int(count)}
            for stage, code, kind, count in counts
        ],
    )
