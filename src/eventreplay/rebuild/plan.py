"""A plan: what a rebuild will do, written down before, for people to read and for the later steps to keep to.

Its file is JSON with its own SHA-256. Nobody edits it: what is wanted otherwise is planned again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import field, frozen

from eventreplay.capabilities.generations import suffix_of
from eventreplay.errors import PlanError
from eventreplay.log.sealing import canonical
from eventreplay.rebuild.parts import Built, Estimate, Exposure, Model, PlannedPartition
from eventreplay.selection import Selection

FORMAT = 1
PLAN_BYTES_MAX = 16 * 1024 * 1024
"""A larger file is no plan: a thousand models take one megabyte."""
_MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"


@frozen(kw_only=True)
class Plan:
    """What a rebuild will do.

    Attributes:
        name: of the generation that it makes.
        made: when it was planned, UTC.
        log_url: the log that is read.
        partitions: how far each is, and how far it is read; ascending by name.
        sink_url: the warehouse, without secrets.
        replay_id: whose checkpoints the loads have.
        live: name of the generation that was live at planning.
        selection: rows that are taken.
        is_as_of: whether less than the whole log was asked for.
        schemas: those of the generation as they are called when live; RAW's first if it is made again.
        raw_schema: RAW's name when live.
        raw_reasons: why RAW is made again; none: models only.
        raw_fingerprint: of the columns of RAW's tables.
        raw_fingerprint_before: of those that are live; None: not known.
        codec: what decodes.
        codec_before: what made the live RAW; None: nothing is loaded.
        types_changed: event types whose rows may become others; None: not known.
        project: SHA-256 of the dbt project's files.
        adapter: dbt's word for the warehouse.
        models: what the project makes, by name.
        models_before: fingerprints of what made the live tables; None: nothing is known; one that is missing
            is new, or was made by more than one version.
        models_changed: those made otherwise than what is live, or than is known.
        models_affected: those, and what is made of them or of changed rows of RAW.
        exposures: what reads the models.
        estimate: how long it will take.
        notes: what a reader should know beside.
        settings: what the command line was told, to be told again.
    """

    name: str
    made: datetime
    log_url: str
    partitions: tuple[PlannedPartition, ...]
    sink_url: str
    replay_id: str
    live: str
    selection: Selection
    is_as_of: bool
    schemas: tuple[str, ...]
    raw_schema: str
    raw_reasons: tuple[str, ...]
    raw_fingerprint: str
    raw_fingerprint_before: str | None
    codec: Built
    codec_before: Built | None
    types_changed: tuple[str, ...] | None
    project: str
    adapter: str
    models: Mapping[str, Model]
    models_before: Mapping[str, str] | None
    models_changed: tuple[str, ...]
    models_affected: tuple[str, ...]
    exposures: tuple[Exposure, ...]
    estimate: Estimate
    notes: tuple[str, ...]
    settings: Mapping[str, str]
    sha256: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(canonical(self._body())).hexdigest())

    @property
    def suffix(self) -> str:
        """What stands behind the schemas' names until it is promoted: `_G1`."""
        return suffix_of(self.name)

    @property
    def makes_raw(self) -> bool:
        """Whether RAW is loaded again, and not only the models are made anew."""
        return bool(self.raw_reasons)

    @property
    def is_partial(self) -> bool:
        """Whether rows are left out; such a generation is for looking at, never to be promoted."""
        return not self.selection.is_all

    @property
    def events(self) -> int:
        """Events to read; 0 if RAW stays."""
        return sum(part.events for part in self.partitions) if self.makes_raw else 0

    @property
    def rejects(self) -> int:
        """Records that capture refused, to read."""
        return sum(part.rejects for part in self.partitions) if self.makes_raw else 0

    @property
    def bytes(self) -> int:
        """Bytes of segments to read."""
        return sum(part.bytes for part in self.partitions) if self.makes_raw else 0

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON data, its hash with it."""
        return {**self._body(), "sha256": self.sha256}

    def text(self) -> str:
        """What its file holds."""
        return json.dumps(self.to_json(), indent=2, ensure_ascii=True, allow_nan=False) + "\n"

    def _body(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "name": self.name,
            "made": self.made.astimezone(UTC).strftime(_MOMENT),
            "log": {
                "url": self.log_url,
                "partitions": {part.partition: part.to_json() for part in self.partitions},
            },
            "sink": self.sink_url,
            "replay_id": self.replay_id,
            "live": self.live,
            "selection": {**self.selection.to_json(), "as_of": self.is_as_of, "partial": self.is_partial},
            "schemas": list(self.schemas),
            "raw": {
                "schema": self.raw_schema,
                "again": self.makes_raw,
                "reasons": list(self.raw_reasons),
                "fingerprint": self.raw_fingerprint,
                "fingerprint_before": self.raw_fingerprint_before,
            },
            "codec": self.codec.to_json(),
            "codec_before": None if self.codec_before is None else self.codec_before.to_json(),
            "types_changed": None if self.types_changed is None else list(self.types_changed),
            "project": {"fingerprint": self.project, "adapter": self.adapter},
            "models": {name: model.to_json() for name, model in sorted(self.models.items())},
            "models_before": None if self.models_before is None else dict(sorted(self.models_before.items())),
            "models_changed": list(self.models_changed),
            "models_affected": list(self.models_affected),
            "exposures": [exposure.to_json() for exposure in self.exposures],
            "reads": {
                "events": self.events,
                "rejects": self.rejects,
                "bytes": self.bytes,
                # A commit says how many rows it has, not of which type: a selection takes these or fewer.
                "loads": "at most" if self.is_partial else "exactly",
            },
            "estimate": self.estimate.to_json(),
            "notes": list(self.notes),
            "settings": dict(sorted(self.settings.items())),
        }

    @classmethod
    def from_json(cls, facts: object) -> Plan:
        """What `to_json` gave.

        Raises:
            PlanError: it is no plan of this release, or was edited.
        """
        if not isinstance(facts, Mapping) or facts.get("format") != FORMAT:
            raise PlanError(
                "This is no plan that this release reads.", hint="Make one with `eventreplay rebuild plan`."
            )
        try:
            plan = cls._made_of(facts)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _edited("it lacks what a plan has") from error
        if plan.to_json() != dict(facts):
            raise _edited("its content does not match its own hash")
        return plan

    @classmethod
    def _made_of(cls, facts: Mapping[str, Any]) -> Plan:
        log, raw, project, before = facts["log"], facts["raw"], facts["project"], facts["codec"]
        codec = Built.from_json(before)
        if codec is None:
            raise ValueError
        changed = facts["types_changed"]
        estimate = {name: value for name, value in facts["estimate"].items() if name != "seconds"}
        return cls(
            name=facts["name"],
            made=datetime.strptime(facts["made"], _MOMENT).replace(tzinfo=UTC),
            log_url=log["url"],
            partitions=tuple(
                PlannedPartition(partition=name, **part) for name, part in sorted(log["partitions"].items())
            ),
            sink_url=facts["sink"],
            replay_id=facts["replay_id"],
            live=facts["live"],
            selection=Selection.from_json(facts["selection"]),
            is_as_of=facts["selection"]["as_of"],
            schemas=tuple(facts["schemas"]),
            raw_schema=raw["schema"],
            raw_reasons=tuple(raw["reasons"]),
            raw_fingerprint=raw["fingerprint"],
            raw_fingerprint_before=raw["fingerprint_before"],
            codec=codec,
            codec_before=Built.from_json(facts["codec_before"]),
            types_changed=None if changed is None else tuple(changed),
            project=project["fingerprint"],
            adapter=project["adapter"],
            models={name: Model.from_json(model) for name, model in facts["models"].items()},
            models_before=facts["models_before"],
            models_changed=tuple(facts["models_changed"]),
            models_affected=tuple(facts["models_affected"]),
            exposures=tuple(Exposure(**each) for each in facts["exposures"]),
            estimate=Estimate(**estimate),
            notes=tuple(facts["notes"]),
            settings=dict(facts["settings"]),
        )

    @classmethod
    def read(cls, path: Path) -> Plan:
        """The plan in a file.

        Raises:
            PlanError: there is none, or it was edited.
        """
        try:
            if path.stat().st_size > PLAN_BYTES_MAX:
                raise PlanError(f"{path} is too large for a plan.", hint="Give the file of a plan.")
            facts = json.loads(path.read_text("ascii"))
        except OSError as error:
            raise PlanError(
                f"The plan {path} cannot be read: {error.strerror}.",
                hint="Make one with `eventreplay rebuild plan`.",
            ) from error
        except (ValueError, RecursionError) as error:
            raise PlanError(
                f"{path} is not JSON.", hint="Make a plan with `eventreplay rebuild plan`."
            ) from error
        return cls.from_json(facts)


def _edited(detail: str) -> PlanError:
    return PlanError(
        f"The plan was changed after it was made: {detail}.",
        hint="A plan is not edited: make another one with `eventreplay rebuild plan`.",
        moved=["plan"],
    )
