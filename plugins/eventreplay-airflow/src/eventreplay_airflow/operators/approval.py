"""A person's word before the next step, if it is wanted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from eventreplay_airflow import values
from eventreplay_airflow.failures import as_airflow


class ApprovalIfWantedOperator(ApprovalOperator):
    """Asks a person to approve or reject, and holds no worker while it waits; or passes at once.

    What is asked stands under *Required actions* in Airflow, and is answered there or over REST. Rejected,
    the tasks behind it are skipped. Unanswered, it fails after `response_timeout`.

    Args:
        wanted: whether to ask at all; may be a template.
        kwargs: as Airflow's `ApprovalOperator` takes: `subject`, `body` (Markdown), `response_timeout`, ...
            `execution_timeout` would end the wait, so it has to be None.
    """

    template_fields: Collection[str] = ("subject", "body", "wanted")

    def __init__(self, *, wanted: bool | str = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wanted = wanted

    def execute(self, context: Any) -> Any:
        """Ask, or pass."""
        with as_airflow():
            wanted = values.flag("wanted", self.wanted)
        if wanted:
            return super().execute(context)
        self.log.info("Nobody is asked.")
        return {"chosen_options": [], "asked": False}

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> Any:
        """Somebody has answered, or nobody in time."""
        return super().execute_complete(context, dict(event))
