"""What became of each row of a batch, gathered from pieces in any order, handed out in row order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from eventreplay.errors import CodecError
from eventreplay.interfaces import Decoded

Rows = npt.NDArray[np.int64]


class Outcome:
    """Collects accepted texts and failures of a batch of `size` rows."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows: list[Rows] = []
        self._types: list[pa.Array] = []
        self._texts: list[pa.Array] = []
        self._failed: list[Rows] = []
        self._codes: list[pa.Array] = []
        self._messages: list[pa.Array] = []

    def accept(self, rows: Rows, payload_type: str | pa.Array, text: pa.Array) -> None:
        """Rows that decoded: their type (one for all, or a column) and their text."""
        if isinstance(payload_type, str):
            payload_type = pa.repeat(pa.scalar(payload_type, pa.string()), len(rows))
        self._rows.append(rows)
        self._types.append(payload_type)
        self._texts.append(text)

    def fail(self, rows: Rows, code: str | pa.Array, message: str | pa.Array) -> None:
        """Rows that did not: code and message, one for all or a column each."""
        self._failed.append(rows)
        for parts, value in ((self._codes, code), (self._messages, message)):
            column = pa.repeat(pa.scalar(value, pa.string()), len(rows)) if isinstance(value, str) else value
            parts.append(column)

    def fail_each(self, reasons: Mapping[int, tuple[str, str]]) -> None:
        """Code and message by row."""
        if reasons:
            codes, messages = zip(*reasons.values(), strict=True)
            rows = np.fromiter(reasons, np.int64, len(reasons))
            self.fail(rows, pa.array(codes, pa.string()), pa.array(messages, pa.string()))

    def add(self, decoded: Decoded, rows: Rows) -> None:
        """Take over what another codec made of these rows of the batch."""
        if len(decoded.rows):
            self.accept(rows[decoded.rows.to_numpy()], decoded.payload_type, decoded.payload)
        if len(decoded.failed):
            self.fail(rows[decoded.failed.to_numpy()], decoded.error_code, decoded.error_message)

    def decoded(self) -> Decoded:
        """Everything, in row order.

        Raises:
            CodecError: the texts are longer than an Arrow string column can be (2 GiB).
        """
        rows, fine = _ordered(self._rows)
        failed, bad = _ordered(self._failed)
        if len(rows) + len(failed) != self._size:
            raise CodecError(f"{self._size} rows came in, {len(rows)} decoded and {len(failed)} failed.")
        try:
            return Decoded(
                rows=rows,
                payload_type=_column(self._types, fine),
                payload=_column(self._texts, fine),
                failed=failed,
                error_code=_column(self._codes, bad),
                error_message=_column(self._messages, bad),
            )
        except pa.ArrowInvalid as error:
            raise CodecError(
                "The JSON text of one batch is longer than 2 GiB.",
                hint="Replay with a smaller batch_rows_max; the result does not depend on it.",
                rows=self._size,
            ) from error


def _ordered(parts: list[Rows]) -> tuple[pa.Array, Rows | None]:
    """Row indices ascending, and the order that makes them so (None if they already are)."""
    rows = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    if bool((np.diff(rows) > 0).all()):
        return pa.array(rows.astype(np.int32)), None
    order = np.argsort(rows, kind="stable")
    return pa.array(rows[order].astype(np.int32)), order


def _column(parts: list[pa.Array], order: Rows | None) -> pa.Array:
    whole = pa.concat_arrays(parts) if parts else pa.array([], pa.string())
    return whole if order is None else whole.take(pa.array(order))
