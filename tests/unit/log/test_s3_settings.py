"""What S3Settings accepts, and that a refusal says which setting and shows no secret."""

from __future__ import annotations

import subprocess
import sys

import pytest

from eventreplay.errors import ConfigError
from eventreplay.log.s3 import S3Settings, s3_place
from eventreplay.secret import Secret

ROLE = "arn:aws:iam::123456789012:role/writer"


@pytest.mark.parametrize(
    ("setting", "given"),
    [
        ("endpoint", {"endpoint": "ftp://host"}),
        ("endpoint", {"endpoint": "https://key:MARKER@host"}),
        ("endpoint", {"endpoint": "https://host?token=MARKER"}),
        ("endpoint", {"endpoint": "https://host:99999"}),
        ("endpoint", {"endpoint": "host:9000"}),
        ("access_key_id", {"access_key_id": "MARKER"}),
        ("access_key_id", {"secret_access_key": Secret("MARKER")}),
        ("access_key_id", {"access_key_id": "MARKER/", "secret_access_key": Secret("MARKER")}),
        ("session_token", {"session_token": Secret("MARKER")}),
        ("role_arn", {"role_arn": "MARKER"}),
        ("role_external_id", {"role_external_id": "MARKER"}),
        ("addressing", {"addressing": "host"}),
        ("sse", {"sse": "rot13"}),
        ("kms_key_id", {"kms_key_id": "key"}),
        ("kms_key_id", {"kms_key_id": "key", "sse": "AES256"}),
        ("attempts_max", {"attempts_max": 0}),
        ("request_timeout_s", {"request_timeout_s": 0}),
        ("retry_time_s", {"retry_time_s": float("nan")}),
        ("part_bytes", {"part_bytes": 1}),
        ("multipart_bytes_min", {"multipart_bytes_min": 1}),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(setting: str, given: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        S3Settings(**given)  # type: ignore[arg-type]
    assert caught.value.fields["setting"] == setting
    assert setting in str(caught.value)
    assert "MARKER" not in str(caught.value)


def test_credentials_do_not_print() -> None:
    settings = S3Settings(access_key_id="MARKER", secret_access_key=Secret("MARKER"))
    assert "MARKER" not in repr(settings)


def test_what_is_meant_is_taken() -> None:
    S3Settings(endpoint="http://127.0.0.1:9000", role_arn=ROLE, role_external_id="x")
    S3Settings(sse="aws:kms", kms_key_id="alias/log", multipart_bytes_min=None)
    assert set(S3Settings.ENVIRONMENT.values()) >= {"AWS_REGION", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"}


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://bucket", ("bucket", "")),
        ("s3://bucket/", ("bucket", "")),
        ("s3://my.bucket-1/a/b/", ("my.bucket-1", "a/b")),
        ("s3://bucket/Zoë", ("bucket", "Zoë")),
    ],
)
def test_places(url: str, place: tuple[str, str]) -> None:
    assert s3_place(url) == place


@pytest.mark.parametrize(
    "url",
    [
        "s3://", "s3://../x", "s3://b", "s3://bucket/a/../b", "s3://bucket/./b", "s3://bucket/a//b",
        "s3://key:MARKER@bucket/x", "s3://bucket/x?token=MARKER", "s3://bucket/a\u202eb", "s3://bucket/\udcff",
        "s3://bucket/" + "é" * 400,
    ],
)  # fmt: skip
def test_places_that_are_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        s3_place(url)
    assert "MARKER" not in str(caught.value)


def test_settings_need_no_driver() -> None:
    code = "import sys, eventreplay.log.s3 as s; s.S3Settings(); sys.exit('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
