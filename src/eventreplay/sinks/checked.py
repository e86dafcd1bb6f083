"""What a batch must be before a sink takes it; what is refused here was not written anywhere."""

from __future__ import annotations

import pyarrow as pa

from eventreplay.batch import conform
from eventreplay.errors import InvalidEventError


def checked(rows: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """`rows` in `schema`, with the nulls and the UTF-8 checked that neither Arrow nor a warehouse looks at.

    Raises:
        InvalidEventError: columns, nulls or text encoding do not fit.
    """
    rows = conform(rows, schema)
    for field in schema:
        if not field.nullable and rows.column(field.name).null_count:
            raise InvalidEventError(
                f"Column {field.name} has nulls, but every row needs it.",
                hint="Nothing of this batch was written; the codec or the verb left it out.",
                column=field.name,
            )
    try:
        rows.validate(full=True)
    except pa.ArrowInvalid:
        # Arrow's message quotes the value, which is data: it must not reach a log.
        raise InvalidEventError(
            "A batch for the sink is malformed (text that is not UTF-8, or broken offsets).",
            hint="Nothing of this batch was written; the codec must quarantine such rows.",
        ) from None
    return rows
