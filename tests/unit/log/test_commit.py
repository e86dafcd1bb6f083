"""Commits and claims: exact bytes, and nothing but those bytes is accepted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
from attrs import evolve

from eventreplay.errors import CorruptLogError
from eventreplay.event import Checkpoint
from eventreplay.log import layout
from eventreplay.log.commit import (
    Claim,
    Commit,
    SegmentRef,
    claim_bytes,
    commit_bytes,
    parse_slot,
)
from eventreplay.log.sealing import SEALED_BYTES_MAX

SHA = "ab" * 32
KEY = layout.commit_key("journal", 2)


def ref(kind: str = layout.EVENTS) -> SegmentRef:
    return SegmentRef(
        key=layout.segment_key(kind, "journal", 3, SHA),
        rows=4,
        bytes=1234,
        sha256=SHA,
        first_offset=3,
        first_position=0,
        last_position=9,
        event_count=4 if kind == layout.EVENTS else 0,
        event_hash_sum=-(2**70) if kind == layout.EVENTS else 0,
    )


def commit() -> Commit:
    return Commit(
        partition="journal",
        number=2,
        previous=layout.GENESIS,
        segments=(ref(),),
        quarantine=(ref(layout.QUARANTINE),),
        checkpoint=Checkpoint(source="jürnal", epoch="e", position=0, digest="d"),
        next_offset=7,
        next_quarantine_offset=7,
        segment_positions=10,
    )


def test_the_exact_bytes() -> None:
    body = (
        '{"checkpoint":{"digest":"d","epoch":"e","position":0,"source":"j\\u00fcrnal"},"next_offset":7,'
        '"next_quarantine_offset":7,"number":2,"partition":"journal","previous":"' + "0" * 64 + '",'
        '"quarantine":[{"bytes":1234,"event_count":0,"event_hash_sum":"0","first_offset":3,"first_position":0,'
        '"key":"quarantine/log_partition=journal/segment-00000000000000000003-abababababababab.parquet",'
        '"last_position":9,"rows":4,"sha256":"' + SHA + '"}],"segment_positions":10,'
        '"segments":[{"bytes":1234,"event_count":4,"event_hash_sum":"-1180591620717411303424","first_offset":3,'
        '"first_position":0,"key":"events/log_partition=journal/segment-00000000000000000003-abababababababab'
        '.parquet","last_position":9,"rows":4,"sha256":"' + SHA + '"}],"version":1}'
    )
    seal = hashlib.sha256(body.encode()).hexdigest()
    assert commit_bytes(commit()) == f'{{"commit":{body},"sha256":"{seal}"}}'.encode()


def test_a_commit_comes_back_with_its_hash() -> None:
    data = commit_bytes(commit())
    found = parse_slot(KEY, data)
    assert found == commit()
    assert isinstance(found, Commit)
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.first_offset == 3
    assert found.refs(layout.QUARANTINE) == (ref(layout.QUARANTINE),)


def test_a_claim_comes_back() -> None:
    claim = Claim(partition="journal", number=2, token="t")  # noqa: S106
    assert parse_slot(KEY, claim_bytes(claim)) == claim


def sealed(what: str, body: object) -> bytes:
    def text(value: object) -> str:
        return json.dumps(value, sort_keys=True, separators=(",", ":"))

    return text({what: body, "sha256": hashlib.sha256(text(body).encode()).hexdigest()}).encode()


def changed(change: Callable[[dict[str, object]], object]) -> bytes:
    body = json.loads(commit_bytes(commit()))["commit"]
    change(body)
    return sealed("commit", body)


def in_segment(**fields: object) -> Callable[[dict[str, object]], object]:
    return lambda body: body["segments"][0].update(fields)  # type: ignore[index]


def test_a_forger_who_seals_is_accepted_where_he_changes_nothing() -> None:
    """The cases below fail for what they change, not because they were built wrongly."""
    assert parse_slot(KEY, changed(lambda _: None)) == commit()


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.update(version=2),
        lambda body: body.update(version=True),
        lambda body: body.update(number=2.0),
        lambda body: body.update(number=-1),
        lambda body: body.update(number=2**63),
        lambda body: body.update(number="2"),
        lambda body: body.update(partition="../x"),
        lambda body: body.update(partition="a..b"),
        lambda body: body.update(previous="AB" * 32),
        lambda body: body.update(previous=SHA[1:]),
        lambda body: body.update(extra=1),
        lambda body: body.pop("segments"),
        lambda body: body.pop("segment_positions"),
        lambda body: body.update(segments={}),
        lambda body: body.update(segments=[1]),
        lambda body: body.update(checkpoint=None),
        lambda body: body["checkpoint"].update(position=None),
        lambda body: body["checkpoint"].update(token="t"),  # noqa: S106
        in_segment(key="events/log_partition=journal/../../../etc/passwd"),
        in_segment(key="/etc/passwd"),
        in_segment(key=layout.segment_key(layout.EVENTS, "other", 3, SHA)),
        in_segment(key=layout.segment_key(layout.QUARANTINE, "journal", 3, SHA)),
        in_segment(first_offset=4),
        in_segment(sha256="cd" * 32),
        in_segment(rows=0, event_count=0),
        in_segment(event_count=3),
        in_segment(event_hash_sum=5),
        in_segment(event_hash_sum="05"),
        in_segment(event_hash_sum="-0"),
        in_segment(event_hash_sum="1_0"),
        in_segment(event_hash_sum="\u0661"),
        in_segment(event_hash_sum="9" * 61),
        in_segment(first_position="0"),
    ],
)
def test_a_sealed_commit_of_another_form_is_refused(change: Callable[[dict[str, object]], object]) -> None:
    with pytest.raises(CorruptLogError) as caught:
        parse_slot(KEY, changed(change))
    assert caught.value.fields["key"] == KEY


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b"1" * 5000,
        b'{"commit":{},"sha256":"x"}',
        commit_bytes(commit()) + b"\n",
        commit_bytes(commit())[:-1],
        commit_bytes(commit()).replace(b",", b", ", 1),
        commit_bytes(commit()).replace(b'"version":1', b'"version":1,"version":1'),
        commit_bytes(commit()).replace(b'"number":2', b'"number":NaN'),
        sealed("claim", {"partition": "journal", "number": 1}),
        sealed("claim", {"partition": "journal", "number": 1, "token": "t", "more": 1}),
        sealed("other", {}),
        b" " * (SEALED_BYTES_MAX + 1),
    ],
)
def test_what_is_not_a_slot_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptLogError):
        parse_slot(KEY, data)


@pytest.mark.parametrize(
    "data",
    [commit_bytes(commit()), claim_bytes(Claim(partition="p", number=1, token="t"))],  # noqa: S106
)
def test_every_changed_byte_is_found(data: bytes) -> None:
    for at in range(len(data)):
        for flip in (1, 0x20, 0x80):
            damaged = bytearray(data)
            damaged[at] ^= flip
            with pytest.raises(CorruptLogError):
                parse_slot(KEY, bytes(damaged))


def test_the_hash_is_no_part_of_the_bytes() -> None:
    assert commit_bytes(evolve(commit(), sha256="x")) == commit_bytes(commit())
