"""Events in Parquet files: columns all the way, one row group at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from eventreplay.batch import EVENT_SCHEMA, LOG_SCHEMA, Batch
from eventreplay.errors import InvalidEventError, SourceError, SourceUnavailableError
from eventreplay.sources.listing import SourceFile

_REQUIRED = ("event_id", "event_type", "occurred_at", "payload")
_DERIVED = frozenset(LOG_SCHEMA.names) - frozenset(EVENT_SCHEMA.names)


def parquet_batches(file: SourceFile, base: int, low: int, high: int, rows_max: int) -> Iterator[Batch]:
    """Rows `low` to `high` (inclusive) as batches; row n gets position `base` + n.

    A `source_position` in the file is replaced: positions of files are places in files. What a log adds to
    events (offset and hashes) is left out and made again.

    Raises:
        SourceError: the file is damaged, or its columns are not those of events.
    """
    try:
        with pq.ParquetFile(file.path, pre_buffer=False) as parquet:
            columns = _columns(file, parquet.schema_arrow)
            first = 0
            for group in range(parquet.metadata.num_row_groups):
                rows = parquet.metadata.row_group(group).num_rows
                if first <= high and first + rows > low:
                    parts = parquet.iter_batches(
                        rows_max, row_groups=[group], columns=columns, use_threads=False
                    )
                    yield from _batches(file, parts, base, first, low, high)
                first += rows
    except pa.ArrowException as error:
        raise SourceError(f"{file.name!r} is damaged.", hint="Write the Parquet file again.") from error
    except OSError as error:
        raise SourceUnavailableError(f"{file.name!r} cannot be read.", hint="See the cause above.") from error


def check_columns(file: SourceFile) -> None:
    """Raise `SourceError` now rather than in the middle of a run if the columns are not those of events."""
    try:
        schema = pq.read_schema(file.path)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{file.name!r} is no Parquet file.", hint="It may be cut off: write it again."
        ) from error
    _columns(file, schema)


def _columns(file: SourceFile, schema: pa.Schema) -> list[str]:
    missing = [name for name in _REQUIRED if name not in schema.names]
    if missing:
        raise SourceError(
            f"{file.name!r} is no Parquet file of events: it has no column {', '.join(missing)}.",
            hint=f"Rename its columns; events have {', '.join(EVENT_SCHEMA.names)}.",
            columns=missing,
        )
    for name in ("occurred_at", "recorded_at"):
        if name in schema.names and getattr(schema.field(name).type, "tz", None) is None:
            raise SourceError(
                f"The column {name} of {file.name!r} has no time zone.",
                hint="Write it as a timestamp with time zone UTC; a zone is never guessed.",
                columns=[name],
            )
    return [name for name in schema.names if name not in _DERIVED]


def _batches(
    file: SourceFile, parts: Iterator[pa.RecordBatch], base: int, first: int, low: int, high: int
) -> Iterator[Batch]:
    for part in parts:
        begin, end = max(low - first, 0), min(high + 1 - first, part.num_rows)
        if begin < end:
            rows = part.slice(begin, end - begin)
            places = pa.array(range(base + first + begin, base + first + end), pa.int64())
            yield Batch.of(_numbered(file, rows, places))
        first += part.num_rows


def _numbered(file: SourceFile, rows: pa.RecordBatch, places: pa.Array) -> pa.RecordBatch:
    at = rows.schema.get_field_index("source_position")
    try:
        if at >= 0:
            return rows.set_column(at, EVENT_SCHEMA.field("source_position"), places)
        return rows.append_column(EVENT_SCHEMA.field("source_position"), places)
    except InvalidEventError as error:
        raise SourceError(f"{file.name!r} has columns that events do not have.", hint=error.hint) from error
