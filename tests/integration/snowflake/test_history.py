"""COPY's memory of what it loaded decides nothing: not while it remembers, not after it has forgotten."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from eventreplay.sinks.snowflake import SnowflakeSettings
from tests.integration.snowflake.loading import due, empty, held, load, position, small_log
from tests.integration.snowflake.server import StandIn


def remembered(standin: StandIn, database: str) -> int:
    """Files in COPY's history of this database."""
    query = f'SELECT COUNT(*) FROM "{database}"._fs_information_schema._loaded_files'
    return int(standin.run(query)[0][0])


def test_loads_repeat_exactly_whatever_copy_remembers(
    standin: StandIn, settings: SnowflakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The same sink id at the same moments: the files of each load have the same names and the same bytes,
    # which is all that COPY knows a file by.
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0123456789abcdef")
    log = small_log(tmp_path / "log")
    expected = due(log)
    load(log, settings)
    assert remembered(standin, settings.database) == 6  # two of each of three commits
    # All is loaded, and the history is gone: nothing is loaded again.
    standin.run("CALL SYSTEM$STANDIN_FORGET_COPY_HISTORY()", database=settings.database)
    assert remembered(standin, settings.database) == 0
    assert load(log, settings).read == 0
    assert held(standin, settings.database) == expected
    for files in (6, 12):  # loaded anew after it has forgotten, and again while it remembers that load
        empty(standin, settings.database)
        load(log, settings)
        assert remembered(standin, settings.database) == files
        assert held(standin, settings.database) == expected
        assert position(standin, settings.database) == [("live/journal", 3)]
