"""The policies of deploy/s3, enforced on the requests that the code really makes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from eventreplay.errors import LogError
from eventreplay.log.layout import segment_key
from tests.integration.s3.bucket import PARTITION, Bucket, run
from tests.integration.s3.policies import Asked, allowed, asked_by, load

ACCOUNT = "123456789012"
ROLES = ("writer", "reader", "gc")
DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'


@pytest.fixture
def policies(root: Path, bucket: Bucket) -> dict[str, Any]:
    """By role, and `bucket` for the bucket's own."""
    values = {"BUCKET": bucket.name, "PREFIX": "some/log", "ACCOUNT": ACCOUNT}
    folder = root / "deploy" / "s3"
    named = {role: load(folder / f"iam-{role}.json", **values) for role in ROLES}
    return {**named, "bucket": load(folder / "bucket-policy.json", **values)}


@contextmanager
def enforced(bucket: Bucket, policies: dict[str, Any], role: str) -> Iterator[list[Asked]]:
    """Every request of the bucket's handles is judged as one of `role`; what is denied gets S3's 403."""
    asked: list[Asked] = []
    principal = f"arn:aws:iam::{ACCOUNT}:role/eventreplay-{role}"

    def judge(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        headers = [(str(name), _text(value)) for name, value in request.headers.items()]
        one = asked_by(request.method, request.url, headers, principal=principal, tls=True)
        asked.append(one)
        if allowed(one, policies[role], policies["bucket"]):
            return None
        return AWSResponse(request.url, 403, {"content-type": "application/xml"}, _Body(DENIED))

    events = bucket._client._client.meta.events
    events.register("before-send.s3", judge)
    try:
        yield asked
    finally:
        events.unregister("before-send.s3", judge)


class _Body:
    """A reply's body as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._content


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def test_a_writer_captures_and_deletes_nothing(bucket: Bucket, policies: dict[str, Any]) -> None:
    with enforced(bucket, policies, "writer") as asked:
        run(bucket.log("some/log"))
        run(bucket.log("some/log"), events=9)
        assert bucket.log("some/log").check().ok
    assert {one.action for one in asked} == {"s3:ListBucket", "s3:GetObject", "s3:PutObject"}
    files = bucket.files("some/log")
    bucket.plain("some/log").put_new(segment_key("events", PARTITION, 0, "0" * 64), b"orphan")
    with enforced(bucket, policies, "writer"), pytest.raises(LogError, match="s3:DeleteObject"):
        bucket.log("some/log").gc()
    with enforced(bucket, policies, "gc"):
        bucket.log("some/log").gc()
    assert bucket.files("some/log") == files


def test_a_writer_stays_in_its_prefix(bucket: Bucket, policies: dict[str, Any]) -> None:
    with enforced(bucket, policies, "writer"), pytest.raises(LogError, match="s3:"):
        run(bucket.log("other/log"))
    assert bucket.files("other/log") == {}


def test_a_reader_reads_and_writes_nothing(bucket: Bucket, policies: dict[str, Any]) -> None:
    run(bucket.plain_log("some/log"))
    with enforced(bucket, policies, "reader") as asked:
        assert bucket.log("some/log").check().ok
        assert len(list(bucket.log("some/log").partitions())) == 1
    assert {one.action for one in asked} == {"s3:ListBucket", "s3:GetObject"}
    files = bucket.files("some/log")
    with enforced(bucket, policies, "reader"), pytest.raises(LogError, match="s3:PutObject"):
        run(bucket.log("some/log"), events=9)
    assert bucket.files("some/log") == files


def test_gc_cannot_reach_a_commit(bucket: Bucket, policies: dict[str, Any]) -> None:
    run(bucket.plain_log("some/log"))
    files = bucket.files("some/log")
    (commit, *_) = [key for key in files if key.startswith("commits/")]
    with enforced(bucket, policies, "gc"):
        for key in (commit, "format.json"):
            with pytest.raises(LogError, match="s3:DeleteObject"):
                bucket.storage("some/log").delete(key)
    assert bucket.files("some/log") == files


def put(key: str = "some/log/commits/x", **context: str) -> Asked:
    principal = f"arn:aws:iam::{ACCOUNT}:role/somebody"
    base = {
        "aws:SecureTransport": "true",
        "aws:PrincipalArn": principal,
        "s3:ObjectCreationOperation": "true",
    }
    return Asked(
        principal=principal,
        action="s3:PutObject",
        resource=f"arn:aws:s3:::BUCKET/{key}",
        context=base | context,
    )


ADMINISTRATOR = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
CONDITION = {"s3:if-none-match": "*"}


@pytest.mark.parametrize(
    ("asked", "passes"),
    [
        (put(**CONDITION), True),
        (put(**{"s3:if-match": '"etag"'}), True),
        (put(), False),  # overwrites whatever stands there
        (put(**{"s3:ObjectCreationOperation": "false"}), True),  # a part, which takes no condition
        (put(**CONDITION, **{"aws:SecureTransport": "false"}), False),
        (put(key="elsewhere", **CONDITION), False),
        (put(**CONDITION, **{"s3:x-amz-server-side-encryption-customer-algorithm": "AES256"}), False),
        (put(**CONDITION, **{"s3:x-amz-server-side-encryption": "aws:kms"}), True),
    ],
)
def test_the_bucket_holds_even_for_who_may_do_everything(root: Path, asked: Asked, *, passes: bool) -> None:
    policy = load(root / "deploy/s3/bucket-policy.json", PREFIX="some/log", ACCOUNT=ACCOUNT)
    assert allowed(asked, ADMINISTRATOR, policy) is passes


@pytest.mark.parametrize(
    ("role", "key", "passes"),
    [
        ("eventreplay-gc", "some/log/events/x", True),
        ("administrator", "some/log/events/x", False),
        ("eventreplay-gc-2", "some/log/events/x", False),
        ("administrator", "scratch/x", True),
    ],
)
def test_only_gc_deletes(root: Path, role: str, key: str, *, passes: bool) -> None:
    policy = load(root / "deploy/s3/bucket-policy.json", PREFIX="some/log", ACCOUNT=ACCOUNT)
    principal = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    for action in ("s3:DeleteObject", "s3:DeleteObjectVersion"):
        asked = Asked(
            principal=principal,
            action=action,
            resource=f"arn:aws:s3:::BUCKET/{key}",
            context={"aws:SecureTransport": "true", "aws:PrincipalArn": principal},
        )
        assert allowed(asked, ADMINISTRATOR, policy) is passes


def test_snowflake_reads_segments_and_nothing_else(root: Path) -> None:
    policy = load(root / "deploy/s3/iam-snowflake.json", PREFIX="some/log")
    principal = f"arn:aws:iam::{ACCOUNT}:role/eventreplay-snowflake"

    def may(action: str, resource: str, **context: str) -> bool:
        asked = Asked(
            principal=principal, action=action, resource=f"arn:aws:s3:::BUCKET{resource}", context=context
        )
        return allowed(asked, policy, None)

    assert may("s3:GetObject", "/some/log/events/log_partition=a/x.parquet")
    assert may("s3:ListBucket", "", **{"s3:prefix": "some/log/events/log_partition=a/"})
    assert not may("s3:ListBucket", "")
    assert not may("s3:GetObject", "/some/log/commits/a/1.json")
    assert not may("s3:PutObject", "/some/log/events/x")
    assert not may("s3:DeleteObject", "/some/log/events/x")
    trust = json.loads((root / "deploy/s3/trust-snowflake.json").read_text("utf-8"))
    (statement,) = trust["Statement"]
    assert statement["Action"] == "sts:AssumeRole"
    assert "sts:ExternalId" in statement["Condition"]["StringEquals"]


@pytest.mark.parametrize(
    "statement",
    [
        {
            "Effect": "Deny",
            "Action": "s3:*",
            "Resource": "*",
            "Condition": {"IpAddress": {"aws:SourceIp": "1"}},
        },
        {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"},
        {"Effect": "Deny", "Principal": {"AWS": "x"}, "Action": "s3:*", "Resource": "*"},
    ],
)
def test_what_the_judge_does_not_know_it_does_not_guess(statement: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not understood"):
        allowed(put(**{"aws:SourceIp": "1"}), ADMINISTRATOR, {"Statement": [statement]})
