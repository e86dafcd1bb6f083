"""One loaded warehouse, and what a rebuild of it works with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve

from eventreplay.interfaces import Codec
from eventreplay.log import Log
from eventreplay.rebuild import Plan, Promotion, RunReceipt, Selection, plan, promote, run
from eventreplay.rebuild.fingerprints import model_fingerprints
from eventreplay.receipts import keep
from eventreplay.replay import replay
from tests.hex_codec import FixedCodec, HexCodec
from tests.records import memory_storage, open_log
from tests.unit.rebuild.house import AT_ONCE, NOW, SINK, FakeDbt, House, a_dbt, fill
from tests.unit.rebuild.house import shop as a_shop

OLD, NEW = HexCodec(), FixedCodec(suffix=',"v":2')


@define
class Shop:
    """A log of 20 events that the old codec loaded, and a project that was built of it."""

    log: Log
    house: House
    dbt: FakeDbt
    codec: Codec = NEW

    def load(self, count: int, codec: Codec = OLD) -> None:
        """The first `count` events, in the log and in the live RAW."""
        fill(self.log, count)
        replay(self.log, self.house.open_sink(), codec)

    def built(self, *, full_refresh: bool = True, **more: Any) -> None:
        """A receipt of a build by the project as it is."""
        prints = model_fingerprints(self.dbt.manifest("RAW", ""), project=self.dbt.project)
        facts = {"command": "build", "sink": SINK, "fingerprints": prints, "full_refresh": full_refresh}
        keep(self.log, "dbt", {**facts, "seconds": 7.5, **more}, began=NOW, ended=NOW)

    def plan(self, name: str = "g1", **how: Any) -> Plan:
        """A plan of a generation."""
        given: Mapping[str, Any] = {"selection": Selection(), "patience": AT_ONCE, "now": NOW, **how}
        return plan(self.log, self.house.open_sink, self.codec, self.dbt, name=name, sink_url=SINK, **given)

    def run(self, plan: Plan, **how: Any) -> RunReceipt:
        """Build it."""
        return run(plan, self.log, self.house.open_sink, self.codec, self.dbt, patience=AT_ONCE, **how)

    def promote(self, plan: Plan | str, **how: Any) -> Promotion:
        """Make it live."""
        return promote(
            plan, self.log, self.house.open_sink, self.codec, self.dbt, patience=AT_ONCE, now=NOW, **how
        )

    def with_code(self, **code: str) -> Shop:
        """The same with other texts of models and macros."""

        def manifest(raw: str, suffix: str) -> dict[str, Any]:
            return a_shop(raw, suffix, **code)

        return evolve(self, dbt=evolve(self.dbt, manifest=manifest))


@pytest.fixture
def house() -> House:
    """A warehouse without anything."""
    return House()


@pytest.fixture
def shop(tmp_path: Path, house: House) -> Shop:
    """A log of 20 events; 16 of them are loaded."""
    made = Shop(open_log(memory_storage()), house, a_dbt(tmp_path, house))
    made.load(16)
    fill(made.log, 20)
    return made
