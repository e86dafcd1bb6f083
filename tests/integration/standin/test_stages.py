from collections.abc import Callable
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

from eventreplay.testing.services import S3Server
from tests.integration.standin.client import Client

COPY = "FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"


def test_put_list_get_and_remove(client: Client, tmp_path: Path) -> None:
    """docs.snowflake.com/en/sql-reference/sql/{put,list,get,remove}: named, table and user stages."""
    (tmp_path / "a.txt").write_text("hello")
    client.run("CREATE STAGE named", "CREATE TABLE t (n NUMBER)")
    for stage in ("@named/x", "@%t", "@~/x"):
        put = client.rows(f"PUT file://{tmp_path}/a.txt {stage} AUTO_COMPRESS=FALSE")
        assert put[0][6] == "UPLOADED"
        listed = client.rows(f"LIST {stage}")
        assert [(name.rsplit("/", 1)[-1], size) for name, size, *_ in listed] == [("a.txt", 5)]
    target = tmp_path / "back"
    target.mkdir()
    assert client.rows(f"GET @named/x/a.txt file://{target}/")[0][2] == "DOWNLOADED"
    assert (target / "a.txt").read_text() == "hello"
    assert client.rows("REMOVE @named/x PATTERN = '.*nothing'") == []
    assert client.rows("RM @named/x") == [("named/x/a.txt", "removed")]
    assert client.rows("LS @named") == []
    assert client.error("LIST @missing").errno == 2003
    assert client.error("LIST @named/../x").errno == 1003


def test_an_external_stage_lists_loads_and_purges(
    connect: Callable[..., Client], s3_server: S3Server, s3_bucket: str, tmp_path: Path
) -> None:
    """docs.snowflake.com/en/sql-reference/sql/create-stage: URL, CREDENTIALS, ENDPOINT; file names under
    the URL."""
    pq.write_table(pa.table({"n": [1, 2]}), tmp_path / "a.parquet")
    place = s3_server.environment()
    boto3.client("s3").upload_file(str(tmp_path / "a.parquet"), s3_bucket, "raw/in/a.parquet")
    client = connect()
    client.run(
        "CREATE TABLE t (n NUMBER, f VARCHAR)",
        f"CREATE STAGE outside URL = 's3://{s3_bucket}/raw/' ENDPOINT = '{place['AWS_ENDPOINT_URL_S3']}' "
        "CREDENTIALS = "
        f"(AWS_KEY_ID = '{place['AWS_ACCESS_KEY_ID']}' AWS_SECRET_KEY = '{place['AWS_SECRET_ACCESS_KEY']}')",
    )
    assert client.rows("LIST @outside")[0][0] == f"s3://{s3_bucket}/raw/in/a.parquet"
    copied = client.rows(f"COPY INTO t FROM @outside/in FILES = ('a.parquet') {COPY} PURGE = TRUE")
    assert copied[0][:3] == (f"s3://{s3_bucket}/raw/in/a.parquet", "LOADED", 2)
    assert client.rows("LIST @outside") == []
    assert client.error(f"PUT file://{tmp_path}/a.parquet @outside").sqlstate == "0A000"
    assert client.error(f"COPY INTO t FROM @outside FILES = ('in/gone.parquet') {COPY}").errno == 91016


def test_the_secret_of_a_stage_is_not_shown(client: Client) -> None:
    """docs.snowflake.com/en/sql-reference/sql/desc-stage: credentials are hidden."""
    client.run(
        "CREATE STAGE s URL = 's3://b/' CREDENTIALS = (AWS_KEY_ID = 'key' AWS_SECRET_KEY = 'very-secret')"
    )
    shown = str(client.rows("DESCRIBE STAGE s")) + str(client.rows("SHOW STAGES"))
    assert "very-secret" not in shown
