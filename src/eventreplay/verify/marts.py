"""RAW <-> STAGING and MART: does each model hold what its YAML says? Counted and added up by day.

What dbt has not seen yet is behind, not missing: the models of deliveries say up to which moment rows were
there when dbt ran, and every model is compared with the rows up to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from eventreplay.capabilities.holding import Held, Holds, Seen, SupportsHolding, holds_of
from eventreplay.errors import ConfigError
from eventreplay.interfaces import Sink

Progress = Callable[[int, int | None], None]

MANIFEST = "manifest.json"


@frozen(kw_only=True)
class ModelVerification:
    """One model: what it must hold, and what was found."""

    holds: Holds
    held: Held

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        facts = _plain(asdict(self.held))
        for one, day in zip(facts["days"], self.held.days, strict=True):
            one["equal"] = day.equal
            one |= {name: str(one[name]) for name in ("due_hash_sum", "hash_sum")}
        return {
            "model": self.holds.model,
            "relation": f"{self.holds.schema}.{self.holds.table}",
            "each": self.holds.each,
            "ok": self.held.ok,
            **facts,
        }


@frozen(kw_only=True)
class MartsVerification:
    """What the comparison of the models with RAW found.

    Attributes:
        seen: how far dbt is; None if no model of deliveries says so, and then all of RAW was compared.
        models: those of deliveries first, then by name.
    """

    seen: Seen | None
    models: tuple[ModelVerification, ...]

    @property
    def ok(self) -> bool:
        """Whether each model holds exactly what it must."""
        return all(model.held.ok for model in self.models)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        return {
            "ok": self.ok,
            "seen": None if self.seen is None else _plain(asdict(self.seen)),
            "models": [model.to_json() for model in self.models],
        }


def read_holds(path: Path) -> list[Holds]:
    """What the models declare, from dbt's manifest: the file, or the folder that dbt left it in.

    Raises:
        ConfigError: there is no manifest, it is none, or nothing is declared in it.
    """
    file = path / MANIFEST if path.is_dir() else path
    try:
        manifest = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{file} is no manifest of dbt.",
            hint="Give the folder that dbt writes to (its target path), or the manifest.json in it.",
            path=str(file),
        ) from error
    found = holds_of(manifest) if isinstance(manifest, dict) else []
    if not found:
        raise ConfigError(
            f"No model in {file} says what it holds.",
            hint="Declare it in the models' YAML as meta.eventreplay.holds; see docs/guides/verify.md.",
            path=str(file),
        )
    return found


def verify_marts(
    sink: Sink,
    holds: Iterable[Holds],
    *,
    samples_max: int = 100,
    progress: Progress | None = None,
) -> MartsVerification:
    """Compare models with RAW, inside the warehouse. Changes nothing.

    Args:
        sink: whose RAW, and in whose warehouse the models are; not closed.
        holds: what they must hold; see `read_holds`.
        samples_max: keys named of each kind and model.
        progress: told of models compared, and of all.

    Raises:
        ConfigError: the sink cannot compare models.
        SinkError: a model's table is not there, or may not be read.
    """
    if not isinstance(sink, SupportsHolding):
        raise ConfigError("This sink cannot compare models.", hint="Its class needs `SupportsHolding`.")
    chosen: Sequence[Holds] = sorted(holds, key=lambda each: (each.each != "delivery", each.model))
    seen = None
    for each in chosen:
        if each.each == "delivery":
            found = sink.seen(each)
            # The one that is least far: what it has not seen, models beside it may have.
            seen = found if seen is None or found.behind > seen.behind else seen
    made: list[ModelVerification] = []
    for each in chosen:
        if seen is not None and seen.upto is None:
            # Nothing was built from anything yet.
            upto: datetime | None = datetime(1, 1, 1)  # noqa: DTZ001 - as the warehouse has it, without a zone
        else:
            upto = None if seen is None else seen.upto
        held = sink.holding(each, seen=upto, samples_max=samples_max)
        made.append(ModelVerification(holds=each, held=held))
        if progress is not None:
            progress(len(made), len(chosen))
    return MartsVerification(seen=seen, models=tuple(made))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, (date, datetime)) else value
