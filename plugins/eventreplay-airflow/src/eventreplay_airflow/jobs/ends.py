"""Work between a log and a warehouse: what is told to it, and how it opens them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from attrs import frozen

from eventreplay.interfaces import Sink
from eventreplay.log import Log
from eventreplay_airflow.hook import EventReplayHook
from eventreplay_airflow.jobs.opening import when_free
from eventreplay_airflow.jobs.outcome import Report

RAW = "RAW"


@frozen(kw_only=True)
class EndsRequest:
    """What every operator of this kind was told; see there."""

    log: str
    sink: str
    options: Mapping[str, object]

    @property
    def raw_schema(self) -> str:
        """RAW's name."""
        return str(self.options.get("raw_schema", RAW))


Request = TypeVar("Request", bound=EndsRequest)


class LogToSinkWork(Generic[Request]):
    """One piece of work; see `Work`. The log is opened at once, the warehouse when it is asked for."""

    def __init__(
        self,
        request: Request,
        hook: EventReplayHook,
        report: Report,
        stopped: Callable[[], bool],
        logger: Any,
    ) -> None:
        self._request = request
        self._hook = hook
        self._report = report
        self._stopped = stopped
        self._logger = logger
        self.log: Log = hook.open_log(request.log)

    def _open_sink(self) -> Sink:
        """The warehouse, open; waits while a file is in use."""
        request = self._request
        return when_free(
            request.sink,
            lambda: self._hook.open_sink(request.sink, request.options),
            self._logger,
            self._stopped,
        )
