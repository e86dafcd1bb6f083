"""Credentials: from where they come, that they are renewed, and that nobody ever sees them."""

from __future__ import annotations

import logging
import traceback
from multiprocessing import forkserver
from pathlib import Path

import pytest

from eventreplay.errors import ConfigError, LogError
from eventreplay.log import Log
from eventreplay.log.s3 import S3Settings, check_s3
from eventreplay.replay import replay
from eventreplay.secret import Secret
from eventreplay.testing import MemorySink, MemoryWarehouse
from tests.hex_codec import HexCodec
from tests.integration.s3.bucket import Bucket, run

MARKER = "MARKERhush0secret"


def refusals(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bucket.shim.reset()


def profile(folder: Path, monkeypatch: pytest.MonkeyPatch, key: str, token: str) -> Path:
    path = folder / "credentials"
    path.write_text(
        f"[warehouse]\naws_access_key_id = {key}\naws_secret_access_key = {MARKER}\n"
        f"aws_session_token = {token}\n",
        "utf-8",
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "none"))
    return path


def test_a_profile_is_used_and_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refusals(bucket, monkeypatch)
    profile(tmp_path, monkeypatch, "key", "token")
    settings = S3Settings(endpoint=bucket.shim.endpoint, profile="warehouse")
    url = f"s3://{bucket.name}/log"
    run(Log.open(url, s3=settings))
    found = check_s3(url, settings)
    assert found[0].detail == "They come from shared-credentials-file."
    assert MARKER not in repr(found)


def test_those_of_the_settings_are_used_by_this_process_and_by_workers(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refusals(bucket, monkeypatch)
    # The chain would give others: these are refused wherever they are used.
    profile(tmp_path, monkeypatch, "chain", "token-of-the-chain")
    monkeypatch.setenv("AWS_PROFILE", "warehouse")
    bucket.shim.refuse_token("token-of-the-chain")
    settings = S3Settings(
        endpoint=bucket.shim.endpoint,
        access_key_id="MARKERkey",
        secret_access_key=Secret(MARKER),
        session_token=Secret(f"{MARKER}-token"),
    )
    url = f"s3://{bucket.name}/given"
    log = Log.open(url, s3=settings)
    run(log)
    assert check_s3(url, settings)[0].detail == "They come from explicit."
    # Workers have the environment in which the first of them was asked for, maybe by another test.
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    assert replay(log, MemorySink(MemoryWarehouse()), HexCodec(), workers=2).read == 5
    assert not [call.fault for call in bucket.shim.calls if call.fault]
    assert "MARKER" not in repr(settings)
    bucket.shim.refuse_token(f"{MARKER}-token")
    with pytest.raises(LogError, match="credentials have expired"):
        log.partitions()


def test_no_credentials_are_said_before_anything_is_asked(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refusals(bucket, monkeypatch)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="no credentials"):
        Log.open(f"s3://{bucket.name}/log", s3=S3Settings(endpoint=bucket.shim.endpoint))
    assert bucket.shim.calls == []


def test_a_profile_that_is_not_there_is_said(bucket: Bucket) -> None:
    with pytest.raises(ConfigError, match="ProfileNotFound"):
        Log.open(f"s3://{bucket.name}/log", s3=S3Settings(profile="nobody"))


def test_a_token_that_expires_in_the_middle_is_read_again(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refusals(bucket, monkeypatch)
    profile(tmp_path, monkeypatch, "old", "token-old")
    settings = S3Settings(endpoint=bucket.shim.endpoint, profile="warehouse")
    log = Log.open(f"s3://{bucket.name}/log", s3=settings)
    profile(tmp_path, monkeypatch, "new", "token-new")
    bucket.shim.refuse_token("token-old")
    run(log)
    assert log.check().ok
    assert [call.fault for call in bucket.shim.calls if call.fault] == ["expired"]


def test_a_token_that_stays_expired_stops_and_says_so(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refusals(bucket, monkeypatch)
    caplog.set_level(logging.INFO)
    profile(tmp_path, monkeypatch, "key", f"{MARKER}-token")
    settings = S3Settings(endpoint=bucket.shim.endpoint, profile="warehouse")
    log = Log.open(f"s3://{bucket.name}/log", s3=settings)
    bucket.shim.refuse_token(f"{MARKER}-token")
    with pytest.raises(LogError, match="credentials have expired") as caught:
        run(log)
    assert not caught.value.retryable
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.fields) + caplog.text
    assert MARKER not in shown


@pytest.mark.parametrize("kind", ["403", "500", "reset", "cut-reply", "expired"])
def test_no_secret_is_in_any_error(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    refusals(bucket, monkeypatch)
    profile(tmp_path, monkeypatch, "MARKERkey", f"{MARKER}-token")
    settings = S3Settings(endpoint=bucket.shim.endpoint, profile="warehouse", attempts_max=2, wait_min_s=0.01)
    bucket.shim.fail(kind, times=None)  # type: ignore[arg-type]
    with pytest.raises(LogError) as caught:
        Log.open(f"s3://{bucket.name}/log", s3=settings).partitions()
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.fields)
    assert "MARKER" not in shown


def test_the_role_that_is_assumed_is_asked_for_at_sts(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", bucket.direct)
    settings = S3Settings(
        endpoint=bucket.shim.endpoint,
        region="us-east-1",
        role_arn="arn:aws:iam::123456789012:role/eventreplay-writer",
    )
    run(Log.open(f"s3://{bucket.name}/role", s3=settings))
    assert "assume-role" in check_s3(f"s3://{bucket.name}/role", settings)[0].detail
    assert bucket.plain_log("role").check().ok
