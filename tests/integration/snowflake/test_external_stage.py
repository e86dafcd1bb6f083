"""An external stage: files go to a bucket by S3's API, and COPY reads them from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from attrs import evolve

from eventreplay.errors import ConfigError, SinkError
from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSettings, SnowflakeSink
from eventreplay.testing import TickingClock
from eventreplay.testing.examples import example_rows
from eventreplay.testing.services import S3Server
from tests.integration.snowflake.loading import due, held, load, small_log
from tests.integration.snowflake.server import StandIn


@pytest.fixture
def external(
    standin: StandIn, settings: SnowflakeSettings, s3_server: S3Server, s3_bucket: str
) -> SnowflakeSettings:
    """A stage over a prefix of a fresh bucket; the keys in it stand for the integration."""
    given = s3_server.environment()
    standin.run(
        f"CREATE STAGE {settings.database}.RAW.BUCKET_STAGE URL = 's3://{s3_bucket}/some/prefix/'"
        f" CREDENTIALS = (AWS_KEY_ID = '{given['AWS_ACCESS_KEY_ID']}'"
        f" AWS_SECRET_KEY = '{given['AWS_SECRET_ACCESS_KEY']}') ENDPOINT = '{s3_server.endpoint}'"
    )
    return evolve(settings, stage=f"s3://{s3_bucket}/some/prefix", stage_name="BUCKET_STAGE")


def keys(bucket: str) -> list[str]:
    found: list[dict[str, Any]] = boto3.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
    return [item["Key"] for item in found]


def test_a_log_goes_through_the_bucket_and_nothing_is_left_in_it(
    standin: StandIn, external: SnowflakeSettings, s3_bucket: str, tmp_path: Path
) -> None:
    log = small_log(tmp_path / "log")
    assert load(log, external).commits == 3
    assert load(log, external).read == 0
    assert held(standin, external.database) == due(log)
    assert keys(s3_bucket) == []
    assert [finding for finding in SnowflakeSink.check(external) if finding.required and not finding.ok] == []
    assert keys(s3_bucket) == []


def test_keys_of_the_settings_put_the_files_there(
    external: SnowflakeSettings, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = s3_server.environment()
    for name in given:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    settings = evolve(
        external,
        stage_endpoint=s3_server.endpoint,
        stage_region="us-east-1",
        stage_access_key_id=given["AWS_ACCESS_KEY_ID"],
        stage_secret_access_key=Secret(given["AWS_SECRET_ACCESS_KEY"]),
    )
    assert load(small_log(tmp_path / "log"), settings).commits == 3
    assert given["AWS_ACCESS_KEY_ID"] not in repr(settings)


@pytest.mark.parametrize(
    ("setting", "given"),
    [
        ("stage_access_key_id", {"stage_access_key_id": "MARKER"}),
        ("stage_access_key_id", {"stage_secret_access_key": Secret("MARKER")}),
        ("stage_session_token", {"stage_session_token": Secret("MARKER")}),
        ("stage_endpoint", {"stage_endpoint": "https://key:MARKER@host"}),
    ],
)
def test_half_of_the_keys_is_refused(
    settings: SnowflakeSettings, setting: str, given: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError) as caught:
        evolve(settings, **given)
    assert caught.value.fields["setting"] == setting
    assert "MARKER" not in str(caught.value)


def test_staged_files_have_names_of_ours_under_the_prefix(
    external: SnowflakeSettings, s3_bucket: str
) -> None:
    with SnowflakeSink(
        evolve(external, file_bytes_max=1, row_group_rows_max=2), clock=TickingClock()
    ) as sink:
        sink.begin("../../live; DROP")
        sink.write(example_rows(range(4)))
        found = keys(s3_bucket)
        assert len(found) == 2
        assert all(key.startswith("some/prefix/eventreplay/") and ".." not in key for key in found)
        assert {key.rpartition("/")[2] for key in found} == {"events-00000.parquet", "events-00001.parquet"}
    assert keys(s3_bucket) == []


def test_a_bucket_that_is_not_there_or_another_than_the_stages_is_named(
    standin: StandIn, external: SnowflakeSettings, tmp_path: Path
) -> None:
    log = small_log(tmp_path / "log", records=8)
    with pytest.raises(SinkError, match="bucket of the stage") as caught:
        load(log, evolve(external, stage="s3://no-such-bucket-here/x"))
    assert not caught.value.retryable
    elsewhere = evolve(external, stage=external.stage + "/else")
    findings = {finding.name: finding for finding in SnowflakeSink.check(elsewhere)}
    assert not findings["stage address"].ok
    assert "ALTER STAGE" in findings["stage address"].hint
    with pytest.raises(SinkError):
        load(log, elsewhere)
    assert held(standin, external.database) == ([], [])


def test_an_answer_of_the_bucket_without_a_right_names_it(
    external: SnowflakeSettings, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError  # noqa: PLC0415 - what a store without the right raises

    def refuse(*_: Any, **__: Any) -> None:
        raise ClientError(
            {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "PutObject"
        )

    monkeypatch.setattr("boto3.s3.transfer.S3Transfer.upload_file", refuse)
    with pytest.raises(SinkError, match="refused s3:PutObject") as caught:
        load(small_log(tmp_path / "log", records=8), external)
    assert f"arn:aws:s3:::{s3_bucket}/some/prefix/*" in caught.value.hint
    assert not caught.value.retryable
