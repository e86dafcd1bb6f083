"""Arrow columns in the form in which DuckDB stores them."""

from __future__ import annotations

import pyarrow as pa

from eventreplay.batch import HEADERS
from eventreplay.canonical import json_text


def as_stored(rows: pa.RecordBatch, columns: dict[str, str]) -> pa.RecordBatch:
    """`rows` with each column in the type that a table's `columns` name for it."""
    names = rows.schema.names
    made = [_stored_form(column, columns[name]) for name, column in zip(names, rows.columns, strict=True)]
    return pa.RecordBatch.from_arrays(made, names=names)


def _stored_form(column: pa.Array, kind: str) -> pa.Array:
    """The column as DuckDB takes it without a cast of its own, none of which is wanted here.

    A timestamp with a zone would pass through the session's time zone, a JSON cast would parse every
    payload again, and a map would refuse repeated header names.
    """
    if kind == "TIMESTAMP":
        return column.view(pa.timestamp("us"))
    if kind == "JSON":
        text = json_text(column).fill_null("{}") if column.type == HEADERS else column
        return pa.ExtensionArray.from_storage(pa.json_(pa.string()), text)
    return column
