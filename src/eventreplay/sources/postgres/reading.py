"""Bulk reading: ranges of ids by binary COPY straight into Arrow, several at once, handed on in order.

Rows at or below the safe head never change and never gain a neighbour, so each range may have a snapshot of
its own. Memory is bounded: each reader has at most `QUEUED_MAX` batches waiting and one in the making.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
from attrs import define, field

from eventreplay.errors import SourceUnavailableError
from eventreplay.sources.postgres import drivers
from eventreplay.sources.postgres.session import bulk_connection
from eventreplay.sources.postgres.settings import PostgresSettings

QUEUED_MAX = 2
"""Batches of one range that wait for whoever consumes them."""
_LOOK_S = 0.2


@define
class _Range:
    """One range on its way: a statement, and what came of it so far."""

    statement: str
    arrived: queue.Queue[pa.RecordBatch | BaseException | None] = field(
        factory=lambda: queue.Queue(maxsize=QUEUED_MAX)
    )


class BulkReader:
    """Reads ranges with up to `readers` connections of its own; a context manager for one `read`."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def read(self, statements: Iterator[str], wrap: Callable[[str], str] = str) -> Iterator[pa.RecordBatch]:
        """Batches of all statements, in the order of the statements."""
        readers = self._settings.readers
        executor = ThreadPoolExecutor(readers, thread_name_prefix="eventreplay-postgres")
        running: deque[_Range] = deque()
        try:
            for statement in statements:
                running.append(_Range(wrap(statement)))
                executor.submit(self._fetch, running[-1])
                # One more than readers, so that none of them is idle while the first is consumed.
                if len(running) > readers:
                    yield from self._arriving(running.popleft())
            while running:
                yield from self._arriving(running.popleft())
        finally:
            self._stop.set()
            executor.shutdown(wait=True, cancel_futures=True)
            while not self._idle.empty():
                _close(self._idle.get())

    def _arriving(self, wanted: _Range) -> Iterator[pa.RecordBatch]:
        while True:
            found = wanted.arrived.get()
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            yield found

    def _fetch(self, wanted: _Range) -> None:
        connection = None
        try:
            connection = self._idle.get_nowait() if not self._idle.empty() else None
        except queue.Empty:
            connection = None
        try:
            if connection is None:
                connection = bulk_connection(self._settings)
            self._stream(connection, wanted)
        except BaseException as error:  # noqa: BLE001 - it is raised where the batches are consumed
            if connection is not None:
                _close(connection)
            self._put(wanted, error)
            return
        self._idle.put(connection)
        self._put(wanted, None)

    def _stream(self, connection: Any, wanted: _Range) -> None:
        with drivers.mapped("a bulk read"), connection.cursor() as cursor:
            cursor.adbc_statement.set_options(
                **{"adbc.postgresql.batch_size_hint_bytes": str(self._settings.batch_bytes)}
            )
            cursor.execute(wanted.statement)
            for batch in cursor.fetch_record_batch():
                if batch.num_rows and not self._put(wanted, batch):
                    raise SourceUnavailableError("The read was abandoned.")

    def _put(self, wanted: _Range, what: pa.RecordBatch | BaseException | None) -> bool:
        """Whether it was taken; False if nobody reads any more."""
        while not self._stop.is_set():
            try:
                wanted.arrived.put(what, timeout=_LOOK_S)
            except queue.Full:
                continue
            return True
        return False


def _close(connection: Any) -> None:
    try:
        connection.close()
    except (drivers.adbc().Error, OSError):
        # It was broken before; there is nothing left to release.
        return
