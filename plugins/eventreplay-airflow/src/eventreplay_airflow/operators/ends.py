"""Operators between a log and a warehouse: both are told to them in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from eventreplay_airflow import values
from eventreplay_airflow.operators.base import EventReplayOperator


class LogToSinkOperator(EventReplayOperator):
    """Runs a verb over a log and a warehouse.

    Args:
        log: a folder or `s3://bucket/prefix`.
        sink: `snowflake://DATABASE`, `duckdb:////abs/w.duckdb`, or what else is installed.
        log_conn_id: connection of the log's store; None: `eventreplay_log` if it is S3; empty: none.
        sink_conn_id: connection of the warehouse; the same.
        sink_options: further settings of the sink, by their names; secrets stand in the connection.
        kwargs: as every operator of this provider takes.
    """

    ends: ClassVar[Sequence[str]] = ("log_url", "sink", "log_conn_id", "sink_conn_id", "sink_options")
    template_fields: Sequence[str] = ends

    def __init__(
        self,
        *,
        log: str,
        sink: str,
        log_conn_id: str | None = None,
        sink_conn_id: str | None = None,
        sink_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.log_url = log  # `log` is the operator's logger
        self.sink = sink
        self.log_conn_id = log_conn_id
        self.sink_conn_id = sink_conn_id
        self.sink_options = sink_options or {}

    def told_ends(self) -> dict[str, Any]:
        """What the request of the work has of both."""
        return {
            "log": values.text("log", self.log_url),
            "sink": values.text("sink", self.sink),
            "options": values.mapping("sink_options", self.sink_options) or {},
        }
