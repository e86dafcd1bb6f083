"""Nobody sees a password: not in logs, XComs, rendered fields, the database, receipts, objects, artifacts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from eventreplay.testing.services import AirflowServer, RunState
from tests.integration.airflow.conftest import Watch
from tests.integration.airflow.platform import Platform
from tests.integration.security.marks import files, leaks
from tools.airflow_platform.story import Story

pytestmark = pytest.mark.timeout(1_200)
WRONG = ("journal", "queue", "load", "dbt")


@pytest.fixture(scope="module")
def refused(platform: Platform, told: Story) -> RunState:
    """A run whose every task was refused by its end."""
    platform.lead_to(told.scene)
    airflow = platform.airflow
    return airflow.wait(airflow.trigger("tests_wrong"), 600, check=False)


def tables(url: str) -> Iterator[bytes]:
    """Name and rows of every table of a database."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        for (name,) in cursor.fetchall():
            rows = io.BytesIO()
            cursor.copy_expert(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(name)), rows)
            yield name.encode()
            yield rows.getvalue()


def objects(platform: Platform) -> Iterator[bytes]:
    """Name, description and content of everything in the bucket."""
    assert platform.ends is not None
    store, bucket = platform.ends.s3.store(), platform.ends.bucket
    for page in store.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", []):
            answer = store.get_object(Bucket=bucket, Key=found["Key"])
            yield found["Key"].encode()
            yield repr(answer["Metadata"]).encode()
            yield answer["Body"].read()


def everything(platform: Platform) -> dict[str, list[bytes]]:
    """All that the runs left, by where it is."""
    home: Path = platform.airflow.home
    return {
        "logs and outputs": list(files(home)),
        "the metadata database": list(tables(platform.airflow.database)),
        "the bucket": list(objects(platform)),
        "work folders: artifacts of dbt, receipts": list(files(platform.folder)),
    }


def test_the_tasks_were_refused_and_say_so(airflow: AirflowServer, refused: RunState) -> None:
    assert {task.task_id: task.state for task in refused.tasks} == dict.fromkeys(WRONG, "failed")
    for name in WRONG:
        text = airflow.log(refused.run, name)
        assert "Error" in text
        assert airflow.xcom(refused.run, name) is None


def test_no_secret_is_seen_anywhere(
    platform: Platform, told: Story, refused: RunState, watch: Watch, wrong_passwords: dict[str, str]
) -> None:
    assert platform.ends is not None
    assert refused.state == "failed"
    marked = platform.ends.secrets() | {f"the password of {name}": p for name, p in wrong_passwords.items()}
    left = {**everything(platform), "command lines": watch.seen()}
    found = {
        f"{what}, in {where}": places
        for what, secret in marked.items()
        for where, texts in left.items()
        if (places := leaks(secret, *texts))
    }
    assert found == {}
    # The search sees what is there: names that are no secrets.
    names = {
        "logs and outputs": "journal-000000",
        "the metadata database": told.scene.variables()["eventreplay_log_url"],
        "the bucket": "journal-000000",
        "work folders: artifacts of dbt, receipts": "run_results",
        "command lines": "scheduler",
    }
    assert [where for where, name in names.items() if not leaks(name, *left[where])] == []


def test_connections_are_not_in_the_database(platform: Platform) -> None:
    with closing(psycopg2.connect(platform.airflow.database)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM connection")
        assert cursor.fetchone() == (0,)
