"""A look for late arrivals costs what there is to look for, not what the table holds."""

from __future__ import annotations

import time
from contextlib import closing

import numpy as np
import pyarrow as pa

from eventreplay.interfaces import Gaps
from tests.integration.postgres.journals import execute, fill, make_table, open_source

ROWS = 60_000
FLUSHED_S_MAX = 20
READ = (
    "SELECT (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'events'),"
    " (SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'events_pkey'),"
    " (SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'events_pkey')"
)


def test_no_row_is_read_that_does_not_lie_in_a_gap(postgres_url: str) -> None:
    make_table(postgres_url)
    fill(postgres_url, ROWS)
    # Holes all over a table of which the server has no statistics, as one has that has just been filled.
    execute(postgres_url, "DELETE FROM events WHERE id % 6 = 0 AND id <> 30000")
    execute(postgres_url, "VACUUM events", "SELECT pg_stat_reset()")
    ids = pa.array(np.arange(6, ROWS + 1, 6))
    gaps = Gaps(after=-1, upto=ROWS, first=ids, last=ids, evidence={})
    with closing(open_source(postgres_url)) as source:
        assert source.late([gaps]) == [30_000]
    until = time.monotonic() + FLUSHED_S_MAX
    while True:
        # What a session has read is counted when it ends.
        scanned, scans, read = execute(postgres_url, READ)[0]
        if scans >= len(ids):
            break
        assert time.monotonic() < until, f"{scans} scans of the index for {len(ids)} gaps"
    assert scanned + read < ROWS / 6
