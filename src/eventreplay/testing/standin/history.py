"""What was run: statement by statement, with query tags, for tests to look at."""

import datetime as dt
import threading
from collections import deque
from typing import Any

import pyarrow as pa

STATEMENTS_MAX = 10_000

SCHEMA = pa.schema(
    [
        ("QUERY_ID", pa.string()),
        ("QUERY_TEXT", pa.string()),
        ("DATABASE_NAME", pa.string()),
        ("SCHEMA_NAME", pa.string()),
        ("SESSION_ID", pa.int64()),
        ("USER_NAME", pa.string()),
        ("ROLE_NAME", pa.string()),
        ("WAREHOUSE_NAME", pa.string()),
        ("QUERY_TAG", pa.string()),
        ("EXECUTION_STATUS", pa.string()),
        ("ERROR_CODE", pa.string()),
        ("START_TIME", pa.timestamp("us", "UTC")),
        ("END_TIME", pa.timestamp("us", "UTC")),
        ("REQUEST_ID", pa.string()),
    ]
)


class QueryHistory:
    """The last statements, oldest first; bounded by `STATEMENTS_MAX`."""

    def __init__(self) -> None:
        self._rows: deque[dict[str, Any]] = deque(maxlen=STATEMENTS_MAX)
        self._lock = threading.Lock()

    def add(self, row: dict[str, Any]) -> None:
        with self._lock:
            self._rows.append({**row, "END_TIME": dt.datetime.now(dt.UTC)})

    def table(self) -> pa.Table:
        with self._lock:
            return pa.Table.from_pylist(list(self._rows), schema=SCHEMA)
