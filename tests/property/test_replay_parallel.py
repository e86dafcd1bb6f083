"""Decoding in a thread or in processes, in batches of any size: the same rows, in the same order (promise
P3).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from eventreplay.capture import CaptureOptions, capture
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.testing import MemorySink, MemorySource, MemoryWarehouse
from tests.hex_codec import HexCodec
from tests.records import Kind, Record

KINDS: tuple[Kind, ...] = ("event", "event", "nameless", "event", "refused", "event")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    log = Log.open(tmp_path_factory.mktemp("parallel") / "log")
    for partition, count in (("catalog", 5), ("journal", 120)):
        made = [
            Record(KINDS[n % len(KINDS)], n, b"!" * (n % 7 == 0) + b"%d" % n).item() for n in range(count)
        ]
        capture(MemorySource(made), log, partition, options=CaptureOptions(segment_positions=16))
    return log


@pytest.fixture(scope="module")
def expected(log: Log) -> MemoryWarehouse:
    warehouse = MemoryWarehouse()
    replay(log, MemorySink(warehouse), HexCodec())
    assert len(warehouse.events) > 50
    assert {row["stage"] for row in warehouse.quarantine} == {"capture", "decode"}
    return warehouse


@pytest.mark.parametrize(
    ("workers", "rows", "transaction"),
    [(1, 1, 1), (1, 7, 20), (2, 5, 33), (3, 65_536, 1), (1, 65_536, 1_000_000), (2, 16, 64)],
)
def test_neither_workers_nor_batches_nor_transactions_show_in_the_rows(
    log: Log, expected: MemoryWarehouse, workers: int, rows: int, transaction: int
) -> None:
    warehouse = MemoryWarehouse()
    receipt = replay(
        log,
        MemorySink(warehouse),
        HexCodec(),
        workers=workers,
        batch_rows_max=rows,
        transaction_rows_min=transaction,
    )
    assert warehouse.events == expected.events
    assert warehouse.quarantine == expected.quarantine
    assert warehouse.checkpoints == expected.checkpoints
    assert receipt.read == len(warehouse.events) + len(warehouse.quarantine)


def test_workers_leave_no_files_behind(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    replay(log, MemorySink(), HexCodec(), workers=2)
    assert list(tmp_path.iterdir()) == []
