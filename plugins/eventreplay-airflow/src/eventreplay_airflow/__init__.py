"""Airflow's way to eventreplay: operators over the verbs, a hook, a wait for commits, assets.

The names below are imported when they are first used: Airflow asks for the provider's description in every
one of its processes, and parsing a DAG loads neither Arrow nor a driver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventreplay_airflow.hook import EventReplayHook
    from eventreplay_airflow.operators.approval import ApprovalIfWantedOperator
    from eventreplay_airflow.operators.capture import CaptureOperator
    from eventreplay_airflow.operators.dbt import DbtOperator
    from eventreplay_airflow.operators.rebuild import (
        RebuildDiffOperator,
        RebuildPlanOperator,
        RebuildPromoteOperator,
        RebuildRollbackOperator,
        RebuildRunOperator,
    )
    from eventreplay_airflow.operators.replay import ReplayOperator
    from eventreplay_airflow.operators.verify import VerifyOperator
    from eventreplay_airflow.operators.wait import WaitForCommitsOperator
    from eventreplay_airflow.ranges import journal_ranges

__all__ = [
    "ApprovalIfWantedOperator",
    "CaptureOperator",
    "DbtOperator",
    "EventReplayHook",
    "RebuildDiffOperator",
    "RebuildPlanOperator",
    "RebuildPromoteOperator",
    "RebuildRollbackOperator",
    "RebuildRunOperator",
    "ReplayOperator",
    "VerifyOperator",
    "WaitForCommitsOperator",
    "journal_ranges",
]

_HOME = {
    "ApprovalIfWantedOperator": "eventreplay_airflow.operators.approval",
    "CaptureOperator": "eventreplay_airflow.operators.capture",
    "DbtOperator": "eventreplay_airflow.operators.dbt",
    "EventReplayHook": "eventreplay_airflow.hook",
    "RebuildDiffOperator": "eventreplay_airflow.operators.rebuild",
    "RebuildPlanOperator": "eventreplay_airflow.operators.rebuild",
    "RebuildPromoteOperator": "eventreplay_airflow.operators.rebuild",
    "RebuildRollbackOperator": "eventreplay_airflow.operators.rebuild",
    "RebuildRunOperator": "eventreplay_airflow.operators.rebuild",
    "ReplayOperator": "eventreplay_airflow.operators.replay",
    "VerifyOperator": "eventreplay_airflow.operators.verify",
    "WaitForCommitsOperator": "eventreplay_airflow.operators.wait",
    "journal_ranges": "eventreplay_airflow.ranges",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
