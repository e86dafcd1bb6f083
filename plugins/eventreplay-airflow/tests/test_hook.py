"""The hook: which connection is asked for, when none is, and what it makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from eventreplay.errors import ConfigError
from eventreplay_airflow import EventReplayHook


class Asked(dict[str, Any]):
    """Connections by id; remembers who was asked for."""

    def __init__(self, **given: Any) -> None:
        super().__init__(given)
        self.ids: list[str] = []

    def get_one(self, conn_id: str) -> Any:
        self.ids.append(conn_id)
        if conn_id not in self:
            raise AirflowNotFoundException(conn_id)
        return self[conn_id]


def hook(asked: Asked, **given: Any) -> EventReplayHook:
    return EventReplayHook(get=asked.get_one, mask=lambda _: None, **given)


def test_folders_files_and_duckdb_need_no_connection(tmp_path: Path, orders: str) -> None:
    asked = Asked()
    made = hook(asked, source_conn_id="a", log_conn_id="b", sink_conn_id="c")
    made.open_log(str(tmp_path), must_exist=False)
    made.source_maker(orders).make().close()
    made.open_sink(f"duckdb:///{tmp_path / 'w.duckdb'}").close()
    assert made.dbt_environment(f"duckdb:///{tmp_path / 'w.duckdb'}")["DBT_TARGET"] == "duckdb"
    assert asked.ids == []


@pytest.mark.parametrize(
    ("spec", "conn_id"),
    [("postgres:public.events", "eventreplay_journal"), ("rabbitmq:events", "eventreplay_queue")],
)
def test_the_usual_connection_of_an_end_is_asked_for(spec: str, conn_id: str) -> None:
    asked = Asked()
    with pytest.raises(ConfigError, match=f"{conn_id} is not defined"):
        hook(asked).source_maker(spec)
    with pytest.raises(ConfigError, match="other is not defined"):
        hook(asked, source_conn_id="other").source_maker(spec)
    assert asked.ids == [conn_id, "other"]


def test_an_empty_name_takes_the_environment_as_the_command_line_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EVENTREPLAY_POSTGRES_HOST", "elsewhere")
    asked = Asked(mine=Connection(conn_id="mine", conn_type="postgres", host="db"))
    found: Any = hook(asked, source_conn_id="").source_maker("postgres", {"readers": 2}).settings
    assert (found.host, found.readers, asked.ids) == ("elsewhere", 2, [])
    found = hook(asked, source_conn_id="mine").source_maker("postgres").settings
    assert found.host == "db", "a connection is everything: the environment adds nothing to it"
