"""A person is asked if that is wanted, and nobody is if not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk.exceptions import AirflowFailException, TaskAwaitingInput

from eventreplay_airflow import ApprovalIfWantedOperator


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What Airflow was told to ask."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **given: found.append(given))
    return found


def approval(wanted: object) -> ApprovalIfWantedOperator:
    return ApprovalIfWantedOperator(
        task_id="approve",
        wanted=wanted,  # type: ignore[arg-type]
        subject="Switch over?",
        body="3 rows differ.",
        response_timeout=timedelta(days=1),
        execution_timeout=None,
    )


def context() -> dict[str, Any]:
    return {"task_instance": SimpleNamespace(id="one")}


@pytest.mark.parametrize("wanted", [False, "false", "", None])
def test_nobody_is_asked(asked: list[dict[str, Any]], wanted: object) -> None:
    assert approval(wanted).execute(context()) == {"chosen_options": [], "asked": False}
    assert asked == []


@pytest.mark.parametrize("wanted", [True, "True"])
def test_a_person_is_asked_and_no_worker_is_held(asked: list[dict[str, Any]], wanted: object) -> None:
    with pytest.raises(TaskAwaitingInput) as waiting:
        approval(wanted).execute(context())
    assert waiting.value.timeout == timedelta(days=1)
    (question,) = asked
    assert (question["subject"], question["body"]) == ("Switch over?", "3 rows differ.")
    assert question["options"] == ["Approve", "Reject"]


def test_who_approved_is_handed_on() -> None:
    said = {
        "chosen_options": ["Approve"], "params_input": {}, "responded_at": datetime(2026, 1, 1, tzinfo=UTC),
        "responded_by_user": {"id": "1", "name": "ada"},
    }  # fmt: skip
    found = approval(wanted=True).execute_complete(context(), said)
    assert found["responded_by_user"]["name"] == "ada"


def test_what_is_no_answer_to_whether_somebody_is_to_be_asked_fails(asked: list[dict[str, Any]]) -> None:
    with pytest.raises(AirflowFailException, match="wanted is not true or false"):
        approval("perhaps").execute(context())
    assert asked == []
