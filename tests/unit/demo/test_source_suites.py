"""The demo's sources pass the suite that every source has to pass."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eventreplay.demo.cardlists import CardListSource
from eventreplay.demo.generator import GeneratedSource
from eventreplay.interfaces import Source
from eventreplay.testing.source_suite import ReplaceableSourceSuite


class TestGeneratedSource(ReplaceableSourceSuite):
    def make_source(self, *, batch_rows_max: int = 64) -> Source:
        return GeneratedSource(21, 70, batch_rows_max=batch_rows_max)

    def make_replaced_source(self) -> Source:
        return GeneratedSource(22, 70)


class TestCardListSource(ReplaceableSourceSuite):
    rejects_min = 3

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        for number in range(3):
            cards: list[object] = [{"uniqueId": f"id-{number}-{at}", "name": "Ann / Bo"} for at in range(5)]
            sets = [{"name": "Base", "cards": [*cards, {"name": "no id"}], "parallels": [{"name": "Gold"}]}]
            (tmp_path / f"{number}.json").write_text(json.dumps({"name": "1999", "sets": sets}), "utf-8")

    def make_source(self, *, batch_rows_max: int = 64) -> Source:
        return CardListSource(self.folder, batch_rows_max=batch_rows_max)

    def make_replaced_source(self) -> Source:
        (self.folder / "0.json").write_text(json.dumps({"sets": []}), "utf-8")
        return CardListSource(self.folder)
