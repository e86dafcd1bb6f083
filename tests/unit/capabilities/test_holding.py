"""What a model may declare that it holds, and keys as one text."""

from __future__ import annotations

from typing import Any

import pytest

from eventreplay.capabilities.holding import holds_of, key_values
from eventreplay.errors import ConfigError


def node(name: str, **holds: object) -> dict[str, Any]:
    meta = {"eventreplay": {"holds": holds}}
    return {"resource_type": "model", "name": name, "schema": "STAGING", "config": {"meta": meta}}


@pytest.mark.parametrize(
    ("holds", "why"),
    [
        ({"each": "row"}, "each is one of"),
        ({"each": "event"}, "has types of payloads"),
        ({"each": "delivery", "types": ["t"]}, "a delivery has none"),
        ({"each": "thing", "types": ["t"]}, "key of one column"),
        ({"each": "thing", "types": ["t"], "key": {"k": "payload.a'b"}}, "no column"),
        ({"each": "thing", "types": ["t"], "key": {'k"': "event_id"}}, "no column"),
        ({"each": "event", "types": ["t'); DROP"]}, "types of payloads"),
        ({"each": "event", "types": ["t"], "more": 1}, "nothing else"),
    ],
)
def test_a_malformed_declaration_names_its_model(holds: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        holds_of({"nodes": {"x": node("mine", **holds)}})
    assert caught.value.fields["model"] == "mine"


def test_deliveries_come_first_and_what_declares_nothing_is_left_out() -> None:
    silent = {
        "resource_type": "model",
        "name": "silent",
        "schema": "MART",
        "config": {"meta": {"owner": "us"}},
    }
    nodes = [silent, node("a", each="event", types=["t"]), node("z", each="delivery")]
    found = holds_of({"nodes": {one["name"]: one for one in nodes}})
    assert [(one.model, one.key) for one in found] == [
        ("z", (("log_partition", "log_partition"), ("log_offset", "log_offset"))),
        ("a", (("event_id", "event_id"),)),
    ]


def test_a_key_is_told_again_from_its_text() -> None:
    assert key_values("3:a;b;-;0:;2:é;;") == ("a;b", None, "", "é;")
