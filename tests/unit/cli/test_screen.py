"""Output: exact values, the same whatever the locale, nothing that steers a terminal."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from eventreplay.cli.screen import moment_text, plain, print_json, print_table, shown, size_text, visible


def test_plain_values_are_exact() -> None:
    value = {
        "amount": Decimal("1E-9"),
        "large": Decimal("12345678901234567890.123456789"),
        "bytes": b"\x00\xff",
        "day": date(2026, 1, 31),
        "list": (None, True, 2**70),
    }
    assert plain(value) == {
        "amount": "0.000000001",
        "large": "12345678901234567890.123456789",
        "bytes": "00ff",
        "day": "2026-01-31",
        "list": [None, True, 2**70],
    }


def test_moments_are_utc_to_the_microsecond() -> None:
    text = "2026-01-31T23:59:59.123456Z"
    moment = datetime(2026, 1, 31, 23, 59, 59, 123456, tzinfo=UTC)
    assert moment_text(moment) == text
    assert moment_text(moment.replace(tzinfo=None)) == text
    assert moment_text(moment.astimezone(timezone(timedelta(hours=-11)))) == text


def test_json_is_ascii_and_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Zoë 🃏\u2028\x1b"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"name": "Zoë 🃏\u2028\x1b"}


def test_controls_and_direction_marks_are_spelled_out() -> None:
    assert visible("a\x1b[0m\tb\r\n\x9b\u202e\u2066\u2028Zoë 🃏") == (
        "a\\x1b[0m\\tb\\r\\n\\x9b\\u202e\\u2066\\u2028Zoë 🃏"
    )


def test_a_cell_shows_numbers_with_separators_and_what_is_missing() -> None:
    assert [shown(value) for value in (1234567, None, True, "x", 0)] == ["1,234,567", "—", "yes", "x", "0"]


def test_a_table_takes_markup_for_text_and_is_not_folded_in_a_pipe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table("Title [bold]", ("name", "count"), [("[red]x[/red]" + "y" * 200, 5_000)], right=(1,))
    out = capsys.readouterr().out
    assert "[red]x[/red]" + "y" * 200 in out
    assert "Title [bold]" in out
    assert "5,000" in out


def test_sizes() -> None:
    assert [size_text(n) for n in (0, 999, 1000, 1_500_000, 2 * 10**12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "1.5 MB",
        "2.0 TB",
    ]
