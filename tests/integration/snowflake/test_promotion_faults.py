"""Answers are lost at statements of a promotion and of a rollback: the next call comes to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventreplay.errors import SinkUnavailableError
from eventreplay.sinks.snowflake import SnowflakeSettings
from tests.integration.snowflake import promoting
from tests.integration.snowflake.promoting import NEW, OLD, World
from tests.integration.snowflake.server import StandIn

STATEMENTS = {
    "swap": "SWAP WITH",
    "state": "^UPDATE .*GENERATIONS. SET .STATE",
    "lock": "^UPDATE .*CHECKPOINT_LOCK",
    "journal": "^UPDATE .*GENERATIONS. SET .JOURNAL",
    "mark": "^COMMENT ON TABLE",
    "view": "^CREATE OR REPLACE VIEW",
    "commit": "^COMMIT",
}


@pytest.mark.long
@pytest.mark.parametrize("name", STATEMENTS)
def test_a_lost_answer_swaps_nothing_twice_and_leaves_nothing_half_done(
    standin: StandIn, settings: SnowflakeSettings, tmp_path: Path, name: str
) -> None:
    world = World(standin, settings, tmp_path / "log")
    promoting.begin(settings, tmp_path / "log")
    world.build()
    before = {suffix: world.seen(suffix) for suffix in ("", "_G1")}
    for skip in (0, 1):
        for kind in ("cut", "cut_before"):
            for verb, end in ((promoting.promote, NEW), (promoting.rollback, OLD)):
                standin.control("POST", kind=kind, match=STATEMENTS[name], skip=skip, for_good=True)
                with pytest.raises(SinkUnavailableError):
                    verb(settings)
                assert standin.struck() >= 1
                standin.control("DELETE")
                world.see_no_mixture(before)
                verb(settings)
                world.check(end, before)
