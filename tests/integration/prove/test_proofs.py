"""prove finds what is no function of the log, names it, and says what it depends on."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from eventreplay.capture import CaptureOptions, capture
from eventreplay.demo.generator import GeneratedSource
from eventreplay.errors import ConfigError, CorruptLogError, EventReplayError
from eventreplay.log import Log
from eventreplay.prove import CodecName, Proof, ProveOptions, prove, ranges_of
from eventreplay.prove.proof import AGAIN
from tests.integration.prove.material import ROWS, filled, two
from tests.integration.prove.planted_codecs import PLANTED, place


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return filled(tmp_path_factory.mktemp("prove") / "log")


def proven(log: Log, codec: str, **how: object) -> Proof:
    options = ProveOptions(**{"seed": 3, "finds_causes": False, **how})  # type: ignore[arg-type]
    return prove(log, CodecName(name=place(codec)), ranges_of(log), options=options)


def test_each_planted_dependence_is_found_in_two_runs_and_named_by_event_and_column(log: Log) -> None:
    proof = proven(log, "every", runs=2)
    (difference,) = proof.differences
    assert (difference.table, difference.found.columns) == ("RAW.EVENTS", ("payload",))
    named = {one.key["event_id"]: one for one in difference.found.named}
    planted = [name for name in PLANTED if name != "plain"]
    assert list(named) == [f"journal-{12 + at}-{name}" for at, name in enumerate(planted)]
    assert {one.column.partition("[")[0] for one in named.values()} == {"payload.value"}
    first = difference.found.named[0]
    assert first.key == {"log_partition": "journal", "log_offset": "12", "event_id": "journal-12-zone"}
    assert first.values[0] != first.values[1]
    assert all(text is not None and len(text) == len("14 12:13") for text in first.values)
    assert difference.found.rows == len(planted)


def test_a_good_codec_is_proven_with_every_dimension_in_effect(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    other.chmod(0o755)
    name = CodecName(name="sportscards")
    proof = prove(log, name, ranges_of(log), options=ProveOptions(runs=2, seed=1, pythons=(str(other),)))
    assert proof.ok
    assert proof.constant == {"python": "what was asked for had no effect on this machine"}
    assert set(proof.varied) == {
        "batch_rows_max", "workers", "transaction_rows_min", "hash_seed", "zone", "locale", "decimals",
        "clock", "sink_threads",
    }  # fmt: skip
    assert proof.rows == ROWS + 6
    assert {name: output.rows for name, output in proof.runs[1].outputs.items()} == {
        "RAW.EVENTS": ROWS + 6, "RAW.QUARANTINE": 0,
    }  # fmt: skip
    assert proof.skipped == {"RAW.EVENTS": ("inserted_at",), "RAW.QUARANTINE": ("quarantined_at",)}
    assert list((tmp_path / "t").iterdir()) == []


def test_the_cause_is_found_by_changing_one_thing_at_a_time(log: Log) -> None:
    changed = two(zone="Pacific/Kiritimati", hash_seed=2)
    (difference,) = proven(log, "zone_alone", how=changed, finds_causes=True).differences
    assert difference.causes == ("time zone",)
    assert difference.found.rows == 1


@pytest.mark.long
def test_what_differs_by_itself_is_said_to(log: Log) -> None:
    (difference,) = proven(log, "random_text", how=two(zone="UTC0"), finds_causes=True).differences
    assert difference.causes == (AGAIN,)


def test_an_upcaster_in_the_ambient_decimal_context_is_found(tmp_path: Path) -> None:
    log = Log.open(tmp_path / "log")
    capture(GeneratedSource(5, 600), log, "journal", options=CaptureOptions(segment_positions=200))
    changed = two(decimals="narrow")
    (difference,) = proven(log, "upcaster_in_context", how=changed).differences
    first = difference.found.named[0]
    assert (difference.table, first.column) == ("RAW.EVENTS", "payload.customer_email")
    assert first.values == ("3.333333333333333333333333333", "3.33334")


def test_a_codec_that_fails_in_one_run_is_an_error_and_its_text_is_not_told(log: Log, tmp_path: Path) -> None:
    with pytest.raises(
        EventReplayError, match=r"^Run 2 of 2 ended with ValueError at planted_codecs"
    ) as error:
        proven(log, "failing", how=two(zone="Pacific/Kiritimati"), kept=tmp_path / "kept")
    assert "{}" not in str(error.value)
    assert "ValueError" in (tmp_path / "kept/run-2/said.txt").read_text()


def test_a_fingerprint_that_differs_is_a_difference(log: Log) -> None:
    differences = proven(log, "other_fingerprint", how=two(hash_seed=2)).differences
    assert [one.table for one in differences] == ["codec"]


def test_a_damaged_log_is_an_error_of_its_own_kind(tmp_path: Path) -> None:
    log = filled(tmp_path / "log")
    segment = next(path for path in sorted((tmp_path / "log").rglob("*.parquet")))
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.chmod(0o644)
    segment.write_bytes(content)
    with pytest.raises(CorruptLogError, match="Run 1 of 2: ") as error:
        proven(log, "none", how=two(hash_seed=2))
    assert error.value.exit_code == 3


def test_an_interpreter_without_the_package_is_refused(log: Log) -> None:
    with pytest.raises(ConfigError, match="cannot import eventreplay"):
        proven(log, "none", runs=2, pythons=(os.devnull,))
