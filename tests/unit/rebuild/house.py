"""A warehouse with generations and a dbt, both in memory: what a rebuild does to them can be looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from attrs import define, evolve, field, frozen

from eventreplay.capabilities.generations import FIRST, Generation, State, suffix_of
from eventreplay.capture import CaptureOptions, capture
from eventreplay.errors import GenerationError, SinkUnavailableError
from eventreplay.event import Event
from eventreplay.interfaces import Sink
from eventreplay.log import Log
from eventreplay.rebuild import Dbt, Patience
from eventreplay.rebuild.ends import Progress
from eventreplay.testing import MemorySink, MemorySource, MemoryWarehouse
from eventreplay.transform import Node, Transformation
from eventreplay.transform.project import fingerprint
from tests.records import MOMENT

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SINK = "memory://house"
AT_ONCE = Patience(attempts_max=4, sleep=lambda _seconds: None)
TYPES = ("shop.v1.Ordered", "shop.v1.Paid")


BUILT = Node(
    unique_id="model.shop.mart",
    name="mart",
    kind="model",
    status="success",
    seconds=1.0,
    message="",
    relation="MART.mart",
)


def events(count: int, first: int = 0) -> list[Event]:
    """Two types, three streams, two sources; every fifth cannot be decoded; one event a second."""
    return [
        Event(
            event_id=f"event-{at}",
            event_type=TYPES[at % 2],
            stream_id=f"stream-{at % 3}",
            source=f"till-{at % 2}",
            occurred_at=MOMENT,
            recorded_at=datetime(2026, 2, 1 + at // 24, at % 24, tzinfo=UTC),
            payload=b"%s%d" % (b"!" if at % 5 == 4 else b"", at),
        )
        for at in range(first, first + count)
    ]


def fill(log: Log, count: int, partition: str = "journal") -> None:
    """The first `count` events in the log, in commits of four."""
    options = CaptureOptions(segment_positions=4)
    capture(MemorySource(list(events(count)), name=partition), log, partition, options=options)


@define
class House:
    """What outlives sinks and dbt runs.

    Attributes:
        raws: RAW of each generation, by its name; the live one's under the name that is live.
        marts: what dbt last built of it, by the generation's name: rows of RAW that it saw.
        known: the generations, the live one first.
        busy: how many openings fail before one does not.
        opened: how often a sink was opened.
        crash: called before and after each thing that lasts, with its name; may raise.
        exclusive: whether an open sink locks others out.
        meanwhile: called after each closing, as another process would come in.
    """

    raws: dict[str, MemoryWarehouse] = field(factory=lambda: {FIRST: MemoryWarehouse()})
    marts: dict[str, int] = field(factory=dict)
    known: list[Generation] = field(factory=lambda: [generation(FIRST, "live", ("RAW",), "")])
    busy: int = 0
    opened: int = 0
    crash: Callable[[str], None] = lambda _what: None
    exclusive: bool = False
    meanwhile: Callable[[], None] = lambda: None

    def open_sink(self) -> Sink:
        """A sink over the live RAW."""
        self.opened += 1
        if self.busy:
            self.busy -= 1
            raise SinkUnavailableError("Another process has the file.")
        return HouseSink(self)

    @property
    def live(self) -> Generation:
        return self.known[0]

    @property
    def live_raw(self) -> MemoryWarehouse:
        return self.raws[self.live.name if self.live.name in self.raws else FIRST]

    def the(self, name: str) -> Generation:
        """One generation."""
        return next(each for each in self.known if each.name == name)

    def replace(self, changed: Generation) -> None:
        """Note what changed."""
        self.known = [changed if each.name == changed.name else each for each in self.known]

    def lasting(self, what: str, do: Callable[[], Any]) -> Any:
        """Do something that lasts; a crash comes before or after it."""
        self.crash(f"before {what}")
        done = do()
        self.crash(f"after {what}")
        return done


def generation(name: str, state: State, schemas: tuple[str, ...], plan: str, **more: Any) -> Generation:
    """A generation as a sink gives it."""
    given: dict[str, Any] = {"facts": {}, "began": None, "changed": None, "keep_until": None, **more}
    suffix = "" if state == "live" else suffix_of(name)
    return Generation(name=name, state=state, schemas=schemas, plan=plan, suffix=suffix, **given)


class Shadow(MemorySink):
    """A sink over one generation's own RAW; a commit lasts."""

    def __init__(self, house: House, warehouse: MemoryWarehouse) -> None:
        super().__init__(warehouse)
        self._house = house

    def commit(self, *given: Any, **more: Any) -> None:
        self._house.lasting("commit", lambda: super(Shadow, self).commit(*given, **more))


class HouseSink(Shadow):
    """A sink over the live RAW that holds generations."""

    def __init__(self, house: House) -> None:
        super().__init__(house, house.live_raw)

    @property
    def locks_others_out(self) -> bool:
        return self._house.exclusive

    def close(self) -> None:
        was_open = not self._closed
        super().close()
        if was_open:
            self._house.meanwhile()

    def generations(self) -> Sequence[Generation]:
        return tuple(self._house.known)

    def begin_generation(
        self, name: str, *, schemas: Sequence[str], plan: str, facts: Mapping[str, Any]
    ) -> Generation:
        house = self._house
        for each in house.known:
            if each.name == name:
                if each.plan != plan:
                    raise GenerationError("The name is taken by another plan.")
                return each
        made = generation(name, "building", tuple(schemas), plan, facts=dict(facts), began=NOW)

        def begin() -> Generation:
            house.known.append(made)
            if "RAW" in schemas:
                house.raws[name] = MemoryWarehouse()
            return made

        found: Generation = house.lasting("begin", begin)
        return found

    def shadow(self, name: str) -> Sink:
        return Shadow(self._house, self._house.raws[name])

    def note(self, name: str, *, state: Literal["building", "ready"], facts: Mapping[str, Any]) -> None:
        plain = json.loads(json.dumps(dict(facts)))
        changed = evolve(self._house.the(name), state=state, facts=plain)
        self._house.lasting(f"note {state}", lambda: self._house.replace(changed))

    def promote(
        self, name: str, *, keep_until: datetime, catch_up: Callable[[], None] | None = None
    ) -> Generation:
        house = self._house
        if house.live.name == name:
            return house.live
        if catch_up is not None:
            catch_up()
        if name in house.raws:
            for key, checkpoint in house.live_raw.checkpoints.items():
                known = house.raws[name].checkpoints.get(key)
                assert known is not None
                assert known.position >= checkpoint.position

        def switch() -> None:
            before = evolve(house.live, state="kept", keep_until=keep_until, suffix=suffix_of(name))
            now = evolve(house.the(name), state="live", suffix="")
            others = [each for each in house.known if each.name not in {before.name, name}]
            if name not in house.raws:
                house.raws[name] = house.live_raw
            house.known = [now, before, *others]

        house.lasting("switch", switch)
        return house.live

    def rollback(self) -> Generation:
        house = self._house
        back = next((each for each in house.known if each.state == "kept"), None)
        if back is None:
            raise GenerationError("Nothing was promoted.")
        now = evolve(house.live, state="ready", suffix=suffix_of(house.live.name))
        others = [each for each in house.known if each.name not in {back.name, now.name}]
        house.known = [evolve(back, state="live", suffix="", keep_until=None), now, *others]
        return house.live

    def drop(self, name: str) -> None:
        self._house.known = [each for each in self._house.known if each.name != name]
        self._house.raws.pop(name, None)


@frozen(kw_only=True)
class FakeDbt(Dbt):
    """Leaves the manifest that it was given, and builds a mart of RAW: how many rows it held.

    Attributes:
        house: where it builds.
        manifest: what it leaves, made for a suffix.
        calls: what was asked of it: command, environment, full refresh.
    """

    house: House
    manifest: Callable[[str, str], dict[str, Any]]
    calls: list[tuple[str, Mapping[str, str], bool]] = field(factory=list)

    def run(
        self,
        command: str,
        *,
        environment: Mapping[str, str] | None = None,
        place: str = "live",
        full_refresh: bool = False,
        progress: Progress | None = None,
    ) -> Transformation:
        given = dict(environment or {})
        raw, suffix = given["EVENTREPLAY_RAW_SCHEMA"], given["EVENTREPLAY_SCHEMA_SUFFIX"]
        self.calls.append((command, given, full_refresh))
        folder = self.work / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.json").write_text(json.dumps(self.manifest(raw, suffix)))
        nodes: tuple[Node, ...] = ()
        if command == "build":
            self.house.lasting("build", lambda: self._built(raw, suffix, whole=full_refresh))
            nodes = (BUILT,)
        if progress is not None:
            progress(1, 1)
        return Transformation(
            nodes=nodes, invocation_id="i", project_fingerprint=fingerprint(self.project), seconds=2.0
        )

    def _built(self, raw: str, suffix: str, *, whole: bool) -> None:
        name = suffix.removeprefix("_").lower() if suffix else self.house.live.name
        assert whole or name in self.house.marts, "An incremental build of what was never built whole."
        source = self.house.live_raw if raw == "RAW" else self.house.raws[name]
        self.house.marts[name] = len(source.events)


def a_dbt(
    folder: Path, house: House, manifest: Callable[[str, str], dict[str, Any]] | None = None
) -> FakeDbt:
    """A project of three models, and dbt over it."""
    project = folder / "project"
    project.mkdir(exist_ok=True)
    (project / "dbt_project.yml").write_text("name: shop\nvars:\n  share: 3\nmodels: {}\n")
    (project / "mart.sql").write_text("select 1\n")
    return FakeDbt(
        project=project,
        environment={},
        work=folder / "dbt",
        house=house,
        manifest=manifest or shop,
    )


def shop(raw: str, suffix: str, **code: str) -> dict[str, Any]:
    """A manifest: RAW.EVENTS -> clean (STAGING) -> mart (MART), and a seed beside; one dashboard each."""

    def node(name: str, schema: str, kind: str, text: str, above: list[str], **config: Any) -> dict[str, Any]:
        return {
            "name": name, "resource_type": kind, "schema": f"{schema}{suffix}", "alias": name,
            "package_name": "shop", "raw_code": code.get(name, text), "language": "sql",
            "checksum": {"checksum": f"of {name}"}, "columns": {"id": {"data_type": "int"}},
            "config": {"materialized": "table", "schema": schema, "meta": {}, **config},
            "depends_on": {"nodes": above}, "contract": {"enforced": False}, "constraints": [],
        }  # fmt: skip

    def macro(name: str, text: str, package: str = "shop") -> dict[str, Any]:
        return {"name": name, "package_name": package, "macro_sql": code.get(name, text)}

    source = {
        "schema": raw, "name": "events", "identifier": "EVENTS", "source_name": "raw",
        "resource_type": "source",
    }  # fmt: skip
    macros = [
        macro("cents", "{{ rounded(x) }}"),
        macro("rounded", "{{ adapter.dispatch('half_up')(x) }}"),
        macro("default__half_up", "round(x)"),
        macro("snowflake__half_up", "round(x, 0)"),
        macro("shared", "{{ var('share') }}"),
        macro("get_incremental_ours_sql", "delete"),
        macro("generate_schema_name", "suffix"),
        macro("duckdb__create_table_as", "ours in the place of dbt's"),
        macro("default__create_table_as", "dbt's own", "dbt"),
    ]
    unused = macro("unused", "nothing")
    return {
        "metadata": {"adapter_type": "duckdb"},
        "nodes": {
            "model.shop.clean": node(
                "clean", "STAGING", "model", "select {{ cents() }}", ["source.shop.raw.events"],
                materialized="incremental", incremental_strategy="ours", unique_key="id",
            ),
            "model.shop.mart": node(
                "mart", "MART", "model", "select {{ shared() }} from clean",
                ["model.shop.clean", "seed.shop.rates"],
            ),
            "seed.shop.rates": node("rates", "MART", "seed", "", [], materialized="seed"),
            "test.shop.unique_mart": {
                "name": "unique_mart", "resource_type": "test", "schema": "x", "config": {},
                "attached_node": "model.shop.mart", "column_name": None,
                "test_metadata": {"name": "unique_key", "kwargs": {"columns": ["day", "sku"]}},
            },
        },
        "sources": {"source.shop.raw.events": source},
        "macros": {f"macro.{each['package_name']}.{each['name']}": each for each in [*macros, unused]},
        "exposures": {
            "exposure.shop.board": {
                "name": "board", "type": "dashboard", "owner": {"name": "Finance"},
                "depends_on": {"nodes": ["model.shop.mart"]},
            },
            "exposure.shop.prices": {
                "name": "prices", "type": "notebook", "owner": {},
                "depends_on": {"nodes": ["seed.shop.rates"]},
            },
        },
    }  # fmt: skip
