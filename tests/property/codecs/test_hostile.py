"""A hundred thousand random and bent payloads: none crashes, all are rows or failures, in bounded memory."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pyarrow as pa

from eventreplay.codecs.router import codec_for
from tests.property.codecs.payloads import bent, message
from tests.unit.codecs.events import JSON, PROTOBUF
from tests.unit.codecs.kitchen import PART, kitchen, official

TYPES = (
    PART,
    "sportscards.orders.v2.OrderPlaced",
    "sportscards.orders.v1.OrderPlaced",
    "sportscards.orders.v1.OrderPaid",
    "sportscards.catalog.v1.CardReleased",
)
TEXTS = (
    b'{"a":1,"b":[1.5,{"c":"x"}],"d":null}',
    b'{"a":1e5}',
    b'{"\xc3\xa9":"\\u00e9"}',
    b"[]",
    b'{"a":NaN}',
)
ROWS, BATCH_ROWS = 100_000, 10_000
GROWTH_BYTES_MAX = 256 << 20


def hostile(random: Random) -> pa.RecordBatch:
    made = {
        name: [message(random, official(name), clean=False).SerializeToString() for _ in range(100)]
        for name in TYPES
    }
    names, kinds, payloads = [], [], []
    for at in range(BATCH_ROWS):
        name = TYPES[at % len(TYPES)]
        text = at % 10 == 7
        pool = TEXTS if text else made[name]
        names.append(name)
        kinds.append(JSON if text else PROTOBUF)
        payloads.append(bent(random, random.choice(pool), random.choice(pool)))
    return pa.record_batch(
        {"event_type": names, "content_type": kinds, "payload": pa.array(payloads, pa.binary())}
    )


def test_none_crashes_and_all_are_accounted_for() -> None:
    codec, random = codec_for(kitchen()), Random(4711)  # noqa: S311 (a test's dice)
    codes: Counter[str] = Counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(ROWS // BATCH_ROWS):
        found = codec.decode(hostile(random))
        assert sorted(found.rows.to_pylist() + found.failed.to_pylist()) == list(range(BATCH_ROWS))
        codes.update(found.error_code.to_pylist())
        codes["accepted"] += len(found.rows)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < GROWTH_BYTES_MAX
    assert codes.total() == ROWS
    assert {"accepted", "protobuf_malformed", "json_malformed", "timestamp_out_of_range"} <= set(codes)
    assert codes["accepted"] > ROWS // 10


BOMB = """
import resource
from eventreplay.codecs.router import codec_for
from tests.property.codecs.test_hostile import ALLOWED, BOMBS
from tests.unit.codecs.events import JSON, PROTOBUF, of_type
from tests.unit.codecs.kitchen import KITCHEN, kitchen

codec = codec_for(kitchen())
for kind in (PROTOBUF, JSON):
    codec.decode(of_type(KITCHEN, [b"", b"x"], kind))
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + ALLOWED
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, (payload, kind, _) in BOMBS.items():
    codes = codec.decode(of_type(KITCHEN, [eval(payload)], kind)).error_code.to_pylist()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(name, *codes, grown < ALLOWED, sep=": ")
"""
SIZE = 10 << 20
ALLOWED = 10 * SIZE + (64 << 20)
BOMBS = {
    "groups": (f"b'\\xa3\\x38' * {SIZE // 2}", PROTOBUF, "payload_too_deep"),
    "nested messages": (f"b'\\x9a\\x01\\xff\\xff\\x7f' * {SIZE // 5}", PROTOBUF, "protobuf_malformed"),
    "empty items": (f"b'\\x9a\\x01\\x00' * {SIZE // 3}", PROTOBUF, "payload_too_many_elements"),
    "packed": (
        f"b'\\xfa\\x03\\x80\\x80\\x80\\x05' + b'\\x01' * {SIZE}",
        PROTOBUF,
        "payload_too_many_elements",
    ),
    "a huge length": (f"b'\\x4a\\xff\\xff\\xff\\xff\\x07' + b'x' * {SIZE}", PROTOBUF, "protobuf_malformed"),
    "noise": (f"__import__('random').Random(1).randbytes({SIZE})", PROTOBUF, "protobuf_malformed"),
    "brackets": (f"b'[' * {SIZE}", JSON, "payload_too_deep"),
    "objects": (f"b'{{\"a\":' * {SIZE // 5}", JSON, "payload_too_deep"),
    "numbers": (f"b'{{\"a\":[' + b'1,' * {SIZE // 2}", JSON, "payload_too_many_elements"),
    "commas": (f"b'{{\"a\":[' + b',' * {SIZE}", JSON, "payload_too_many_elements"),
    "digits": (f"b'{{\"a\":' + b'1' * {SIZE} + b'}}'", JSON, "json_number_out_of_range"),
    "quotes": (f"b'{{\"a\":' + b'\"\\\\\"' * {SIZE // 3}", JSON, "json_malformed"),
    "quotes after brackets": (
        f"b'{{\"a\":' + b'[],' * 70 + b'\"\\\\\"' * {SIZE // 3}",
        JSON,
        "payload_too_many_elements",
    ),
}


def test_bombs_cost_less_than_ten_times_their_size() -> None:
    """In one process, under an address-space limit of ten times the payload and 64 MB."""
    found = subprocess.run(
        [sys.executable, "-c", BOMB],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-2000:]
    assert found.stdout.splitlines() == [f"{name}: {code}: True" for name, (_, _, code) in BOMBS.items()]
