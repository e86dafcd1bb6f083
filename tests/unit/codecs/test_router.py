from __future__ import annotations

import decimal
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from eventreplay.codecs.limits import Limits
from eventreplay.codecs.router import codec_for
from eventreplay.demo.schemas import load
from tests.unit.codecs.events import JSON, PROTOBUF, events, outcome
from tests.unit.codecs.kitchen import official

RETIRED = "sportscards.catalog.v1.CardRetired"
CODEC = codec_for(load())


def test_rows_are_routed_and_come_back_in_order() -> None:
    rows = [
        (RETIRED, PROTOBUF, b"\x0a\x01a"),
        ("page", JSON, b'{"a": 1}'),
        (RETIRED, "text/plain", b"x"),
        (RETIRED, "application/x-protobuf; messageType=x", b"\x0a\x01b"),
        ("page", "application/cloudevents+JSON", b'{"b":2}'),
        (RETIRED, None, b""),
        ("page", "Text/JSON", b"!"),
        (None, PROTOBUF, b""),
        (RETIRED, PROTOBUF, b"\xff"),
    ]
    sku = '{{"sku":"{}","reason":"","retired_at":null}}'
    assert outcome(CODEC, events(*rows)) == [
        sku.format("a"),
        '{"a":1}',
        "!unsupported_content_type",
        sku.format("b"),
        '{"b":2}',
        "!unsupported_content_type",
        "!json_malformed",
        "!unknown_type",
        "!protobuf_malformed",
    ]
    found = CODEC.decode(events(*rows))
    assert found.rows.to_pylist() == [0, 1, 3, 4]
    assert found.payload_type.to_pylist() == [RETIRED, "page", RETIRED, "page"]


@pytest.mark.parametrize(
    "kinds", [(), (PROTOBUF,), (JSON,), ("x",), (None,), ("application/json+xml", "+json")]
)
def test_batches_of_any_mixture(kinds: tuple[str | None, ...]) -> None:
    found = CODEC.decode(events(*((RETIRED, kind, b"{") for kind in kinds)))
    assert len(found.rows) == 0
    assert len(found.failed) == len(kinds)


def test_pickled_and_fingerprinted() -> None:
    assert pickle.loads(pickle.dumps(CODEC)).fingerprint == CODEC.fingerprint  # noqa: S301
    assert codec_for(load(), Limits(elements_max=5)).fingerprint != CODEC.fingerprint


SCRIPT = """
import decimal, sys
decimal.getcontext().prec = int(sys.argv[1])
from eventreplay.codecs.router import codec_for
from eventreplay.demo.schemas import load
from tests.unit.codecs.test_router import sample
codec = codec_for(load())
found = codec.decode(sample())
print(codec.fingerprint, found.payload.to_pylist())
print(found.error_code.to_pylist(), found.error_message.to_pylist())
"""


def sample() -> pa.RecordBatch:
    order = official("sportscards.orders.v2.OrderPlaced")(order_id="O")
    order.insured_value.value = "12345678901234567890.123456789012345678"
    order.shipping_fee.units, order.shipping_fee.nanos = 999_999_999_999_999, 999_900_000
    bad = official("sportscards.orders.v2.OrderPlaced")()
    bad.insured_value.value = "1e-19"
    name = "sportscards.orders.v2.OrderPlaced"
    number = b'{"z":1.12345678901234567890123456789012345,"a":1e30}'
    rows = [(name, PROTOBUF, each.SerializeToString()) for each in (order, bad)]
    return events(*rows, ("page", JSON, number), ("page", "x", b""))


def test_the_same_under_any_context_hash_seed_zone_and_locale() -> None:
    said = set()
    for seed, precision, zone, locale in (
        ("0", "6", "UTC", "C"),
        ("4711", "28", "Asia/Kathmandu", "C.UTF-8"),
    ):
        found = subprocess.run(
            [sys.executable, "-c", SCRIPT, precision],
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "TZ": zone,
                "LC_ALL": locale,
                "PYTHONIOENCODING": "utf-8",
            },
            cwd=Path(__file__).parents[3],
            capture_output=True,
            check=True,
        )
        said.add(found.stdout)
    assert len(said) == 1
    assert b"12345678901234567890.123456789012345678" in said.pop()


def test_a_narrow_decimal_context_changes_nothing() -> None:
    with decimal.localcontext() as context:
        context.prec = 6
        inside = outcome(CODEC, sample())
    assert inside == outcome(CODEC, sample())
    assert '"insured_value":"12345678901234567890.123456789012345678"' in inside[0]
