"""The codec accepts what the official parser accepts, reads the same values, and quarantines all the rest."""

from __future__ import annotations

from random import Random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventreplay.codecs.protobuf import ProtobufCodec
from tests.property.codecs.model import expected, same
from tests.property.codecs.payloads import bent, message
from tests.unit.codecs.kitchen import EITHER, KITCHEN, PART, PLAIN, kitchen, official

ORDER = "sportscards.orders.v2.OrderPlaced"
PAID = "sportscards.orders.v1.OrderPaid"
CODEC = ProtobufCodec(kitchen())


def decoded(
    codec: ProtobufCodec, type_name: str, payloads: list[bytes]
) -> list[tuple[str | None, str | None]]:
    events = pa.record_batch(
        {"event_type": pa.array([type_name] * len(payloads)), "payload": pa.array(payloads, pa.binary())}
    )
    found = codec.decode(events)
    texts: list[tuple[str | None, str | None]] = [(None, None)] * len(payloads)
    for row, text in zip(found.rows.to_pylist(), found.payload.to_pylist(), strict=True):
        texts[row] = (text, None)
    for row, code in zip(found.failed.to_pylist(), found.error_code.to_pylist(), strict=True):
        texts[row] = (None, code)
    return texts


@pytest.mark.parametrize("type_name", [KITCHEN, PART, PLAIN, EITHER, ORDER, PAID])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), mess=st.booleans())
def test_same_values_or_quarantined(type_name: str, seed: int, *, mess: bool) -> None:
    of, random = official(type_name), Random(seed)  # noqa: S311 (a test's dice, not a secret)
    payloads = [message(random, of, clean=not mess).SerializeToString() for _ in range(30)]
    if mess:
        payloads = [bent(random, payload, random.choice(payloads)) for payload in payloads]
    found = decoded(CODEC, type_name, payloads)
    for payload, (text, code) in zip(payloads, found, strict=True):
        model, broken = expected(of, payload)
        # Too deep is a better word for one of the reasons why the parser refuses.
        assert {"payload_too_deep": "protobuf_malformed"}.get(code or "", code) == broken, payload
        assert text is None or (model is not None and same(model, text)), (payload, model, text)
