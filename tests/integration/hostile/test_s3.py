"""Hostile strings and a log on S3: values are exact; odd partitions are refused before any request."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from eventreplay import Log, capture
from eventreplay.errors import ConfigError
from eventreplay.log.layout import valid_partition
from eventreplay.log.s3 import S3Storage
from eventreplay.testing import MemorySource
from eventreplay.testing.hostile import HOSTILE
from tests.integration.hostile.corpus import canary, cases, seen


def keys(bucket: str) -> set[str]:
    client = boto3.client("s3")
    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}
    finally:
        client.close()


def told(method: Callable[..., Any], asked: list[str]) -> Callable[..., Any]:
    """`method`, which tells that it was called."""

    def call(*arguments: Any, **named: Any) -> Any:
        asked.append(method.__name__)
        return method(*arguments, **named)

    return call


def put(bucket: str, key: str) -> None:
    client = boto3.client("s3")
    client.put_object(Bucket=bucket, Key=key, Body=b"alive")
    client.close()


def test_every_value_is_on_s3_exactly_or_refused(tmp_path: Path, s3_bucket: str) -> None:
    before = canary(tmp_path)
    put(s3_bucket, "canary")
    every = list(cases())
    log = Log.open(f"s3://{s3_bucket}/deep/log")
    receipt = capture(MemorySource([case.event for case in every]), log, "hostile")
    assert (receipt.received, receipt.quarantined) == (len(every), sum(case.is_refused for case in every))
    again = Log.open(f"s3://{s3_bucket}/deep/log")
    found = {}
    for commit in again.reader("hostile").commits():
        for ref in (*commit.segments, *commit.quarantine):
            for row in again.read(ref).to_pylist():
                found[json.loads(row["payload"])["case"]] = {**row, "headers": dict(row["headers"] or [])}
    for case in every:
        assert case.found_in(found[f"{case.place}/{case.name}"]) == case.text, case
    assert again.check().ok
    assert {key.partition("/")[0] for key in keys(s3_bucket)} == {"canary", "deep"}
    assert seen(tmp_path) == before


def test_every_name_of_a_partition_is_kept_or_refused_before_any_request(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3_bucket, "canary")
    event = next(cases()).event
    log = Log.open(f"s3://{s3_bucket}/log")
    kept = set()
    asked: list[str] = []
    for method in ("put_new", "replace", "delete", "get", "keys", "folders"):
        monkeypatch.setattr(S3Storage, method, told(getattr(S3Storage, method), asked))
    for name, text in HOSTILE.items():
        asked.clear()
        if valid_partition(text):
            assert capture(MemorySource([event]), log, text).logged == 1
            assert asked, name
            kept.add(text)
            continue
        with pytest.raises(ConfigError) as caught:
            capture(MemorySource([event]), log, text)
        assert caught.value.hint, name
        with pytest.raises(ConfigError):
            log.reader(text)
        assert asked == [], name
    assert kept
    assert set(log.partitions()) == kept
    assert all(key == "canary" or key.startswith("log/") for key in keys(s3_bucket))
