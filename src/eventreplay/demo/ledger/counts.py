"""How many records there are of each sort: what a run has to account for, whatever the tables say."""

from __future__ import annotations

import numpy as np

from eventreplay.demo.generator import dirt
from eventreplay.demo.generator.history import Fate, History, Plan
from eventreplay.demo.generator.layout import Kind
from eventreplay.demo.generator.payloads import EVENT_TYPES, event_types

_CAPTURE = {Kind.NULL_ID: "null", Kind.EMPTY_ID: "empty"}


class Counts:
    """Records by what must become of them; received = stored + duplicates + quarantined."""

    def __init__(self) -> None:
        self.received = 0
        self.stored = 0
        self.duplicates = 0
        self.conflicting = 0
        self.capture: dict[str, int] = {}
        self.decode: dict[str, int] = {}
        self.received_by_type: dict[str, int] = {}
        self.stored_by_type: dict[str, int] = {}

    def record(self, history: History, plan: Plan) -> None:
        """Count a plan's rows."""
        types = event_types(history, plan)
        self.received += len(plan.position)
        self.duplicates += int((plan.fate == Fate.DUPLICATE).sum())
        self.conflicting += int((plan.fate == Fate.CONFLICT).sum())
        for kind, name in _CAPTURE.items():
            _more(self.capture, name, len(plan.rows(kind)))
        for kind, bad in (
            (Kind.MALFORMED, dirt.MALFORMED),
            (Kind.BAD_DECIMAL, dirt.BAD_DECIMALS),
            (Kind.UNKNOWN, (dirt.UNKNOWN,)),
        ):  # fmt: skip
            chosen = dirt.variant(history.dice, plan.identity[plan.rows(kind)], len(bad))
            for each, count in zip(bad, np.bincount(chosen, minlength=len(bad)), strict=True):
                _more(self.decode, each.name, int(count))
        good = (plan.kind <= Kind.VIEWED) & (plan.fate == Fate.FRESH)
        self.stored += int(good.sum())
        for counted, mask in (
            (self.received_by_type, np.ones(len(types), dtype=bool)),
            (self.stored_by_type, good),
        ):
            for name, count in zip(
                EVENT_TYPES, np.bincount(types[mask], minlength=len(EVENT_TYPES)), strict=True
            ):
                _more(counted, name, int(count))

    @property
    def quarantined(self) -> int:
        """Refused at capture, not decodable, or another payload under a known id."""
        return sum(self.capture.values()) + sum(self.decode.values()) + self.conflicting

    def as_json(self) -> dict[str, object]:
        """All figures, with the names that `ledger.json` has."""
        return {
            "received": self.received,
            "stored": self.stored,
            "duplicates": self.duplicates,
            "quarantined": self.quarantined,
            "quarantined_by_stage": {
                "capture": sum(self.capture.values()),
                "decode": sum(self.decode.values()),
                "conflicting_payload": self.conflicting,
            },
            "capture_rejects": dict(sorted(self.capture.items())),
            "decode_failures": dict(sorted(self.decode.items())),
            "received_by_type": dict(sorted(self.received_by_type.items())),
            "stored_by_type": dict(sorted(self.stored_by_type.items())),
        }


def _more(counts: dict[str, int], name: str, count: int) -> None:
    if count:
        counts[name] = counts.get(name, 0) + count
