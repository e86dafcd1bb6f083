"""What a plan consists of: values without behaviour, each with its form in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict, field, frozen

OTHER_TYPES = "*"
"""Stands for every event type that a codec does not know by its name: JSON payloads."""


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


@frozen(kw_only=True)
class PlannedPartition:
    """One partition of the log as it was at planning, and how far of it is read.

    Attributes:
        partition: its name.
        epoch: hash of its first commit.
        commit: number of its last commit.
        digest: hash of that commit.
        upto: number of the commit up to which is read; `commit`, or less for a plan "as of".
        upto_digest: hash of that commit; empty if `upto` is 0, and then nothing is read.
        events: events up to `upto`.
        rejects: records that capture refused, up to there.
        bytes: size of the segments up to there.
    """

    partition: str
    epoch: str
    commit: int
    digest: str
    upto: int
    upto_digest: str
    events: int
    rejects: int
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """Without the name, under which it stands."""
        facts = asdict(self)
        del facts["partition"]
        return facts


@frozen(kw_only=True)
class Built:
    """By which codec RAW was made, or is to be.

    Attributes:
        fingerprint: of the codec.
        types: of each event type, see `SupportsTypes`; None: not known.
    """

    fingerprint: str
    types: Mapping[str, str] | None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {"fingerprint": self.fingerprint, "types": None if self.types is None else dict(self.types)}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any] | None) -> Built | None:
        """What `to_json` gave."""
        return None if facts is None else cls(fingerprint=facts["fingerprint"], types=facts["types"])


@frozen(kw_only=True)
class Model:
    """One table or view that dbt makes.

    Attributes:
        fingerprint: hex SHA-256 of what it is made by, not of what it is made of; see `fingerprints`.
        kind: model, seed or snapshot.
        schema: where it stands when live.
        identifier: its name there.
        materialized: table, view, incremental, ephemeral, ...
        parents: names of models, seeds and snapshots that it reads.
        reads: tables that dbt does not make and it reads, as `SCHEMA.TABLE` when live.
        key: columns that name a row; empty if nobody said which.
        columns: columns that are documented, in their order.
        compare: what the project says of how to compare two of it, under `meta: {eventreplay: ...}`.
    """

    fingerprint: str
    kind: str
    schema: str
    identifier: str
    materialized: str
    parents: tuple[str, ...] = field(converter=_texts)
    reads: tuple[str, ...] = field(converter=_texts)
    key: tuple[str, ...] = field(converter=_texts)
    columns: tuple[str, ...] = field(converter=_texts)
    compare: Mapping[str, Any] = field(factory=dict)

    @property
    def relation(self) -> str:
        """`SCHEMA.TABLE`, as it is called when live."""
        return f"{self.schema}.{self.identifier}"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {**_listed(asdict(self)), "relation": self.relation}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Model:
        """What `to_json` gave."""
        return cls(**{name: value for name, value in facts.items() if name != "relation"})


@frozen(kw_only=True)
class Exposure:
    """Something that reads the marts: a dashboard, a notebook, an application.

    Attributes:
        name: as the project calls it.
        kind: dbt's word for it.
        owner: whom to tell, as the project has it; empty if it does not say.
        parents: models that it reads.
        affected: whether one of them may change.
    """

    name: str
    kind: str
    owner: str
    parents: tuple[str, ...] = field(converter=_texts)
    affected: bool

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return _listed(asdict(self))


@frozen(kw_only=True)
class Estimate:
    """What a run will take, in whole seconds rounded up, and on what that rests.

    Attributes:
        load_seconds: loading RAW; None: nothing is known to reckon it by.
        dbt_seconds: one build of all models; None: likewise.
        basis: where the rates come from, a sentence each.
    """

    load_seconds: int | None
    dbt_seconds: int | None
    basis: tuple[str, ...] = field(converter=_texts)

    @property
    def seconds(self) -> int | None:
        """Both together."""
        known = [part for part in (self.load_seconds, self.dbt_seconds) if part is not None]
        return sum(known) if len(known) == 2 else None  # noqa: PLR2004 - both are known

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {**_listed(asdict(self)), "seconds": self.seconds}


def _listed(facts: dict[str, Any]) -> dict[str, Any]:
    """Tuples as lists: what a reader of the file finds."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()}
