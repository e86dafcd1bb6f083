"""Adopting a codec: only if every accepted row is what it gives; then loads and comparisons go on by it."""

from __future__ import annotations

import pytest

from eventreplay.capabilities.quarantine import Selection
from eventreplay.errors import CheckpointConflictError, CodecChangedError, ConfigError
from eventreplay.event import Checkpoint
from eventreplay.log import Log
from eventreplay.redrive import dismiss, redrive
from eventreplay.redrive import redriving as verb
from eventreplay.replay import replay
from eventreplay.testing import MemorySink, MemoryWarehouse
from eventreplay.verify import verify
from tests.hex_codec import FixedCodec
from tests.unit.quarantined import NEW, OLD, decode_rows, fresh, grow, loaded, rows


def test_after_adopting_loads_go_on_by_todays_codec_and_all_is_equal() -> None:
    log = fresh()
    warehouse, due = loaded(log), loaded(log, NEW)
    sink = MemorySink(warehouse)
    plain = redrive(log, sink, NEW)
    assert plain.mixed == ["journal", "other"]
    with pytest.raises(CodecChangedError):
        replay(log, sink, NEW)
    receipt = redrive(log, sink, NEW, adopt=True)
    assert (receipt.adopted, receipt.mixed, receipt.moved) == (["journal", "other"], [], 0)
    assert receipt.restated == len(decode_rows(due))
    assert rows(warehouse.quarantine) == rows(due.quarantine)
    assert warehouse.checkpoints == due.checkpoints
    assert verify(log, sink, codec=NEW).ok
    grow(log, 200)
    assert replay(log, sink, NEW).read > 0
    assert redrive(log, sink, NEW, adopt=True).adopted == []


def test_a_codec_that_makes_something_else_of_accepted_rows_is_not_adopted() -> None:
    log = fresh()
    warehouse = loaded(log)
    before = [*warehouse.events], [*warehouse.quarantine], {**warehouse.checkpoints}
    other = FixedCodec("hex-3", suffix=',"more":"1"')
    with pytest.raises(CodecChangedError, match="offsets 0 \\(payload\\)") as caught:
        redrive(log, MemorySink(warehouse), other, adopt=True)
    assert "Nothing was moved" in caught.value.message
    strict = FixedCodec("hex-4", still=b"5")
    with pytest.raises(CodecChangedError, match="table"):
        redrive(log, MemorySink(warehouse), strict, adopt=True)
    assert (warehouse.events, warehouse.quarantine, warehouse.checkpoints) == before


def test_a_dismissed_record_that_would_pass_keeps_a_codec_from_being_adopted() -> None:
    log = fresh()
    warehouse = loaded(log)
    sink = MemorySink(warehouse)
    dismiss(sink, Selection(codes=("refused",), last_offset=20), "of no use")
    before = [*warehouse.events]
    with pytest.raises(CodecChangedError, match="dismissed records"):
        redrive(log, sink, NEW, adopt=True)
    assert warehouse.events == before
    with pytest.raises(ConfigError, match="whole partitions"):
        redrive(log, sink, NEW, adopt=True, selection=Selection(codes=("refused",)))


class Loaded(MemorySink):
    """A load by the old codec brings something just before a checkpoint is adopted, `times` times."""

    def __init__(self, warehouse: MemoryWarehouse, log: Log, times: int) -> None:
        super().__init__(warehouse)
        self.log, self.left, self.count = log, times, 160

    def commit(self, checkpoint: Checkpoint, *, expected: Checkpoint | None) -> None:
        if self.left and checkpoint.source == "journal":
            self.left -= 1
            self.count += 40
            grow(self.log, self.count)
            replay(self.log, MemorySink(self.warehouse), OLD)
        super().commit(checkpoint, expected=expected)


def test_what_a_load_brings_while_a_codec_is_adopted_is_compared_and_moved_too() -> None:
    log = fresh()
    warehouse = loaded(log)
    receipt = redrive(log, Loaded(warehouse, log, 2), NEW, adopt=True)
    assert receipt.adopted == ["journal", "other"]
    model = loaded(log, NEW)
    assert rows(warehouse.events) == rows(model.events)
    assert warehouse.checkpoints == model.checkpoints
    assert verify(log, MemorySink(warehouse), codec=NEW).ok


def test_a_load_that_never_stops_keeps_a_codec_from_being_adopted() -> None:
    log = fresh()
    warehouse = loaded(log)
    with pytest.raises(CheckpointConflictError, match="all the time"):
        redrive(log, Loaded(warehouse, log, verb.MOVES_MAX), NEW, adopt=True)
    assert warehouse.checkpoints["live/journal"].fingerprint == OLD.fingerprint
