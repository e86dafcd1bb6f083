"""What a run's process is told and tells: how to reach the log, and errors without data."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from eventreplay.log.s3 import S3Settings
from eventreplay.prove import CodecName, ranges_of, working
from eventreplay.prove.combinations import CLOCKS
from eventreplay.prove.working import s3_facts, work
from eventreplay.secret import Secret
from tests.integration.prove.material import BASE, ROWS, filled
from tests.integration.prove.planted_codecs import place


def request(folder: Path, codec: str) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    log = filled(folder / "log")
    parts = ranges_of(log)
    return {
        "log": log.url,
        "s3": None,
        "codec": CodecName(name=place(codec)).to_json(),
        "ranges": [
            {"partition": part.partition, "after": part.after_commit, "upto": part.upto_commit}
            for part in parts
        ],
        "how": BASE.to_json(),
        "clock": CLOCKS["days"],
        "warehouse": str(folder / "warehouse.duckdb"),
    }  # fmt: skip


def test_settings_of_s3_come_through_the_pipe_with_their_secrets_and_as_they_were() -> None:
    settings = S3Settings(access_key_id="AKIA", secret_access_key=Secret("hunter2"), region="eu-north-1")
    facts = json.loads(json.dumps(s3_facts(settings)))
    assert working._s3_of(facts) == settings
    assert working._s3_of(s3_facts(None)) is None


def test_what_was_done_comes_back_and_progress_before_it(tmp_path: Path) -> None:
    told: list[int] = []
    done: Any = work(request(tmp_path, "none"), {"zone": "x"}, told.append)["done"]
    assert (done["read"], done["loaded"], done["effects"]) == (ROWS + 6, ROWS + 6, {"zone": "x"})
    assert told == [12, 24, 30]


def test_the_clock_steps_as_it_is_told() -> None:
    now = working._clock(*CLOCKS["days"])
    assert now().isoformat() == CLOCKS["days"][0]
    assert now() - now() == timedelta(days=-1)


def test_an_error_of_ours_keeps_its_kind_and_another_shows_its_place_alone(tmp_path: Path) -> None:
    lost = {"log": str(tmp_path / "nowhere"), "codec": {"name": "nobody", "limits": {}}}
    ours: Any = work({**request(tmp_path / "a", "none"), **lost}, {}, lambda _: None)["error"]
    assert (ours["kind"], ours["exit_code"]) == ("UnknownPluginError", 2)
    (tmp_path / "b").mkdir()
    other: Any = work(request(tmp_path / "b", "raising"), {}, lambda _: None)["error"]
    assert (other["kind"], other["message"]) == ("ValueError", "")
    assert other["place"].startswith("planted_codecs.py:")
