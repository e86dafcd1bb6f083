"""Each right that is missing stops the log with its name, and `doctor` says which statement grants it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from eventreplay.errors import ConfigError, LogError
from eventreplay.finding import Finding
from eventreplay.log import Log
from eventreplay.log.layout import segment_key
from eventreplay.log.s3 import S3Settings, check_s3
from tests.integration.s3.bucket import PARTITION, Bucket, run

RIGHTS = {
    "ListObjectsV2": "s3:ListBucket",
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "CreateMultipartUpload": "s3:AbortMultipartUpload",
}


def checked(bucket: Bucket, settings: S3Settings | None = None) -> dict[str, Finding]:
    found = check_s3(f"s3://{bucket.name}/some/log", settings or bucket.settings)
    return {finding.name: finding for finding in found}


def test_a_good_bucket_has_all_that_is_required_and_keeps_no_probe(bucket: Bucket) -> None:
    found = checked(bucket)
    assert [one for one in found.values() if one.required and not one.ok] == []
    assert found["s3 credentials"].detail == "They come from env."
    assert {"conditional put", "conditional replace", "versioning", "lifecycle", "encryption"} <= set(found)
    assert bucket.files("some/log") == {}
    assert "testing" not in repr(found)  # the key of the store for tests


@pytest.mark.parametrize("operation", RIGHTS)
def test_doctor_names_each_missing_right_and_what_grants_it(bucket: Bucket, operation: str) -> None:
    bucket.shim.fail("403", operation=operation, times=None)
    right = RIGHTS[operation]
    finding = checked(bucket)[right]
    assert not finding.ok
    assert finding.required is (right in {"s3:ListBucket", "s3:GetObject", "s3:PutObject"})
    statement = json.loads(finding.hint)
    assert statement["Action"] == right
    below = "" if right == "s3:ListBucket" else "/some/log/*"
    assert statement["Resource"] == f"arn:aws:s3:::{bucket.name}{below}"


def test_doctor_sees_a_store_that_ignores_conditions(bucket: Bucket) -> None:
    # What a store that overwrites looks like: the condition never reaches it.
    bucket.shim.ignore_conditions = True
    try:
        found = checked(bucket)
    finally:
        bucket.shim.ignore_conditions = False
    for name in ("conditional put", "conditional replace"):
        assert not found[name].ok
        assert found[name].required


def test_doctor_says_what_cannot_be_reached(bucket: Bucket) -> None:
    assert not checked(bucket, S3Settings(endpoint="http://127.0.0.1:1", attempts_max=1))["s3 bucket"].ok
    missing = check_s3("s3://no-such-bucket-here/log", bucket.settings)
    assert [finding.ok for finding in missing] == [True, False]
    assert "NoSuchBucket" in missing[1].detail
    assert not check_s3("s3://bucket/../log", bucket.settings)[0].ok


ACTS: Mapping[str, Callable[[Bucket, str], object]] = {
    "capture": lambda bucket, prefix: run(bucket.log(prefix), events=20),
    "check": lambda bucket, prefix: bucket.log(prefix).check(),
    "gc": lambda bucket, prefix: bucket.log(prefix).gc(),
}


@pytest.mark.parametrize(
    ("operation", "act"),
    [("PutObject", "capture"), ("GetObject", "check"), ("ListObjectsV2", "check"), ("DeleteObject", "gc")],
)
def test_a_missing_right_stops_with_its_name_and_changes_nothing(
    bucket: Bucket, operation: str, act: str
) -> None:
    prefix = bucket.prefix()
    run(bucket.plain_log(prefix))
    bucket.plain(prefix).put_new(segment_key("events", PARTITION, 0, "0" * 64), b"orphan")
    files = bucket.files(prefix)
    bucket.shim.fail("403", operation=operation, times=None)
    with pytest.raises(LogError, match=RIGHTS[operation]) as caught:
        ACTS[act](bucket, prefix)
    assert not caught.value.retryable
    assert caught.value.fields["right"] == RIGHTS[operation]
    assert bucket.files(prefix) == files


def test_a_writer_needs_no_right_to_delete(bucket: Bucket) -> None:
    bucket.shim.fail("403", operation="DeleteObject", times=None)
    prefix = bucket.prefix()
    run(bucket.log(prefix))
    run(bucket.log(prefix), events=9)
    assert bucket.log(prefix).check().ok
    assert not [call for call in bucket.shim.calls if call.operation == "DeleteObject"]


@pytest.mark.parametrize("key", ["../outside", "a/../../b", "/absolute", "a//b", ".", "", "a/./b", "nul\0"])
def test_keys_that_climb_never_reach_the_store(bucket: Bucket, key: str) -> None:
    storage = bucket.storage(bucket.prefix())
    for act in (
        lambda: storage.put_new(key, b""),
        lambda: storage.replace(key, b"", b""),
        lambda: storage.get(key),
        lambda: storage.delete(key),
    ):
        with pytest.raises(LogError):
            act()
    assert bucket.shim.calls == []


@pytest.mark.parametrize(
    "url", ["s3://bucket/a/../b", "s3://bucket/a//b", "s3://b/" + "x" * 701, "s3://.x/a"]
)
def test_prefixes_that_climb_are_refused(bucket: Bucket, url: str) -> None:
    settings = bucket.settings
    found = check_s3(url, settings)
    assert [finding.ok for finding in found] == [False]
    with pytest.raises(ConfigError):
        open_at(url, settings)


def open_at(url: str, settings: S3Settings) -> None:
    Log.open(url, s3=settings)


def test_policies_grant_what_the_code_needs_and_no_more(root_policies: dict[str, str]) -> None:
    writer, reader, bucket_policy = (json.loads(root_policies[name]) for name in POLICIES)
    assert rights(writer) == {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"}
    assert rights(reader) == {"s3:ListBucket", "s3:GetObject"}
    denied = {one["Sid"]: one for one in bucket_policy["Statement"] if one["Effect"] == "Deny"}
    assert denied["OnlyByTls"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert set(denied["NothingIsDeleted"]["Action"]) >= {"s3:DeleteObject", "s3:DeleteObjectVersion"}
    assert denied["PutsAreConditional"]["Action"] == "s3:PutObject"
    assert not re.search(r'"Action": "\*"', json.dumps(writer) + json.dumps(reader))


POLICIES = ("iam-writer.json", "iam-reader.json", "bucket-policy.json")


def rights(policy: dict[str, list[dict[str, object]]]) -> set[str]:
    found: set[str] = set()
    for one in policy["Statement"]:
        action = one["Action"]
        found |= {action} if isinstance(action, str) else set(action)  # type: ignore[call-overload]
    return found


@pytest.fixture
def root_policies(root: Path) -> dict[str, str]:
    folder = root / "deploy" / "s3"
    return {name: (folder / name).read_text("utf-8") for name in POLICIES}
