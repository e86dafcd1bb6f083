"""The work of `status`: the log's heads against the sink's checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from eventreplay.assembly import place_of, sink_target
from eventreplay.capabilities.quarantine import Selection
from eventreplay.cli.jobs import assembly, quarantine
from eventreplay.cli.screen import moment_text, print_json, print_line, print_table
from eventreplay.config import has_settings, plugin_settings
from eventreplay.errors import ConfigError
from eventreplay.finding import Standing
from eventreplay.log import Log, PartitionReader
from eventreplay.sinks.duckdb_redrive import DuckDBQuarantine
from eventreplay.sinks.duckdb_tables import RAW, connect, driver_errors

UP_TO_DATE, BEHIND, ANOTHER_LOG = "up to date", "behind", "another log"
FAILED = 1


def run(
    log_url: str | None, sink_url: str | None, replay_id: str | None, config: Path | None, *, as_json: bool
) -> int:
    """Lag of each partition; 1 if a checkpoint speaks of another log than this one."""
    settings = assembly.settings_of(config, log_url=log_url, sink_url=sink_url, replay_id=replay_id)
    log = assembly.existing_log(settings.log_url, config)
    held = _warehouse(settings.sink_url, config)
    partitions = [
        {
            **lag(log.reader(name), held.checkpoints.get(f"{settings.replay_id}/{name}")),
            "gaps": dead_positions(log, name),
        }
        for name in log.partitions()
    ]
    quarantined = sum(reason["count"] for reason in held.quarantined)
    if as_json:
        facts = {"log": log.url, "replay_id": settings.replay_id, "partitions": partitions}
        print_json({**facts, "quarantined": quarantined, "reasons": list(held.quarantined)})
    else:
        columns = (
            "partition",
            "state",
            "commits",
            "loaded",
            "lag, commits",
            "lag, rows",
            "gaps",
            "loaded at",
        )
        rows = [tuple(part[name] for name in _SHOWN) for part in partitions]
        print_table(f"Log {log.url}, replay {settings.replay_id}", columns, rows, right=(2, 3, 4, 5, 6))
        print_line(f"{quarantined:,} quarantined; RAW.QUARANTINE has them, with the reasons.")
    return FAILED if any(part["state"] == ANOTHER_LOG for part in partitions) else 0


_SHOWN = ("partition", "state", "commits", "position", "lag_commits", "lag_rows", "gaps", "updated_at")


def lag(reader: PartitionReader, checkpoint: Mapping[str, Any] | None) -> dict[str, Any]:
    """How far the sink is behind one partition: commits, and rows of events and of quarantined records."""
    head = reader.head()
    commits = 0 if head is None else head.number
    rows = 0 if head is None else head.next_offset + head.next_quarantine_offset
    facts: dict[str, Any] = {"partition": reader.partition, "commits": commits, "rows": rows}
    if checkpoint is None:
        state = BEHIND if commits else UP_TO_DATE
        return {
            **facts,
            "state": state,
            "position": None,
            "lag_commits": commits,
            "lag_rows": rows,
            "updated_at": None,
        }
    facts["position"] = checkpoint["position"]
    facts["updated_at"] = moment_text(checkpoint["updated_at"])
    reached = reader.commit(checkpoint["position"]) if checkpoint["position"] <= commits else None
    if reached is None or reached.sha256 != checkpoint["digest"]:
        return {**facts, "state": ANOTHER_LOG, "lag_commits": None, "lag_rows": None}
    behind = commits - reached.number
    left = rows - reached.next_offset - reached.next_quarantine_offset
    return {**facts, "state": BEHIND if behind else UP_TO_DATE, "lag_commits": behind, "lag_rows": left}


def dead_positions(log: Log, partition: str) -> int:
    """How many positions of its journal were proven dead: ids that were taken and never committed."""
    return sum(
        int(pc.sum(pc.subtract(each.last, each.first)).as_py() or 0) + len(each.first)
        for each in log.gaps(partition).open()
    )


def _warehouse(sink_url: str, config: Path | None) -> Standing:
    """What the sink holds; of a DuckDB file that is not there yet: nothing.

    Raises:
        ConfigError: this kind of sink cannot tell.
    """
    if sink_url.startswith(f"{assembly.DUCKDB}://"):
        return _in_file(Path(place_of(sink_url)))
    name, target, place = sink_target(sink_url)
    settings_class = has_settings(target)
    tell = getattr(target, "standing", None)
    if settings_class is None or tell is None:
        raise ConfigError(
            f"The sink {name!r} cannot tell its status.",
            hint="Its class needs Settings and a classmethod standing(settings), as the snowflake sink has.",
            sink=name,
        )
    told: Standing = tell(plugin_settings(name, settings_class, config, None, (), place or None))
    return told


def _in_file(path: Path) -> Standing:
    if not path.exists():
        return Standing(checkpoints={}, quarantined=())
    with connect(path, read_only=True) as connection:
        with driver_errors("Reading RAW.CHECKPOINTS"):
            found = connection.execute(
                "SELECT replay_id, position, digest, updated_at FROM RAW.CHECKPOINTS"
            ).fetchall()
        reasons = quarantine.counts(DuckDBQuarantine(connection, RAW), Selection(dismissed=False))
    names = ("position", "digest", "updated_at")
    return Standing(
        checkpoints={row[0]: dict(zip(names, row[1:], strict=True)) for row in found}, quarantined=reasons
    )
