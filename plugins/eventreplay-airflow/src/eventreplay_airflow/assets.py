"""What tasks produce, as Airflow's assets: three that schedules can name, and finer ones found at run time.

`LOG`, `RAW_EVENTS` and `MARTS` are known when a DAG is parsed and read nothing. Which partitions and tables
there are is known when a task has run: events of theirs come through an alias. An event is emitted only if
something was committed, so nothing downstream wakes for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import Asset, AssetAlias

LOG = Asset(name="eventreplay_log", uri="x-eventreplay://log", group="eventreplay")
"""The log: something was committed to one of its partitions."""
RAW_EVENTS = Asset(name="eventreplay_raw_events", uri="x-eventreplay://raw/events", group="eventreplay")
"""RAW.EVENTS of the warehouse: something was loaded."""
MARTS = Asset(name="eventreplay_marts", uri="x-eventreplay://marts", group="eventreplay")
"""The tables that dbt builds: models were built."""

LOG_ALIAS = AssetAlias(name="eventreplay_log_partitions", group="eventreplay")
RAW_ALIAS = AssetAlias(name="eventreplay_raw_tables", group="eventreplay")
MART_ALIAS = AssetAlias(name="eventreplay_mart_tables", group="eventreplay")
"""Through these come the events; their DAG names them as outlets by itself."""


def partition_asset(log_url: str, partition: str) -> Asset:
    """One partition of a log."""
    return Asset(uri=f"{place_uri(log_url)}/{partition}", group="eventreplay")


def table_asset(sink_url: str, table: str) -> Asset:
    """One table of a warehouse, `SCHEMA.TABLE`."""
    scheme, _, place = sink_url.partition("://")
    # A file is a file to everybody, and `duckdb:////` would lose slashes as Airflow normalises it.
    base = Path(place.removeprefix("/")).resolve().as_uri() if scheme == "duckdb" else sink_url.rstrip("/")
    return Asset(uri=f"{base}/{table.replace('.', '/')}", group="eventreplay")


def place_uri(url: str) -> str:
    """A log's place as a URI; a folder becomes an absolute `file://`."""
    return url.rstrip("/") if "://" in url else Path(url).resolve().as_uri()


def emit(
    context: Mapping[str, Any],
    alias: AssetAlias,
    assets: Mapping[Asset, Mapping[str, Any]],
    *,
    outlets: list[Any],
) -> None:
    """Add an event for each asset, with its extra; those that the task has as outlets get theirs anyway."""
    events = context["outlet_events"]
    for asset, extra in assets.items():
        if asset in outlets:
            events[asset].extra.update(extra)
        else:
            events[alias].add(asset, extra=dict(extra))
