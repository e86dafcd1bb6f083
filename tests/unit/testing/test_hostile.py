"""The corpus is what it says: many, named, different, and split by what UTF-8 can write."""

from __future__ import annotations

import re

from eventreplay.testing import hostile


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    parts = [value for name, value in vars(hostile).items() if re.fullmatch(r"_[A-Z_]+", name)]
    mappings = [part for part in parts if isinstance(part, dict)]
    assert len(hostile.HOSTILE) == sum(map(len, mappings)) >= 200
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) for name in hostile.HOSTILE)
    assert len(set(hostile.HOSTILE.values())) >= len(hostile.HOSTILE) - 1


def test_what_utf8_cannot_write_is_apart() -> None:
    assert all(text == text.encode().decode() for _, text in hostile.storable())
    for _, text in hostile.unstorable():
        assert text.encode("utf-8", "replace") != text.encode("utf-8", "surrogatepass")
    assert len(list(hostile.storable())) + len(list(hostile.unstorable())) == len(hostile.HOSTILE)


def test_every_kind_of_attack_is_there() -> None:
    together = "".join(hostile.HOSTILE.values())
    for part in (
        "\x00",
        "\u202e",
        "\u200b",
        "\U0001f0cf",
        "\u0301",
        "\ud800",
        "../",
        "{{",
        "%s",
        "$(",
        "DROP",
    ):
        assert part in together
    assert max(map(len, hostile.HOSTILE.values())) >= 99_999
    assert {chr(code) for code in range(32)} <= set(together)
