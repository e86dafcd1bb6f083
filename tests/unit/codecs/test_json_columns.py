from __future__ import annotations

import json

import pytest

from eventreplay.codecs.json import JsonCodec, Strict
from eventreplay.codecs.json_columns import _PIECE_BYTES_MAX
from tests.unit.codecs.events import JSON, events, of_type, outcome


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes | None]:
    """The payloads that went to the parser."""
    calls: list[bytes | None] = []
    canonical = Strict.canonical

    def counted(strict: Strict, payload: bytes | None) -> str:
        calls.append(payload)
        return canonical(strict, payload)

    monkeypatch.setattr(Strict, "canonical", counted)
    return calls


def page_viewed(number: int) -> dict[str, object]:
    return {
        "page_id": f"P-{number:010d}",
        "sku": "NS0106-04-B",
        "seconds_on_page": number / 4,
        "viewed_at": "2026-01-31T23:59:59.123456Z",
        "tags": ["é", {"deep": [None, True, -7]}],
    }


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_usual_payloads_never_meet_the_parser(
    parsed: list[bytes | None], separators: tuple[str, str]
) -> None:
    payloads = [
        json.dumps(page_viewed(number), separators=separators, ensure_ascii=False).encode()
        for number in range(8_000)
    ]
    assert sum(map(len, payloads)) > 2 * _PIECE_BYTES_MAX
    texts = outcome(JsonCodec(), of_type("any", payloads, JSON))
    assert parsed == []
    assert texts[:3] == [
        f'{{"page_id":"P-000000000{number}","sku":"NS0106-04-B","seconds_on_page":"{seconds}",'
        '"viewed_at":"2026-01-31T23:59:59.123456Z","tags":["é",{"deep":[null,true,-7]}]}'
        for number, seconds in enumerate(["0", "0.25", "0.5"])
    ]
    assert texts == [Strict(JsonCodec().limits).canonical(payload) for payload in payloads]


HARD = [
    b'{"a":"\\n"}',
    b'{"a":1e3}',
    b'{"a":-0}',
    b'{"a":1,"a":2}',
    b'{"a":"\xff"}',
    b'{"a":1}\n',
    b"{},{}",
    b'{"a":"' + b"x" * _PIECE_BYTES_MAX + b'"}',
    None,
]


@pytest.mark.parametrize("hard", HARD, ids=range(len(HARD)))
def test_only_the_unusual_payload_meets_the_parser(parsed: list[bytes | None], hard: bytes | None) -> None:
    neighbour = '{"a":"é","b":1}'
    texts = outcome(JsonCodec(), of_type("any", [neighbour.encode(), hard, neighbour.encode()], JSON))
    assert parsed == [hard]
    assert [texts[0], texts[2]] == [neighbour, neighbour]


def test_a_row_without_a_type_is_not_decoded(parsed: list[bytes | None]) -> None:
    found = JsonCodec().decode(events((None, JSON, b"{}"), ("a", JSON, b'{"a": 1}'), (None, JSON, b"[]")))
    assert parsed == []
    assert found.rows.to_pylist() == [1]
    assert found.payload.to_pylist() == ['{"a":1}']
    assert found.error_code.to_pylist() == ["unknown_type"] * 2


def test_no_rows() -> None:
    assert outcome(JsonCodec(), of_type("any", [], JSON)) == []
