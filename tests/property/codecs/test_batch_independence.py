"""A row decodes to the same thing alone, in any batch, in any piece and in any company (promise P3)."""

from __future__ import annotations

from random import Random

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from eventreplay.codecs.limits import Limits
from eventreplay.codecs.router import codec_for
from tests.property.codecs.payloads import bent, message
from tests.unit.codecs.kitchen import KITCHEN, PART, kitchen, official

ORDER = "sportscards.orders.v1.OrderPlaced"
TYPES = ("application/protobuf", "application/x-protobuf", "application/json", "text/plain", None)
JSON = (b'{"a":1.50}', b'{"a":[1,{"b":"\\u00e9"}]}', b'{"a":1,"a":2}', b"[]", b'{"a":1e3,"b":null}')
WHOLE = codec_for(kitchen())
PIECES = codec_for(kitchen(), Limits(chunk_bytes_max=64))

Row = tuple[str, str, str] | tuple[str, str]


def rows_of(events: pa.RecordBatch, codec: object = WHOLE) -> list[Row | None]:
    found = codec.decode(events)  # type: ignore[attr-defined]
    rows: list[Row | None] = [None] * events.num_rows
    good = zip(found.rows.to_pylist(), found.payload_type.to_pylist(), found.payload.to_pylist(), strict=True)
    for row, name, text in good:
        rows[row] = ("row", name, text)
    for row, code in zip(found.failed.to_pylist(), found.error_code.to_pylist(), strict=True):
        rows[row] = ("failed", code)
    return rows


def batch(random: Random, size: int) -> pa.RecordBatch:
    names, kinds, payloads = [], [], []
    for _ in range(size):
        kind = random.choice(TYPES)
        name = random.choice((KITCHEN, PART, ORDER, "no.such.Message", None))
        if kind == "application/json":
            payload = bent(random, random.choice(JSON), random.choice(JSON))
        else:
            made = message(random, official(name or PART) if name != "no.such.Message" else official(PART))
            payload = bent(random, made.SerializeToString(), b"\x0a\x01a")
        names.append(name)
        kinds.append(kind)
        payloads.append(payload if random.random() < 0.95 else None)
    columns = {"event_type": names, "content_type": kinds}
    arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return pa.record_batch({**arrays, "payload": pa.array(payloads, pa.binary())})


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_row_does_not_depend_on_its_neighbours(seed: int) -> None:
    random = Random(seed)  # noqa: S311 (a test's dice, not a secret)
    events = batch(random, 25)
    together = rows_of(events)
    assert together == rows_of(events, PIECES)
    assert together == [rows_of(events.slice(at, 1))[0] for at in range(events.num_rows)]
    order = random.sample(range(events.num_rows), events.num_rows)
    assert [together[at] for at in order] == rows_of(events.take(pa.array(order)))
