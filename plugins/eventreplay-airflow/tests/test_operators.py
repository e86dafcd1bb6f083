"""What all operators do the same way: errors, rendering, progress, what a task's arguments may be."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import jinja2
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from eventreplay import errors
from eventreplay_airflow import (
    CaptureOperator,
    DbtOperator,
    RebuildDiffOperator,
    RebuildPlanOperator,
    RebuildPromoteOperator,
    RebuildRollbackOperator,
    RebuildRunOperator,
    ReplayOperator,
    VerifyOperator,
    WaitForCommitsOperator,
    values,
)
from eventreplay_airflow.failures import StoppedError, as_airflow
from eventreplay_airflow.progress import TaskProgress

ALL: list[tuple[type[Any], dict[str, Any]]] = [
    (CaptureOperator, {"source": "files:x", "log": "log", "partition": "journal"}),
    (ReplayOperator, {"log": "log", "sink": "duckdb:///w.duckdb"}),
    (VerifyOperator, {"log": "log", "sink": "duckdb:///w.duckdb"}),
    (DbtOperator, {"sink": "duckdb:///w.duckdb"}),
    (WaitForCommitsOperator, {"log": "log"}),
    (RebuildPlanOperator, {"log": "log", "sink": "duckdb:///w.duckdb", "generation": "g1"}),
    (RebuildRunOperator, {"log": "log", "sink": "duckdb:///w.duckdb", "plan": {}, "workers": 1}),
    (RebuildDiffOperator, {"log": "log", "sink": "duckdb:///w.duckdb", "plan": "", "schemas": "s"}),
    (RebuildPromoteOperator, {"log": "log", "sink": "duckdb:///w.duckdb", "plan": {}, "keep_days": 7}),
    (RebuildRollbackOperator, {"log": "log", "sink": "duckdb:///w.duckdb"}),
]


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (errors.ConfigError("Wrong."), False),
        (errors.CorruptLogError("Damaged."), False),
        (errors.EpochError("Another."), False),
        (errors.LateEventError("Late."), False),
        (errors.CodecChangedError("Changed."), False),
        (errors.SourceUnavailableError("Away."), True),
        (errors.LogUnavailableError("Away."), True),
        (errors.SinkUnavailableError("Away."), True),
        (errors.FenceError("Taken over."), True),
        (errors.CheckpointConflictError("Moved."), True),
        (StoppedError(), True),
    ],
)
def test_what_may_pass_is_tried_again_and_nothing_else(error: Exception, again: bool) -> None:  # noqa: FBT001
    with pytest.raises(AirflowException) as caught, as_airflow():
        raise error from RuntimeError("password=MARKERdriver")
    assert isinstance(caught.value, AirflowFailException) is not again
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)
    assert "MARKERdriver" not in str(caught.value)


def test_a_message_loses_what_looks_like_a_secret() -> None:
    with pytest.raises(AirflowFailException) as caught, as_airflow():
        raise errors.ConfigError("It said postgresql://ada:MARKERone@db and token=MARKERtwo.", hint="Look.")
    assert "MARKER" not in str(caught.value)
    assert str(caught.value).endswith("Look.")


@pytest.mark.parametrize(("kind", "given"), ALL)
def test_every_argument_is_rendered(kind: type[Any], given: dict[str, Any]) -> None:
    operator = kind(task_id="task", **given)
    fields = set(operator.template_fields)
    rendered = {f"{name}_url" if name == "log" else name for name in given}
    assert rendered <= fields
    assert not [name for name in fields if not hasattr(operator, name)]


@pytest.mark.parametrize(("kind", "given"), ALL)
@pytest.mark.parametrize("url", ["s3://ada:MARKER@bucket/log", "duckdb://MARKER@host/w"])
def test_a_url_with_a_login_is_refused_before_it_is_stored(
    kind: type[Any], given: dict[str, Any], url: str
) -> None:
    name = "log" if "log" in given else "sink"
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        operator = kind(task_id="task", **{**given, name: "{{ url }}"})
        if hasattr(operator, "work_folder"):  # these read variables, of which there are none
            operator.project = operator.target = operator.work_folder = ""
    with pytest.raises(AirflowFailException, match="login in it") as caught:
        operator.render_template_fields({"url": url}, jinja2.Environment(autoescape=True))
    assert "MARKER" not in str(caught.value)


def test_rendered_fields_hold_what_was_given_and_no_more() -> None:
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        operator = CaptureOperator(
            task_id="task",
            source="files:{{ x }}",
            log="{{ x }}",
            partition="p",
            source_options={"a": "{{ x }}"},
        )
    operator.render_template_fields({"x": "y"}, jinja2.Environment(autoescape=True))
    shown = {name: getattr(operator, name) for name in operator.template_fields}
    assert json.loads(json.dumps(shown))["source_options"] == {"a": "y"}
    assert (shown["source"], shown["log_url"]) == ("files:y", "y")


class Lines:
    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, text: str) -> None:
        self.said.append(text)


def test_progress_speaks_every_few_seconds_and_at_the_end() -> None:
    now = [0.0]
    lines = Lines()
    progress = TaskProgress(lines, "capture", clock=lambda: now[0])
    for second in range(11):
        now[0] = second
        progress.note(second * 100, 2000)
    now[0] = 20
    progress.end("done.")
    assert lines.said == [
        "capture: 500 of 2,000 (25 %) events, 100/s",
        "capture: 1,000 of 2,000 (50 %) events, 100/s",
        "capture: done. In 20.0 s, 50 events/s.",
    ]


@pytest.mark.parametrize(
    ("read", "given", "due"),
    [
        (values.whole, "12", 12),
        (values.whole, 12.0, 12),
        (values.whole, None, None),
        (values.whole, "None", None),
        (values.seconds, "1.5", 1.5),
        (values.seconds, 2, 2.0),
        (values.seconds, "", None),
        (values.flag, "True", True),
        (values.flag, "false", False),
        (values.flag, None, False),
        (values.mapping, '{"a": 1}', {"a": 1}),
        (values.mapping, "{'a': 1}", {"a": 1}),
        (values.mapping, "", None),
        (values.texts, "a", ("a",)),
        (values.texts, '["a", "b"]', ("a", "b")),
        (values.texts, None, ()),
    ],
)
def test_arguments_as_templates_render_them(read: Any, given: object, due: object) -> None:
    assert read("name", given) == due


@pytest.mark.parametrize(
    ("read", "given"),
    [
        (values.whole, "1e3"),
        (values.whole, -1),
        (values.whole, True),
        (values.whole, 1.5),
        (values.seconds, 0),
        (values.seconds, "-1"),
        (values.seconds, True),
        (values.seconds, float("nan")),
        (values.flag, "yes"),
        (values.mapping, "[1]"),
        (values.mapping, "MARKER"),
        (values.texts, {"a": 1}),
        (values.text, ""),
    ],
)
def test_what_makes_no_sense_names_the_argument_and_not_the_value(read: Any, given: object) -> None:
    with pytest.raises(errors.ConfigError, match="name") as caught:
        read("name", given)
    assert "MARKER" not in str(caught.value)
