"""Ends of a run as OpenLineage names data sets; never with a login in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from eventreplay.assembly import Maker
from eventreplay.secret import Secret
from eventreplay_airflow.jobs.outcome import Place

_POSTGRES_PORT = 5432


def partition_place(log_url: str, partition: str, rows: int | None = None, size: int | None = None) -> Place:
    """A partition of a log."""
    if "://" not in log_url:
        return Place(namespace="file", name=str(Path(log_url).resolve() / partition), rows=rows, bytes=size)
    parts = urlsplit(log_url)
    prefix = parts.path.strip("/")
    name = f"{prefix}/{partition}" if prefix else partition
    return Place(namespace=f"{parts.scheme}://{parts.netloc}", name=name, rows=rows, bytes=size)


def table_place(sink_url: str, table: str, rows: int | None = None) -> Place:
    """A table of a warehouse, `SCHEMA.TABLE`."""
    scheme, _, rest = sink_url.partition("://")
    if scheme == "duckdb":
        return Place(namespace="file", name=f"{Path(rest.removeprefix('/')).resolve()}:{table}", rows=rows)
    return Place(namespace=f"{scheme}://{rest.strip('/')}", name=table, rows=rows)


def source_place(maker: Maker, name: str, rows: int | None) -> Place:
    """What a source reads; `name` is the source's own."""
    settings: Any = maker.settings
    if maker.name == "postgres":
        host, port, database = _server(settings)
        return Place(
            namespace=f"postgres://{host}:{port or _POSTGRES_PORT}",
            name=f"{database}.{name.partition(':')[2].partition('?')[0]}",
            rows=rows,
        )
    if maker.name == "rabbitmq":
        address = settings.address
        place = name.removeprefix("rabbitmq:").strip("/")
        return Place(namespace=f"amqp://{address.host}:{address.port}", name=place, rows=rows)
    return Place(namespace="eventreplay", name=name, rows=rows)


def _server(settings: Any) -> tuple[str, int | None, str]:
    host, port, database = settings.host, settings.port, settings.database
    if isinstance(settings.url, Secret):
        parts = urlsplit(settings.url.reveal())
        host, port = host or parts.hostname, port or parts.port
        database = database or parts.path.strip("/")
    return host or "localhost", port, database or ""
