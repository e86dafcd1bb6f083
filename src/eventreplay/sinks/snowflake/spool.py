"""Rows of one transaction on their way to a stage: Parquet files of a bounded size in a temporary folder.

What Parquet and Snowflake could understand differently is written in the one form both read alike: moments as
whole microseconds, bytes as hexadecimal text, JSON as text. `copying` turns each back into its type.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from attrs import define, field, frozen

from eventreplay.batch import HEADERS
from eventreplay.canonical import json_text
from eventreplay.errors import SinkError

_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
FILES_MAX = 1000
"""COPY takes no more names in FILES."""
HELD_BYTES_MAX = 64 << 20
"""Bytes of Arrow columns buffered per table before they become a row group."""
_MOMENT_US_MIN, _MOMENT_US_MAX = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999: what TIMESTAMP_NTZ holds for certain."""


@frozen
class SpooledFile:
    """A finished file: its name on the stage, where it is on this machine, and its rows."""

    name: str
    path: Path
    rows: int


@define
class TableSpool:
    """The rows of one table, in order, as Parquet files `<table>-00000.parquet` and so on.

    At most one row group is buffered and one file is open; a full file goes to `full`, which uploads it, and
    is deleted here.

    Args:
        table: begins the files' names.
        folder: an existing folder of this process alone.
        moment_column: name of the column that holds `moment_us` in every row.
        full: told of each finished file.
        file_bytes_max: size at which a file is finished.
        row_group_rows_max: rows buffered.
    """

    table: str
    folder: Path
    moment_column: str
    full: Callable[[SpooledFile], None]
    file_bytes_max: int
    row_group_rows_max: int
    files: list[SpooledFile] = field(factory=list)
    rows: int = 0
    _writer: pq.ParquetWriter | None = None
    _sink: pa.NativeFile | None = None
    _held: list[pa.RecordBatch] = field(factory=list)
    _held_rows: int = 0
    _held_bytes: int = 0
    _file_rows: int = 0

    def add(self, rows: pa.RecordBatch, moment_us: int) -> None:
        """Take a checked batch; may write a row group, and hand a full file on.

        Raises:
            SinkError: the temporary folder is full, or the transaction has too many files.
        """
        for begin in range(0, rows.num_rows, self.row_group_rows_max):
            part = rows.slice(begin, self.row_group_rows_max)
            self._held.append(staged_form(part, self.moment_column, moment_us))
            self._held_rows += part.num_rows
            self._held_bytes += part.nbytes
            self.rows += part.num_rows
            if self._held_rows >= self.row_group_rows_max or self._held_bytes >= HELD_BYTES_MAX:
                self._flush()

    def finish(self) -> None:
        """Hand the last file on."""
        self._flush()
        self._finish_file()

    def abandon(self) -> None:
        """Close and delete what is open; files handed on are the stage's."""
        self._held, self._held_rows, self._held_bytes = [], 0, 0
        if self._sink is not None:
            try:
                if self._writer is not None:
                    self._writer.close()
                self._sink.close()
            except OSError:
                self._sink = None
            self._writer = self._sink = None
        self._path().unlink(missing_ok=True)

    def _path(self) -> Path:
        return self.folder / f"{self.table.lower()}-{len(self.files):05d}.parquet"

    def _flush(self) -> None:
        if not self._held:
            return
        rows = pa.Table.from_batches(self._held)
        self._held, self._held_rows, self._held_bytes = [], 0, 0
        try:
            if self._writer is None or self._sink is None:
                if len(self.files) >= FILES_MAX:
                    raise SinkError(
                        f"One transaction fills more than {FILES_MAX} files.",
                        hint="Raise file_bytes_max, or lower transaction_rows_min.",
                    )
                self._sink = pa.OSFile(str(self._path()), "wb")
                self._writer = pq.ParquetWriter(
                    self._sink, rows.schema, compression="zstd", store_schema=False
                )
            self._writer.write_table(rows, row_group_size=rows.num_rows)
            self._file_rows += rows.num_rows
            if self._sink.tell() >= self.file_bytes_max:
                self._finish_file()
        except OSError as error:
            raise SinkError(
                f"The spool of {self.table} cannot be written: {error.strerror or 'the disk refused'}.",
                hint="Free space in the temporary folder (TMPDIR); nothing of this transaction was loaded.",
            ) from error

    def _finish_file(self) -> None:
        if self._writer is None or self._sink is None:
            return
        path, rows = self._path(), self._file_rows
        self._writer.close()
        self._sink.close()
        self._writer = self._sink = None
        self._file_rows = 0
        file = SpooledFile(path.name, path, rows)
        self.files.append(file)
        self.full(file)
        path.unlink()


def staged_form(rows: pa.RecordBatch, moment_column: str, moment_us: int) -> pa.RecordBatch:
    """A batch of RAW or of the quarantine as it stands in the staged files."""
    if "error_message" in rows.schema.names:
        rows = _in_range(rows)
    names, columns = list(rows.schema.names), [_staged(column) for column in rows.columns]
    moment = pa.repeat(pa.scalar(moment_us, pa.int64()), rows.num_rows)
    return pa.RecordBatch.from_arrays([*columns, moment], names=[*names, moment_column])


def _staged(column: pa.Array) -> pa.Array:
    if column.type == HEADERS:
        return json_text(column).fill_null("{}")
    if pa.types.is_timestamp(column.type):
        return column.view(pa.int64())
    if pa.types.is_binary(column.type) or pa.types.is_fixed_size_binary(column.type):
        return hex_text(column)
    return column


def _in_range(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Quarantined moments outside the years 1 to 9999 as null, with the microseconds in the error's message.

    Such a moment may be the very reason of the quarantine; it must not stop the load, nor get lost.
    """
    for name in ("occurred_at", "recorded_at"):
        micros = rows.column(name).view(pa.int64())
        outside = pc.or_(pc.less(micros, _MOMENT_US_MIN), pc.greater(micros, _MOMENT_US_MAX))
        outside = outside.fill_null(pa.scalar(value=False))
        if not outside.true_count:
            continue
        noted = pc.binary_join_element_wise(
            rows.column("error_message"), f" {name} is ", micros.cast(pa.string()), " microseconds.", ""
        )
        message = pc.if_else(outside, noted, rows.column("error_message"))
        kept = pc.if_else(outside, pa.scalar(None, pa.int64()), micros).view(rows.column(name).type)
        for changed, column in (("error_message", message), (name, kept)):
            at = rows.schema.get_field_index(changed)
            rows = rows.set_column(at, changed, column)
    return rows


def hex_text(column: pa.Array) -> pa.Array:
    """Lower-case hexadecimal text of each value; null stays null."""
    values = column.cast(pa.large_binary())
    offsets = values.buffers()[1]
    begins = np.frombuffer(offsets, dtype=np.int64)[values.offset : values.offset + len(values) + 1]
    data = values.buffers()[2]
    held = np.frombuffer(b"" if data is None else data, dtype=np.uint8)[begins[0] : begins[-1]]
    text = np.empty(2 * len(held), dtype=np.uint8)
    text[0::2], text[1::2] = _HEX[held >> 4], _HEX[held & 15]
    made = pa.Array.from_buffers(
        pa.large_string(), len(values), [None, pa.py_buffer(2 * (begins - begins[0])), pa.py_buffer(text)]
    ).cast(pa.string())
    return (
        made if not values.null_count else pc.if_else(values.is_valid(), made, pa.scalar(None, pa.string()))
    )
