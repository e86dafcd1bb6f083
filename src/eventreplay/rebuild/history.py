"""What is known of how the live tables were made: from the generation's facts, and from receipts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from eventreplay.capabilities.generations import Generation
from eventreplay.interfaces import Codec
from eventreplay.log import Log
from eventreplay.rebuild.fingerprints import codec_types
from eventreplay.rebuild.parts import Built, Model
from eventreplay.receipts import Receipt, Receipts

RECEIPTS_MAX = 500
"""How many receipts are looked at, the latest first."""
_WHOLE = frozenset({"table", "view", "seed", "ephemeral", "materialized_view"})
"""Made anew by each run; of others, older rows stay as an older version made them."""
_Facts = Mapping[str, Any]


@frozen
class Past:
    """What a run did, when it began, and which generation was live when it did."""

    kind: str
    facts: _Facts
    live: str
    began: datetime


@frozen(kw_only=True)
class History:
    """Runs over one warehouse, the latest first."""

    runs: tuple[Past, ...]

    @classmethod
    def of(cls, log: Log, sink_url: str, live: str) -> History:
        """What the receipts beside a log tell of a warehouse.

        Args:
            log: beside which they stand.
            sink_url: the warehouse.
            live: name of the generation that is live now.
        """
        receipts = Receipts(log)
        numbers = sorted(log.receipts().numbers(), reverse=True)[:RECEIPTS_MAX]
        found = (receipts.get(number) for number in numbers)
        return cls(runs=tuple(_labelled((one for one in found if one is not None), sink_url, live)))

    def of_kind(self, *kinds: str) -> tuple[_Facts, ...]:
        """Facts of runs of these kinds, the latest first."""
        return tuple(run.facts for run in self.runs if run.kind in kinds)

    def codec(self, made_by: str | None, live: Generation, codec: Codec) -> Built | None:
        """The codec of the live RAW.

        Args:
            made_by: its fingerprint, as checkpoints have it; None: nothing is loaded.
            live: the generation.
            codec: the one at hand, which may be the same.
        """
        if made_by is None:
            return None
        if made_by == codec.fingerprint:
            return Built(fingerprint=made_by, types=codec_types(codec))
        told = [live.facts, *self.of_kind("replay", "live", "rebuild")]
        types = (_types(facts) for facts in told if facts.get("codec") == made_by)
        return Built(fingerprint=made_by, types=next((found for found in types if found), None))

    def models(self, live: Generation, models: Mapping[str, Model]) -> dict[str, str] | None:
        """Fingerprints of what made the live models; None: nothing is known.

        One is left out if it is not known, or if its rows were made by several versions: by incremental
        runs before and after a change, without a full refresh.
        """
        base = dict(live.facts.get("models") or {})
        runs = [run.facts for run in self.runs if run.kind == "dbt" and run.live == live.name]
        names = {*base, *(name for facts in runs for name in facts.get("fingerprints") or ())}
        if not names:
            return None
        found = {}
        for name in sorted(names):
            prints = self._versions(name, runs, base.get(name), models.get(name))
            if len(prints) == 1:
                found[name] = prints.pop()
        return found

    def built_at(self, name: str, live: str) -> datetime | None:
        """When the run began that built a model of this generation last; None: not known."""
        return next(
            (
                run.began
                for run in self.runs
                if run.kind == "dbt" and run.live == live and name in (run.facts.get("fingerprints") or {})
            ),
            None,
        )

    @staticmethod
    def _versions(name: str, runs: list[_Facts], base: str | None, model: Model | None) -> set[str]:
        prints: set[str] = set()
        for facts in runs:
            made = (facts.get("fingerprints") or {}).get(name)
            if made is None:
                continue
            prints.add(made)
            is_whole = model is not None and model.materialized in _WHOLE
            if facts.get("full_refresh") or is_whole:
                return prints
        return prints | ({base} if base is not None else set())


def _types(facts: _Facts) -> Mapping[str, str] | None:
    """The fingerprints of a codec's types, as a generation or a receipt of a replay has them."""
    found = facts.get("types") or (facts.get("settings") or {}).get("types")
    return found if isinstance(found, Mapping) else None


def _labelled(receipts: Iterable[Receipt], sink_url: str, live: str) -> Iterable[Past]:
    """Runs over a warehouse with the name of what was live at their time, going back from now."""
    for receipt in receipts:
        facts = receipt.facts
        if not same_place(str(facts.get("sink") or ""), sink_url):
            continue
        if facts.get("suffix"):
            continue  # a build of a shadow
        yield Past(receipt.kind, facts, live, receipt.began)
        if receipt.kind == "rebuild" and facts.get("action") in {"promote", "rollback"}:
            # One that does not say what was live before it tells us nothing of the runs before it either.
            # The same of one that an error ended.
            live = "" if "error" in facts else str(facts.get("before") or "")


def same_place(one: str, other: str) -> bool:
    """Whether two URLs name the same warehouse; a file may be written relative to a folder, or not."""
    if one == other:
        return True
    kind, _, path = one.partition("://")
    other_kind, _, other_path = other.partition("://")
    if kind != other_kind or kind != "duckdb":
        return False
    return Path(path.removeprefix("/")).resolve() == Path(other_path.removeprefix("/")).resolve()
