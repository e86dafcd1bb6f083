"""What the platform on this machine is filled with, and what its command line takes; no server is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventreplay.sources.files import FileSource
from tools.airflow_platform import filling
from tools.airflow_platform.__main__ import main

EVENTS, SEED = 1_500, 7


def ids() -> list[str | None]:
    return [
        name for batch in filling.generated(EVENTS, SEED) for name in batch.column("event_id").to_pylist()
    ]


def test_messages_keep_the_order_and_no_run_of_them_has_an_id_twice() -> None:
    batches = list(filling.generated(EVENTS, SEED))
    runs = [run for batch in batches for run in filling.without_repeats(batch.to_pylist())]
    assert [event.event_id for run in runs for event in run] == [name or "" for name in ids()]
    assert all(len({event.event_id for event in run}) == len(run) for run in runs)
    assert len(set(ids())) < len(ids()), "repeats are among them, or the test sees nothing"
    assert len(runs) < EVENTS / 10, "a run is many messages"


def test_files_hold_the_history_in_its_order(tmp_path: Path) -> None:
    assert filling.into_files(tmp_path / "all", EVENTS, SEED) == EVENTS
    source = FileSource(tmp_path / "all")
    head = source.head()
    assert head == EVENTS - 1
    batches = list(source.read(None, head))
    events = [name for batch in batches for name in batch.events.column("event_id").to_pylist()]
    assert [name for name in events if name] == [name for name in ids() if name]


def test_a_part_of_the_history_is_its_end(tmp_path: Path) -> None:
    rows = [name for batch in filling.generated(EVENTS, SEED, 1_000) for name in batch.column(0).to_pylist()]
    assert rows == ids()[1_000:]
    assert filling.into_files(tmp_path, EVENTS, SEED, 1_000) == 500


@pytest.mark.parametrize("arguments", [["--events", "0"], ["--events", "1000001"], ["--no-such"]])
def test_the_command_refuses_before_it_starts_anything(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m tools.airflow_platform" in capsys.readouterr().err
