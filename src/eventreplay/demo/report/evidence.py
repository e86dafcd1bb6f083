"""The run's own part of the page: where each event went, what balances, what was proven."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eventreplay.pages.wording import NOT_THERE, percent, quotient, safe, size, whole

View = dict[str, Any]

DIFFERENCES_MAX = 10
"""Differences from the ledger that are spelled out."""

REASONS = {
    "conflicting_payload": "The id was taken by an earlier event with another payload.",
}
"""What a reason means, where its name does not say it."""


def evidence(facts: Mapping[str, Any], quarantined_by_stage: Mapping[str, int]) -> View:
    """Everything of the run's part of the page, from the run's summary and the quarantine's counts."""
    return {
        "received": whole(facts["received"]),
        "balanced": bool(facts["balanced"]),
        "flow": _flow(facts),
        "reasons": _reasons(facts),
        "equations": _equations(facts, quarantined_by_stage),
        "steps": [_step(name, step) for name, step in facts["steps"].items()],
        "partitions": [_partition(part) for part in facts["partitions"]],
        "log_sha256": safe(facts["log_sha256"]),
        "tables": _tables(facts["tables"]),
        "ledger_equal": bool(facts["ledger"]["equal"]),
        "differences": [safe(item) for item in facts["ledger"]["differences"][:DIFFERENCES_MAX]],
        "more_differences": max(0, len(facts["ledger"]["differences"]) - DIFFERENCES_MAX),
        "dbt": [(safe(status), whole(count)) for status, count in facts["dbt"]["statuses"].items()],
        "warnings": [(safe(item["name"]), safe(item["message"])) for item in facts["dbt"]["warnings"]],
        "settings": [(_words(name), _setting(value)) for name, value in facts["settings"].items()],
        "versions": [(safe(name), safe(value)) for name, value in facts["versions"].items()],
    }


def _flow(facts: Mapping[str, Any]) -> list[View]:
    meanings = (
        ("stored", "distinct events, each counted once"),
        ("duplicates", "delivered again with the same payload"),
        ("quarantined", "kept with their bytes and a reason"),
    )
    return [
        {
            "name": name,
            "count": whole(facts[name]),
            "share": percent(facts[name], facts["received"]),
            "width": _width(facts[name], facts["received"]),
            "meaning": meaning,
        }
        for name, meaning in meanings
    ]


def _width(part: int, most: int) -> str:
    share = quotient(part * 100, most, 3)
    return "0" if share is None else f"{share:f}"


def _reasons(facts: Mapping[str, Any]) -> list[View]:
    reasons = sorted(facts["quarantined_by_reason"].items(), key=lambda item: (-item[1], item[0]))
    most = max((count for _, count in reasons), default=1)
    return [
        {
            "code": safe(code),
            "meaning": REASONS.get(code, ""),
            "count": whole(count),
            "width": _width(count, most),
        }
        for code, count in reasons
    ]


def _equations(facts: Mapping[str, Any], by_stage: Mapping[str, int]) -> list[View]:
    """Each step's balance; the two sides are counted in different places."""
    logged = sum(part["events"] for part in facts["partitions"])
    rejects = sum(part["rejects"] for part in facts["partitions"])
    loaded = facts["tables"].get("RAW.EVENTS", 0)
    undecoded = by_stage.get("decode", 0)
    conflicts = facts["quarantined_by_reason"].get("conflicting_payload", 0)
    parts = (
        (
            "Capture",
            ("received", facts["received"]),
            (("in the log", logged), ("refused at capture", rejects)),
        ),
        (
            "Replay",
            ("in the log", logged),
            (("loaded into RAW", loaded), ("could not be decoded", undecoded)),
        ),
        (
            "Staging",
            ("loaded into RAW", loaded),
            (("stored", facts["stored"]), ("duplicates", facts["duplicates"]), ("conflicting", conflicts)),
        ),
        (
            "All in all",
            ("received", facts["received"]),
            tuple((name, facts[name]) for name in ("stored", "duplicates", "quarantined")),
        ),
    )
    return [
        {
            "step": step,
            "left": {"name": left[0], "count": whole(left[1])},
            "right": [{"name": name, "count": whole(count)} for name, count in right],
            "holds": left[1] == sum(count for _, count in right),
        }
        for step, left, right in parts
    ]


def _step(name: str, step: Mapping[str, Any]) -> View:
    count, seconds = int(step["rows"]), float(step["seconds"])
    return {
        "name": safe(name),
        "rows": whole(count) if count else NOT_THERE,
        "seconds": f"{seconds:,.2f}",
        "rate": f"{count / seconds:,.0f}" if count and seconds else NOT_THERE,
    }


def _partition(part: Mapping[str, Any]) -> View:
    return {
        "name": safe(part["partition"]),
        "commits": whole(part["commits"]),
        "events": whole(part["events"]),
        "rejects": whole(part["rejects"]),
        "size": size(part["bytes"]),
        "position": whole(part["position"]),
        "sha256": safe(part["sha256"]),
    }


def _tables(tables: Mapping[str, int]) -> list[View]:
    """Tables by schema, in the order given."""
    schemas: dict[str, list[tuple[str, str]]] = {}
    for name, count in tables.items():
        schema, _, table = name.partition(".")
        schemas.setdefault(safe(schema), []).append((safe(table), whole(count)))
    return [{"schema": schema, "tables": found} for schema, found in schemas.items()]


def _words(name: str) -> str:
    return safe(name).replace("_", " ")


def _setting(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return whole(value)
    return "made from the seed" if value is None else safe(value)
