"""A company of two event types whose codec and models change, in one DuckDB file, without dbt.

Live and shadow are loaded from one log by codecs that differ in the type `order`, or not; the models are made
by the SQL that stands here. What must differ is known from the payloads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
from attrs import evolve, field, frozen

from eventreplay.capabilities.generations import suffix_of
from eventreplay.capture import CaptureOptions, capture
from eventreplay.event import Event
from eventreplay.interfaces import Decoded
from eventreplay.log import Log
from eventreplay.rebuild import Built, Estimate, Model, Plan, PlannedPartition, Selection
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sources.rows import Rejected
from eventreplay.testing import MemorySource

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
NAME = "g1"
ORDERS, CLICKS = "order", "click"
SCHEMAS = ("RAW", "STAGING", "MART")


@frozen
class VersionedCodec:
    """JSON text of a payload such as `12.50`; the version of a type stands in what it makes.

    What begins with `!` is refused by version 1 of its type, and read without the mark by later ones.
    """

    versions: Mapping[str, int] = field(factory=lambda: {ORDERS: 1, CLICKS: 1})

    @property
    def fingerprint(self) -> str:
        return " ".join(f"{name}-{version}" for name, version in sorted(self.versions.items()))

    def type_fingerprints(self) -> Mapping[str, str]:
        return {name: f"{name}-{version}" for name, version in self.versions.items()}

    def decode(self, events: pa.RecordBatch) -> Decoded:
        rows: list[int] = []
        texts: list[str] = []
        failed: list[int] = []
        types = events.column("event_type").to_pylist()
        for at, (kind, payload) in enumerate(zip(types, events.column("payload").to_pylist(), strict=True)):
            version = self.versions[kind]
            if payload.startswith(b"!") and version == 1:
                failed.append(at)
                continue
            amount = payload.decode().removeprefix("!")
            rows.append(at)
            # Later versions know that the amounts of the first producers were cents.
            texts.append(f'{{"amount":"{amount}","cents":{str(version > 1 and at % 2 == 0).lower()}}}')
        return Decoded(
            rows=pa.array(rows, pa.int32()),
            payload_type=pa.array([types[at] for at in rows], pa.string()),
            payload=pa.array(texts, pa.string()),
            failed=pa.array(failed, pa.int32()),
            error_code=pa.array(["marked"] * len(failed), pa.string()),
            error_message=pa.array(["It begins with the mark."] * len(failed), pa.string()),
        )


def items(count: int, first: int = 0) -> Iterable[Event | Rejected]:
    for at in range(first, first + count):
        if at % 10 == 9:
            yield Rejected(
                source_position=0, payload=b"?", error_code="line_malformed", error_message="Not an event."
            )
            continue
        kind = CLICKS if at % 4 == 3 else ORDERS
        mark = b"!" if at % 8 == 6 else b""
        yield Event(
            event_id=f"e{at}",
            event_type=kind,
            stream_id=f"{kind}-{at % 5}",
            occurred_at=BEGAN + timedelta(hours=at),
            payload=mark + b"%d.%02d" % (at, at % 100),
        )


def grow(log: Log, count: int, first: int = 0) -> None:
    """Capture this many records behind the first ones."""
    source = MemorySource(items(count + first))
    capture(source, log, "journal", options=CaptureOptions(segment_positions=64))


MODELS = {
    "stg_orders": """SELECT event_id, log_partition, log_offset, inserted_at, occurred_at::DATE AS order_date,
        (payload->>'$.amount')::DECIMAL(38, 9) / CASE WHEN (payload->>'$.cents')::BOOLEAN THEN 100 ELSE 1 END
        AS amount FROM {raw}.EVENTS WHERE event_type = 'order'""",
    "stg_clicks": "SELECT event_id, stream_id, occurred_at FROM {raw}.EVENTS WHERE event_type = 'click'",
    "fct_orders": """SELECT event_id AS order_id, order_date, 'EUR' AS currency_code,
        amount::DECIMAL(38, 9) AS revenue FROM {staging}.stg_orders""",
    "fct_clicks": "SELECT stream_id, count(*) AS clicks FROM {staging}.stg_clicks GROUP BY ALL",
    "agg_orders": """SELECT order_date, count(*) AS orders, sum(revenue)::DECIMAL(38, 9) AS revenue
        FROM {mart}.fct_orders GROUP BY ALL""",
}
PARENTS = {
    "fct_orders": ("stg_orders",),
    "fct_clicks": ("stg_clicks",),
    "agg_orders": ("fct_orders",),
}
KEYS = {
    "stg_orders": ("event_id",),
    "stg_clicks": ("event_id",),
    "fct_orders": ("order_id",),
    "fct_clicks": ("stream_id",),
    "agg_orders": ("order_date",),
}


def build(
    file: Path,
    suffix: str = "",
    changed: Mapping[str, str] | None = None,
    schemas: tuple[str, ...] = SCHEMAS,
) -> None:
    """Make the models of one generation, as dbt would."""
    places = {name.lower(): f"{name}{suffix if name in schemas else ''}" for name in SCHEMAS}
    with duckdb.connect(str(file)) as connection:
        for name in MODELS:
            schema = places["staging" if name.startswith("stg_") else "mart"]
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            text = {**MODELS, **(changed or {})}[name].format(**places)
            connection.execute(f"CREATE OR REPLACE TABLE {schema}.{name} AS {text}")


def model(name: str, print_: str = "1") -> Model:
    is_staging = name.startswith("stg_")
    return Model(
        fingerprint=f"{name}-{print_}",
        kind="model",
        schema="STAGING" if is_staging else "MART",
        identifier=name,
        materialized="table",
        parents=PARENTS.get(name, ()),
        reads=("RAW.EVENTS",) if is_staging else (),
        key=KEYS[name],
        columns=(),
    )


def plan_of(log: Log, before: VersionedCodec, after: VersionedCodec, **changes: object) -> Plan:
    """A plan as `plan` would write it, less what a diff does not read."""
    known = {
        "name": NAME,
        "made": BEGAN,
        "log_url": log.url,
        "partitions": (
            PlannedPartition(
                partition="journal",
                epoch="",
                commit=1,
                digest="",
                upto=1,
                upto_digest="",
                events=0,
                rejects=0,
                bytes=0,
            ),
        ),
        "sink_url": "duckdb:///w.duckdb",
        "replay_id": "live",
        "live": "first",
        "selection": Selection(),
        "is_as_of": False,
        "schemas": SCHEMAS,
        "raw_schema": "RAW",
        "raw_reasons": ("the codec is another one",),
        "raw_fingerprint": "",
        "raw_fingerprint_before": "",
        "codec": Built(fingerprint=after.fingerprint, types=after.type_fingerprints()),
        "codec_before": Built(fingerprint=before.fingerprint, types=before.type_fingerprints()),
        "types_changed": (),
        "project": "",
        "adapter": "duckdb",
        "models": {name: model(name) for name in MODELS},
        "models_before": {name: f"{name}-1" for name in MODELS},
        "models_changed": (),
        "models_affected": (),
        "exposures": (),
        "estimate": Estimate(load_seconds=None, dbt_seconds=None, basis=()),
        "notes": (),
        "settings": {},
    }
    return Plan(**{**known, **changes})  # type: ignore[arg-type]


@frozen(kw_only=True)
class Company:
    """Both generations, built; `edit` and the sink may then do what they want."""

    file: Path
    log: Log
    plan: Plan

    def sink(self) -> DuckDBSink:
        return DuckDBSink(self.file, clock=lambda: datetime.now(UTC))

    def edit(self, *statements: str) -> None:
        with duckdb.connect(str(self.file)) as connection:
            for statement in statements:
                connection.execute(statement)


def company(
    folder: Path,
    log: Log,
    *,
    after: VersionedCodec | None = None,
    count: int = 200,
    changed: Mapping[str, str] | None = None,
    between: Callable[[], None] = lambda: None,
    **changes: object,
) -> Company:
    """Live by version 1, the shadow by `after`.

    Args:
        folder: for the DuckDB file.
        log: empty.
        after: the new codec; None: the same.
        count: records captured before both are loaded.
        changed: SQL of the shadow's models that differ.
        between: called when live is loaded, before the shadow is.
        changes: to the plan.
    """
    before = VersionedCodec()
    now = before if after is None else after
    grow(log, count)
    plan = plan_of(log, before, now, **changes)
    made = Company(file=folder / "w.duckdb", log=log, plan=plan)
    with made.sink() as sink:
        replay(log, sink, before, replay_id="live")
    build(made.file)
    between()
    with made.sink() as sink:
        sink.begin_generation(NAME, schemas=plan.schemas, plan=plan.sha256, facts={})
        if plan.makes_raw:
            shadow = sink.shadow(NAME)
            replay(log, shadow, now, replay_id="live", selection=plan.selection)
            shadow.close()
    build(made.file, suffix_of(NAME), changed, plan.schemas)
    return made


def with_models(plan: Plan, **prints: str) -> dict[str, Model]:
    """The plan's models, some with another fingerprint."""
    return {
        name: evolve(one, fingerprint=f"{name}-{prints[name]}") if name in prints else one
        for name, one in plan.models.items()
    }
