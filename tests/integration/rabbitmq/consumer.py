"""A consumer that is killed: takes a small queue into a folder, commit by commit, and ends when it has all.

    consumer.py carefully|carelessly FOLDER ROWS    (the broker's URL in the variable BROKER)

`carelessly` acknowledges what it receives at once: the bug that a sweep has to find.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from eventreplay.interfaces import Delivery
from eventreplay.log import Log
from eventreplay.queue_capture import QueueOptions, capture_queue
from eventreplay.secret import Secret
from eventreplay.sources.rabbitmq import RabbitSettings, RabbitSource

PREFETCH = 16
"""Half of it makes a commit, see `unsettled_rows_max`."""

WHOLE_S_MAX = 20.0


class Careful(RabbitSource):
    """Counts what it hands out."""

    received = 0

    def receive(self, timeout_s: float) -> Delivery | None:
        delivery = super().receive(timeout_s)
        self.received += 0 if delivery is None else delivery.batch.rows
        return delivery


class Careless(Careful):
    """Settles before anything is committed."""

    def receive(self, timeout_s: float) -> Delivery | None:
        delivery = super().receive(timeout_s)
        if delivery is not None:
            self.settle(delivery)
        return delivery


def main(how: str, folder: str, rows: str) -> None:
    settings = RabbitSettings(
        url=Secret(os.environ["BROKER"]),
        queue="events",
        prefetch=PREFETCH,
        delivery_rows_max=PREFETCH // 2,
        # Whole batches only, however slow the machine: each run has to make the same calls.
        linger_s=WHOLE_S_MAX,
    )
    source = (Careless if how == "carelessly" else Careful)(settings)
    try:
        receipt = capture_queue(
            source,
            Log.open(Path(folder)),
            "live-0",
            clock=time.monotonic,
            options=QueueOptions(
                age_max_s=60.0, idle_end_s=None, run_max_s=60.0, receive_timeout_s=WHOLE_S_MAX
            ),
            stop=lambda: source.received >= int(rows),
        )
    finally:
        source.close()
    if receipt.received < int(rows):
        sys.exit(f"{receipt.received} of {rows} rows have come.")


if __name__ == "__main__":
    main(*sys.argv[1:])
