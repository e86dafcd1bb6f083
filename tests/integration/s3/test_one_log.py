"""A log in a bucket is the log of a folder: the same keys and bytes, through kills, takeovers and workers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from pathlib import Path

import pytest
from attrs import evolve

from eventreplay.batch import Batch
from eventreplay.errors import EventReplayError, FenceError
from eventreplay.event import Checkpoint
from eventreplay.log import Log, encode_events
from eventreplay.log.s3 import S3Settings
from eventreplay.replay import replay
from eventreplay.testing import MemorySink, MemoryWarehouse
from eventreplay.testing.examples import example_events
from tests.hex_codec import HexCodec
from tests.integration.s3.bucket import PARTITION, Bucket, run, tree

EVENTS = 11
WIDTH = 2
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def due(tmp_path: Path) -> dict[str, str]:
    log = Log.open(tmp_path / "log")
    run(log, events=EVENTS, segment_positions=WIDTH)
    return tree(log._storage)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_bucket_holds_the_bytes_of_a_folder(bucket: Bucket, due: dict[str, str], workers: int) -> None:
    prefix = bucket.prefix()
    run(bucket.log(prefix), events=EVENTS, segment_positions=WIDTH, workers=workers)
    assert bucket.files(prefix) == due


def killed_at(bucket: Bucket, url: str, call: int, workers: int) -> int:
    """Kill -9 a capture while its request number `call` waits for an answer; its exit status."""
    bucket.shim.reset()
    bucket.shim.fail("timeout", call=call, times=None)
    command = [sys.executable, "-m", "tests.integration.s3.child", url, str(EVENTS), str(workers)]
    environment = {**os.environ, "AWS_ENDPOINT_URL_S3": bucket.shim.endpoint}
    with subprocess.Popen(command, cwd=ROOT, env=environment) as child:
        assert bucket.shim.wait_fired(60), "The call never came."
        child.kill()
        status = child.wait()
    bucket.shim.reset()
    return status


@pytest.mark.parametrize(("call", "workers"), [(9, 1), (17, 4)])
def test_killed_and_run_again_it_is_the_same_log(
    bucket: Bucket, due: dict[str, str], call: int, workers: int
) -> None:
    prefix = bucket.prefix()
    assert killed_at(bucket, f"s3://{bucket.name}/{prefix}", call, workers) == -9
    assert bucket.plain_log(prefix).check().ok
    assert bucket.files(prefix) != due
    run(bucket.log(prefix), events=EVENTS, segment_positions=WIDTH, workers=workers)
    assert bucket.files(prefix) == due


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_killed_at_every_call_it_is_the_same_log(bucket: Bucket, due: dict[str, str]) -> None:
    bucket.shim.reset()
    run(bucket.log(bucket.prefix()), events=EVENTS, segment_positions=WIDTH)
    for call in range(1, len(bucket.shim.calls) + 1):
        prefix = bucket.prefix()
        assert killed_at(bucket, f"s3://{bucket.name}/{prefix}", call, 1) == -9
        assert bucket.plain_log(prefix).check().ok
        run(bucket.log(prefix), events=EVENTS, segment_positions=WIDTH)
        assert bucket.files(prefix) == due, call


def test_from_the_moment_a_second_writer_opens_the_first_commits_nothing(bucket: Bucket) -> None:
    log = bucket.log(bucket.prefix())
    table = Batch.from_events(example_events(2)).events
    checkpoint = Checkpoint(source="journal", epoch="1", position=1)
    first = log.writer(PARTITION)
    segment = encode_events(table, 0)
    second = log.writer(PARTITION)
    with pytest.raises(FenceError):
        first.commit([segment], [], checkpoint)
    second.commit([segment], [], checkpoint)
    with pytest.raises(FenceError):
        first.commit([segment], [], checkpoint)


@pytest.mark.parametrize("fault", ["", "lost", "503"])
def test_two_writers_race_and_one_log_comes_out(bucket: Bucket, due: dict[str, str], fault: str) -> None:
    prefix = bucket.prefix()
    if fault:
        bucket.shim.fail(fault, operation="PutObject", first=3, times=4)  # type: ignore[arg-type]
    gate = threading.Barrier(2)

    def race(_: int) -> str:
        gate.wait(timeout=30)
        try:
            log = Log.open("race", storage=bucket.patient(prefix))
            run(log, events=EVENTS, segment_positions=WIDTH)
        except EventReplayError as error:
            return type(error).__name__
        return "done"

    with ThreadPoolExecutor(2) as threads:
        ends = list(threads.map(race, range(2)))
    assert set(ends) <= {"done", "FenceError", "LogUnavailableError"}
    assert bucket.plain_log(prefix).check().ok
    run(bucket.log(prefix), events=EVENTS, segment_positions=WIDTH)
    assert bucket.files(prefix) == due, ends


def test_a_lost_reply_is_known_for_ones_own_and_for_anothers(bucket: Bucket) -> None:
    storage = bucket.storage(bucket.prefix())
    bucket.shim.fail("lost", operation="PutObject", times=2)
    assert storage.put_new("slot", b"mine") is True
    bucket.shim.reset()
    bucket.shim.fail("lost", operation="PutObject")
    assert storage.replace("slot", b"next", b"mine") is True
    # The same bytes by another call: not ours, though nothing in the content says so.
    other = bucket.storage(storage._root.rstrip("/"))
    bucket.shim.reset()
    bucket.shim.fail("reset", operation="PutObject")
    meanwhile = Meanwhile(lambda: other.replace("slot", b"same", b"next"))
    # The wait between two attempts is where the other one writes.
    storage._patience = evolve(storage._patience, sleep=meanwhile)
    assert storage.replace("slot", b"same", b"next") is False
    assert meanwhile.done


class Meanwhile:
    """Something that happens while a storage waits between two attempts."""

    def __init__(self, act: Callable[[], bool]) -> None:
        self.act = act
        self.done = False

    def __call__(self, _: float) -> None:
        if not self.done:
            self.done = True
            assert self.act() is True


def test_worker_processes_reach_the_bucket_by_the_settings_of_the_log(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reaches the parent by argument must not have to be in the environment of its workers."""
    prefix = bucket.prefix()
    run(bucket.log(prefix), events=EVENTS, segment_positions=WIDTH)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    log = Log.open(f"s3://{bucket.name}/{prefix}", s3=S3Settings(endpoint=bucket.shim.endpoint))
    # Workers have the environment in which the first of them was asked for, maybe by another test.
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    receipt = replay(log, MemorySink(MemoryWarehouse()), HexCodec(), workers=2)
    assert receipt.read == EVENTS
