"""The column hashes against hashlib, row by row."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from eventreplay import hashing
from eventreplay.errors import InvalidEventError
from eventreplay.hashing import event_hash, hash_sum, payload_sha256


def reference_hash(event_id: str, payload: bytes) -> int:
    digest = hashlib.sha256(event_id.encode() + hashlib.sha256(payload).digest()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def test_one_known_value() -> None:
    # Computed by hand with sha256sum: a change of the definition would break every log there is.
    digest = payload_sha256(pa.array([b"abc"], pa.binary()))
    assert digest.type == pa.binary(32)
    assert digest[0].as_py().hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert event_hash(pa.array(["id-1"]), digest)[0].as_py() == reference_hash("id-1", b"abc")


@pytest.mark.parametrize("rows", [0, 1, 2, 8191, 8192, 8193, 40_000])
def test_order_is_kept_across_the_engine_s_batches(rows: int) -> None:
    payloads = [row.to_bytes(4, "big") * (row % 7) for row in range(rows)]
    ids = [f"id-{row}-é" for row in range(rows)]
    digests = payload_sha256(pa.array(payloads, pa.binary()))
    assert digests.to_pylist() == [hashlib.sha256(payload).digest() for payload in payloads]
    hashes = event_hash(pa.array(ids, pa.string()), digests)
    assert hashes.type == pa.int64()
    assert hashes.to_pylist() == [reference_hash(*pair) for pair in zip(ids, payloads, strict=True)]


def test_slices_hash_like_copies() -> None:
    payloads = pa.array([bytes([row]) * row for row in range(100)], pa.binary())
    ids = pa.array([str(row) for row in range(100)])
    digests = payload_sha256(payloads)
    assert payload_sha256(payloads.slice(13, 50)).equals(digests.slice(13, 50))
    assert event_hash(ids.slice(13, 50), digests.slice(13, 50)).equals(event_hash(ids, digests).slice(13, 50))


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = pa.array([str(row) for row in range(1000)])
    digests = payload_sha256(ids.cast(pa.binary()))
    whole = event_hash(ids, digests)
    monkeypatch.setattr(hashing, "_BLOCK_ROWS_MAX", 7)
    assert event_hash(ids, digests).equals(whole)


def test_null_is_refused_and_empty_is_hashed() -> None:
    with pytest.raises(InvalidEventError) as caught:
        payload_sha256(pa.array([b"a", None], pa.binary()))
    assert caught.value.fields["null_count"] == 1
    digest = payload_sha256(pa.array([b""], pa.binary()))
    assert digest[0].as_py() == hashlib.sha256(b"").digest()
    with pytest.raises(InvalidEventError):
        event_hash(pa.array([None], pa.string()), digest)
    with pytest.raises(InvalidEventError):
        event_hash(pa.array(["a", "b"]), digest)


def test_sum_is_exact_where_64_bits_wrap() -> None:
    extremes = [2**63 - 1, -(2**63), -1, 0, 1, 2**32, -(2**32)]
    values = extremes * 5000 + [2**63 - 1] * 70_000
    column = pa.chunked_array([pa.array(values[:10]), pa.array([], pa.int64()), pa.array(values[10:])])
    assert hash_sum(column) == sum(values)
    assert hash_sum(pa.array(values)) == sum(values)
    assert hash_sum(pa.array([-(2**63)] * 3)) == -3 * 2**63
    assert hash_sum(pa.array([], pa.int64())) == 0


def test_sum_of_a_slice() -> None:
    values = np.arange(-50, 50, dtype=np.int64)
    assert hash_sum(pa.array(values).slice(10, 5)) == int(values[10:15].sum())


def test_memory_does_not_grow_with_use() -> None:
    """Tables handed to a shared engine context stay registered; 1.2 GB here, if ours did."""
    code = (
        "import resource, pyarrow as pa\n"
        "from eventreplay.hashing import payload_sha256\n"
        "column = pa.array([bytes(1000)] * 10_000, pa.binary())\n"
        "payload_sha256(column)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for _ in range(60): payload_sha256(pa.concat_arrays([column, column.slice(1)]))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    grown_kib = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
    assert grown_kib < 400_000
