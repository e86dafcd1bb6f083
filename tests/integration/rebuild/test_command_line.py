"""The commands of a rebuild over a DuckDB file and a real dbt: what they print, keep, refuse and change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from eventreplay.capture import CaptureOptions, capture
from eventreplay.cli import main
from eventreplay.event import Event
from eventreplay.log import Log
from eventreplay.testing import MemorySource
from tests.records import MOMENT

SINK = "duckdb:///w.duckdb"
SMALL = Path(__file__).with_name("small")
MODEL = """{{ config(unique_key='event_id') }}
select event_id, event_type, payload, 1 as version from {{ source('raw', 'EVENTS') }}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log of eight events, a warehouse to come and a project of one model."""
    folder = tmp_path_factory.mktemp("shop")
    project = folder / "project"
    shutil.copytree(SMALL, project)
    shutil.rmtree(project / "models")
    (project / "models").mkdir()
    shutil.copy(SMALL / "models" / "sources.yml", project / "models")
    (project / "models" / "happened.sql").write_text(MODEL)
    (project / "models" / "reads.yml").write_text(
        "version: 2\nexposures:\n  - name: board\n    type: dashboard\n"
        "    owner: {email: finance@example.com}\n    depends_on: [ref('happened')]\n"
    )
    (folder / "eventreplay.toml").write_text(f'log_url = "log"\nsink_url = "{SINK}"\n')
    happen(folder, 8)
    return folder


def happen(folder: Path, count: int) -> None:
    """The first `count` events, in commits of two."""
    items = [
        Event(
            event_id=f"event-{at}",
            event_type="web.viewed",
            occurred_at=MOMENT,
            content_type="application/json",
            payload=b'{"n": %d}' % at,
        )
        for at in range(count)
    ]
    capture(MemorySource(items), Log.open(folder / "log"), "web", options=CaptureOptions(segment_positions=2))


def see(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    """Run a command with --json; its exit code and its document."""
    found = main([*words, "--json"])
    said = capsys.readouterr()
    assert found == code, said.err
    document: dict[str, Any] = json.loads(said.out)
    return document


@pytest.mark.long
def test_the_story_of_a_model_that_changed(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop)
    code = ("--project", "project", "--work", "work")
    see(capsys, "replay")
    built = see(capsys, "dbt", "build", *code)
    assert list(built["fingerprints"]) == ["happened"]

    # Nothing has changed: the receipts say so.
    same = see(capsys, "rebuild", "plan", "same", *code)
    assert (same["raw"]["again"], same["models_changed"], same["models_affected"]) == (False, [], [])
    assert same["settings"] == {"project": "project"}

    # The model changes. A plan is written once, and not over one that somebody may have read.
    (shop / "project" / "models" / "happened.sql").write_text(MODEL.replace("1 as version", "2 as version"))
    made = see(capsys, "rebuild", "plan", "g1", "--raw", *code)
    assert (made["models_changed"], made["schemas"]) == (["happened"], ["RAW", "MART"])
    assert [each["affected"] for each in made["exposures"]] == [True]
    assert made["reads"]["events"] == 8
    assert see(capsys, "rebuild", "plan", "g1", *code, code=2)["error"]["kind"] == "ConfigError"
    assert (
        Path(made["file"]).read_text()
        == json.dumps({k: v for k, v in made.items() if k != "file"}, indent=2) + "\n"
    )

    # A plan that was edited, another log than the plan's: refused, and nothing is begun.
    edited = json.loads(Path("g1.plan.json").read_text())
    edited["replay_id"] = "other"
    Path("edited.json").write_text(json.dumps(edited))
    for words in (("edited.json",), ("g1.plan.json", "--log", "elsewhere")):
        refused = see(capsys, "rebuild", "run", *words, "--work", "work", code=1)
        assert refused["error"]["kind"] == "PlanError"
    assert [each["name"] for each in see(capsys, "rebuild", "ls")["generations"]] == ["first"]

    # Built beside what is live; then switched over.
    ran = see(capsys, "rebuild", "run", "g1.plan.json", "--work", "work", "--workers", "1", "--memory", "256")
    assert (ran["state"], ran["read"], ran["loaded"], ran["builds"]) == ("ready", 8, 8, 1)
    assert versions(shop) == {(1, 8)}
    assert see(capsys, "rebuild", "show", "g1")["generation"]["facts"]["built"] == {"web": 4}
    assert see(capsys, "verify", "--generation", "g1", "--no-receipt")["partitions"][0]["rows"] == 8
    found = see(capsys, "rebuild", "diff", "g1.plan.json")
    assert (found["ok"], [each["name"] for each in found["tables"] if each["state"] != "equal"]) == (
        True, ["happened"],
    )  # fmt: skip
    assert see(capsys, "rebuild", "diff", "g1.plan.json", "--no-receipt")["receipt"] is None
    promoted = see(capsys, "rebuild", "promote", "g1.plan.json", "--work", "work", "--keep", "2d")
    assert (promoted["before"], promoted["read"], promoted["built"]) == ("first", 0, False)
    assert versions(shop) == {(2, 8)}

    # What is to be kept is not dropped; gone back, everything is as it was.
    kept = see(capsys, "rebuild", "drop", "first", code=1)["error"]
    assert (kept["kind"], "until" in kept["message"]) == ("GenerationError", True)
    assert see(capsys, "rebuild", "rollback")["live"]["name"] == "first"
    assert versions(shop) == {(1, 8)}
    assert see(capsys, "rebuild", "drop", "g1")["dropped"] == ["g1"]
    receipts = see(capsys, "receipts", "ls")["receipts"]
    assert [(each["kind"], each["facts"].get("action")) for each in receipts] == [
        ("replay", None), ("dbt", None), ("rebuild", "run"), ("rebuild", "diff"),
        ("rebuild", "promote"), ("rebuild", "rollback"), ("rebuild", "drop"),
    ]  # fmt: skip
    assert [each["facts"].get("before") for each in receipts[4:6]] == ["first", "g1"]


def versions(folder: Path) -> set[tuple[int, int]]:
    """Which version of the model the mart has, and how many rows."""
    with duckdb.connect(str(folder / "w.duckdb"), read_only=True) as connection:
        return set(connection.execute("SELECT version, count(*) FROM MART.happened GROUP BY 1").fetchall())


def test_what_is_typed_wrong_is_said(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop)
    for words, code in (
        (("rebuild", "plan", "g5", "--since", "yesterday"), 2),
        (("rebuild", "plan", "g5", "--since", "2026-01-01T00:00:00"), 2),
        (("rebuild", "plan", "g5", "--until", "web=x"), 2),
        (("rebuild", "plan", "G 5"), 2),
        (("rebuild", "run", "none.json"), 1),
        (("rebuild", "show", "none"), 1),
        (("rebuild", "promote", "none"), 1),
        (("verify", "--generation", "none"), 1),
        (("verify", "--generation", "g1", "--repair"), 2),
        (("dbt", "build", "--project", "nowhere"), 2),
    ):
        assert see(capsys, *words, code=code)["error"]["message"], words
    assert main(["rebuild", "drop"]) == 2
    assert main(["rebuild", "promote", "g1", "--keep", "soon"]) == 2
