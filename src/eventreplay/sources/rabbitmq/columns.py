"""A chunk of deliveries as a batch of events: which property or header each column comes from.

What the publisher set and no column took stays a header: headers of its own under their names, properties as
`amqp.<name>`. What the broker adds on each delivery (`redelivered`, `x-delivery-count`) is left out, so that
an event delivered twice is twice the same.
"""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import define, field, frozen

from eventreplay.batch import EVENT_SCHEMA, HEADERS, REJECT_SCHEMA, TIMESTAMP, Batch
from eventreplay.sources.json_record import Refused
from eventreplay.sources.rabbitmq.envelope import Entries, Envelopes, envelopes
from eventreplay.sources.rabbitmq.frames import Chunk
from eventreplay.sources.rabbitmq.moments import moments_us
from eventreplay.sources.rabbitmq.places import Flags, Places
from eventreplay.sources.rabbitmq.settings import RabbitSettings
from eventreplay.sources.rabbitmq.structured import is_structured, read_structured

_OF_THE_DELIVERY = (
    b"x-delivery-count",
    b"x-acquired-count",
    b"x-stream-offset",
    b"x-opt-rabbitmq-delivery-count",
)
_NO_TIME = np.iinfo(np.int64).min
_TIME_MAX_US = 253_402_300_799_999_999
"""The last microsecond of the year 9999; what lies behind it is refused when it enters the log."""

_SECOND_US, _MILLISECOND_US = 1_000_000, 1000


@frozen
class Converted:
    """A chunk as a batch, and the delivery tags it holds.

    Attributes:
        batch: all rows, as events or rejected.
        first_tag, last_tag: delivery tags of the first and the last row.
        oversized_tags: of messages that were not kept.
        first_offset, last_offset: `x-stream-offset` of the first and the last row; -1 in a queue.
    """

    batch: Batch
    first_tag: int
    last_tag: int
    oversized_tags: tuple[int, ...]
    first_offset: int
    last_offset: int


@define
class _Rows:
    """The columns on their way, and what has been used of properties and entries for them."""

    found: Envelopes
    used: Flags
    taken: dict[str, Flags] = field(factory=dict)
    code: dict[int, tuple[str, str]] = field(factory=dict)

    @property
    def count(self) -> int:
        return len(self.found.payload)


def convert(chunk: Chunk, settings: RabbitSettings) -> Converted:
    """A batch with the columns of `EVENT_SCHEMA`; at least one delivery.

    Raises:
        FrameError: a delivery method cannot be read.
    """
    found = envelopes(chunk)
    entries = found.entries
    names = entries.name.cast(pa.binary()).dictionary_encode()
    known = {name: at for at, name in enumerate(names.dictionary.to_pylist())}
    codes = names.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    rows = _Rows(found, np.zeros(len(codes), dtype=bool))
    for row in np.flatnonzero(found.malformed).tolist():
        rows.code[row] = ("properties_malformed", "The message's properties or headers cannot be read.")
    offset = _entry_of(entries, known.get(b"x-stream-offset"), codes, rows.count)
    position = np.where(offset >= 0, entries.raw[offset] if len(entries.raw) else -1, -1)
    _refuse_doubled(entries, codes, rows)
    texts = {
        name: _text_column(rows, getattr(settings, f"{name}_from"), known, codes)
        for name in ("event_id", "event_type", "stream_id", "source")
    }
    moments = {
        name: _moment_column(rows, name, getattr(settings, f"{name}_from"), known, codes)
        for name in ("occurred_at", "recorded_at")
    }
    for name in _OF_THE_DELIVERY:
        if name in known:
            rows.used |= codes == known[name]
    rows.taken["content_type"] = np.ones(rows.count, dtype=bool)
    content_type = found.texts.get("content_type", pa.nulls(rows.count, pa.string()))
    columns = {
        **texts,
        "stream_id": texts["stream_id"].fill_null(""),
        "source": texts["source"].fill_null(""),
        "source_position": pa.array(position, mask=position < 0),
        **moments,
        "content_type": content_type.fill_null(settings.content_type),
        "headers": _headers(rows, entries),
        "payload": found.payload,
    }
    events = pa.RecordBatch.from_arrays([columns[name] for name in EVENT_SCHEMA.names], schema=EVENT_SCHEMA)
    structured = is_structured(content_type)
    if structured.any():
        events = _read_structured(events, structured, rows)
    _refuse_oversized(chunk, rows)
    return Converted(
        _split(events, chunk, rows),
        found.first_tag,
        found.last_tag,
        tuple(found.first_tag + row for row in sorted(chunk.oversized)),
        int(position[0]),
        int(position[-1]),
    )


def _entry_of(entries: Entries, code: int | None, codes: Places, count: int) -> Places:
    """For each row the entry with the name, or -1."""
    found = np.full(count, -1, dtype=np.int64)
    if code is not None:
        at = np.flatnonzero(codes == code)
        found[entries.row[at]] = at
    return found


def _refuse_doubled(entries: Entries, codes: Places, rows: _Rows) -> None:
    """A table that names a header twice has no one meaning."""
    if len(codes) < 2:  # noqa: PLR2004 - two make a pair
        return
    key = np.sort(entries.row * (int(codes.max()) + 1) + codes)
    for twice in np.unique(key[1:][key[1:] == key[:-1]]).tolist():
        row = twice // (int(codes.max()) + 1)
        rows.code.setdefault(row, ("header_twice", "The message names a header twice."))


def _text_column(rows: _Rows, places: tuple[str, ...], known: dict[bytes, int], codes: Places) -> pa.Array:
    """The first text that is there, place by place; marks what it took as used."""
    column = pa.nulls(rows.count, pa.string())
    for place in places:
        kind, _, name = place.partition(":")
        missing = np.asarray(column.is_null().to_numpy(zero_copy_only=False))
        if not missing.any():
            break
        if kind == "header":
            entry = _entry_of(rows.found.entries, known.get(name.encode()), codes, rows.count)
            chosen = (entry >= 0) & missing
            if not chosen.any():
                continue
            rows.used[entry[chosen]] = True
            text = rows.found.entries.text.take(pa.array(entry, mask=~chosen))
        elif place in rows.found.texts:
            text = rows.found.texts[place]
            there = np.asarray(text.is_valid().to_numpy(zero_copy_only=False))
            before = rows.taken.get(place, np.zeros(rows.count, dtype=bool))
            rows.taken[place] = before | (there & missing)
        else:
            continue
        column = text if missing.all() else pc.coalesce(column, text)
    return column


def _moment_column(
    rows: _Rows, column: str, places: tuple[str, ...], known: dict[bytes, int], codes: Places
) -> pa.Array:
    """The first moment that is there, as microseconds since 1970; marks what it took as used."""
    moment = np.full(rows.count, _NO_TIME, dtype=np.int64)
    entries = rows.found.entries
    for place in places:
        kind, _, name = place.partition(":")
        missing = moment == _NO_TIME
        if not missing.any():
            break
        if place == "timestamp":
            seconds = rows.found.timestamp
            chosen = missing & (seconds >= 0)
            moment[chosen] = _scaled(seconds[chosen], _SECOND_US)
            rows.taken[place] = rows.taken.get(place, np.zeros(rows.count, dtype=bool)) | chosen
            continue
        if not kind.startswith("header"):
            text = rows.found.texts.get(place)
            chosen = missing & (False if text is None else text.is_valid().to_numpy(zero_copy_only=False))
            if text is not None and chosen.any():
                rows.taken[place] = rows.taken.get(place, np.zeros(rows.count, dtype=bool)) | chosen
                at = np.flatnonzero(chosen)
                moment[at] = _from_text(rows, column, text.take(pa.array(at)), at)
            continue
        entry = _entry_of(entries, known.get(name.encode()), codes, rows.count)
        chosen = missing & (entry >= 0)
        if not chosen.any():
            continue
        rows.used[entry[chosen]] = True
        at = np.flatnonzero(chosen)
        moment[at] = _of_entries(rows, column, entry[at], at, whole_us=kind == "header_ms")
    return pa.array(moment, pa.int64(), mask=moment == _NO_TIME).cast(TIMESTAMP)


def _of_entries(rows: _Rows, column: str, entry: Places, at: Places, *, whole_us: bool) -> Places:
    """Microseconds of header entries: milliseconds as asked, an AMQP timestamp, or RFC 3339 text."""
    entries = rows.found.entries
    kinds = entries.kind[entry]
    is_text = kinds == ord("S")
    is_moment = kinds == ord("T")
    made = np.full(len(entry), _NO_TIME, dtype=np.int64)
    if whole_us:
        number = ~is_text & ~is_moment
        made[number] = _scaled(entries.raw[entry[number]], _MILLISECOND_US)
    made[is_moment] = _scaled(entries.raw[entry[is_moment]], _SECOND_US)
    if is_text.any():
        made[is_text] = _from_text(rows, column, entries.text.take(pa.array(entry[is_text])), at[is_text])
    for row in at[~is_text & (made == _NO_TIME)].tolist():
        rows.code.setdefault(row, _malformed(column))
    return made


def _from_text(rows: _Rows, column: str, text: pa.Array, at: Places) -> Places:
    moment, fine = moments_us(text)
    for row in at[~fine].tolist():
        rows.code.setdefault(row, _malformed(column))
    return np.where(fine, moment, _NO_TIME)


def _malformed(column: str) -> tuple[str, str]:
    return (f"{column}_malformed", f"{column} is neither RFC 3339 with a time zone nor an AMQP timestamp.")


def _scaled(number: Places, unit_us: int) -> Places:
    """Microseconds; what does not fit becomes a moment that admission refuses as out of range."""
    wide = (number < 0) | (number > _TIME_MAX_US // unit_us)
    return np.where(wide, _TIME_MAX_US + 1, np.where(wide, 0, number) * unit_us)


def _headers(rows: _Rows, entries: Entries) -> pa.MapArray:
    """Header entries that no column took, then properties that none did, for each row."""
    keep = np.flatnonzero(~rows.used)
    row = [entries.row[keep]]
    names = [entries.name.take(pa.array(keep))]
    texts = [entries.text.take(pa.array(keep))]
    for name, column in rows.found.texts.items():
        there = np.asarray(column.is_valid().to_numpy(zero_copy_only=False))
        left = np.flatnonzero(there & ~rows.taken.get(name, np.zeros(rows.count, dtype=bool)))
        if len(left):
            row.append(left)
            names.append(pa.repeat(pa.scalar(f"amqp.{name}"), len(left)))
            texts.append(column.take(pa.array(left)))
    stamp = rows.found.timestamp
    left = np.flatnonzero((stamp >= 0) & ~rows.taken.get("timestamp", np.zeros(rows.count, dtype=bool)))
    if len(left):
        row.append(left)
        names.append(pa.repeat(pa.scalar("amqp.timestamp"), len(left)))
        texts.append(pa.array(stamp[left]).cast(pa.string()))
    of = np.concatenate(row)
    order = pa.array(np.argsort(of, kind="stable"))
    offsets = np.zeros(rows.count + 1, dtype=np.int32)
    np.cumsum(np.bincount(of, minlength=rows.count), out=offsets[1:])
    return pa.MapArray.from_arrays(
        pa.array(offsets), pa.concat_arrays(names).take(order), pa.concat_arrays(texts).take(order), HEADERS
    )


def _read_structured(events: pa.RecordBatch, structured: Flags, rows: _Rows) -> pa.RecordBatch:
    """Rows whose body is a CloudEvents envelope are what that says; their AMQP headers stay beside."""
    made = {}
    for row in np.flatnonzero(structured).tolist():
        if row in rows.code:
            continue
        whole = events.slice(row, 1).to_pylist()[0]
        try:
            made[row] = read_structured(whole)
        except Refused as verdict:
            rows.code[row] = (verdict.code, verdict.message)
    if not made:
        return events
    order = np.arange(rows.count, dtype=np.int64)
    order[list(made)] = rows.count + np.arange(len(made))
    own = pa.RecordBatch.from_pylist(list(made.values()), schema=EVENT_SCHEMA)
    both = pa.Table.from_batches([events, own]).take(pa.array(order))
    return both.combine_chunks().to_batches()[0]


def _refuse_oversized(chunk: Chunk, rows: _Rows) -> None:
    for row, big in chunk.oversized.items():
        rows.code[row] = (
            "message_too_large",
            f"A body of {big.bytes_received} bytes was not kept; the dead-letter queue has it.",
        )


def _split(events: pa.RecordBatch, chunk: Chunk, rows: _Rows) -> Batch:
    """Events, and what was refused with its reason; the bytes of an oversized message are a reference."""
    if not rows.code:
        return Batch(events)
    refused = sorted(rows.code)
    mask = np.zeros(rows.count, dtype=bool)
    mask[refused] = True
    rejected = events.filter(pa.array(mask))
    malformed = pa.array([bool(rows.found.malformed[row]) for row in refused])
    columns = []
    for name, column in zip(rejected.schema.names, rejected.columns, strict=True):
        if name == "payload":
            columns.append(_references(column, refused, chunk))
        else:
            # Nothing that was read of a damaged envelope can be believed.
            columns.append(pc.if_else(malformed, pa.scalar(None, column.type), column))
    codes = [pa.array([rows.code[row][part] for row in refused], pa.string()) for part in (0, 1)]
    rejects = pa.RecordBatch.from_arrays([*columns, *codes], schema=REJECT_SCHEMA)
    return Batch(events.filter(pa.array(~mask)), rejects)


def _references(payload: pa.Array, refused: list[int], chunk: Chunk) -> pa.Array:
    if not chunk.oversized:
        return payload
    bodies = payload.to_pylist()
    for at, row in enumerate(refused):
        big = chunk.oversized.get(row)
        if big is not None:
            bodies[at] = json.dumps({"bytes": big.bytes_received, "sha256": big.sha256}).encode()
    return pa.array(bodies, pa.binary())
