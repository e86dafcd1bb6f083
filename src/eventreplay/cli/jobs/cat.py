"""The work of `log cat`: events as they are stored, for a person who looks for one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from eventreplay.assembly import codec_of
from eventreplay.cli.jobs import assembly
from eventreplay.cli.screen import plain, print_json, print_line, visible
from eventreplay.errors import ConfigError
from eventreplay.interfaces import Codec
from eventreplay.log import Log

HEX_SHOWN_MAX = 2048
"""Hex digits of a payload on a terminal; JSON output has all of them."""


def run(
    url: str | None,
    config: Path | None,
    partition: str,
    *,
    offset: int,
    limit: int,
    schemas: str | None,
    as_json: bool,
) -> int:
    """Show up to `limit` events of `partition` from `offset` on."""
    log = assembly.existing_log(url, config)
    if partition not in log.partitions():
        raise ConfigError(
            f"The log has no partition {partition!r}.",
            hint=f"It has: {', '.join(log.partitions()) or 'none yet'}.",
            partition=partition,
        )
    codec = codec_of(schemas, assembly.settings_of(config))
    events = [_facts(row, decoded) for row, decoded in _rows(log, partition, offset, limit, codec)]
    if as_json:
        print_json({"log": log.url, "partition": partition, "events": events})
        return 0
    for event in events:
        _show(event)
    print_line(f"{len(events):,} events of partition {partition} from offset {offset:,}.", style="dim")
    return 0


def _rows(
    log: Log, partition: str, offset: int, limit: int, codec: Codec
) -> Iterator[tuple[Mapping[str, object], str | None]]:
    reader = log.reader(partition)
    for ref in reader.segments(None if offset == 0 else offset - 1, offset + limit - 1):
        start = max(offset - ref.first_offset, 0)
        rows = min(offset + limit, ref.next_offset) - ref.first_offset - start
        table = reader.read(ref).slice(start, rows).combine_chunks()
        for batch in table.to_batches():
            yield from zip(batch.to_pylist(), _decoded(batch, codec), strict=True)


def _decoded(batch: pa.RecordBatch, codec: Codec) -> list[str | None]:
    """The payloads as canonical JSON text; None where they do not decode."""
    texts: list[str | None] = [None] * batch.num_rows
    decoded = codec.decode(batch)
    for row, text in zip(decoded.rows.to_pylist(), decoded.payload.to_pylist(), strict=True):
        texts[row] = text
    return texts


def _facts(row: Mapping[str, object], decoded: str | None) -> dict[str, object]:
    payload = row["payload"]
    headers = row["headers"]
    facts = {**row, "headers": dict(headers if isinstance(headers, (list, dict)) else ())}
    # The canonical text itself: parsed and printed again, its numbers could come out as others.
    facts["payload_json"] = decoded
    facts["payload_bytes"] = len(payload) if isinstance(payload, bytes) else 0
    shown = plain(facts)
    assert isinstance(shown, dict)  # noqa: S101 - a mapping stays one
    return shown


def _show(event: Mapping[str, object]) -> None:
    print_line(f"{event['log_offset']}  {event['event_type']}  {event['event_id']}", style="bold")
    for name in (
        "stream_id",
        "source",
        "source_position",
        "occurred_at",
        "recorded_at",
        "content_type",
        "headers",
    ):
        if event[name] not in (None, "", {}):
            print_line(f"  {name}: {_text(event[name])}")
    digits = str(event["payload"])
    rest = f"… ({event['payload_bytes']:,} bytes)" if len(digits) > HEX_SHOWN_MAX else ""
    print_line(f"  payload: {digits[:HEX_SHOWN_MAX]}{rest}")
    if event["payload_json"] is not None:
        print_line(f"  decoded: {event['payload_json']}")
    print_line(f"  payload_sha256: {event['payload_sha256']}")
    print_line()


def _text(value: object) -> str:
    return visible(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
