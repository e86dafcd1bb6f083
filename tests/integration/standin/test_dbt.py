"""Real dbt-snowflake: a small project with everything that our own uses, built twice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eventreplay.testing.services import StandInServer
from tests.integration.standin.client import Client

PROJECT = Path(__file__).parent / "project"
BATCHES = ["--event-time-start", "2026-01-01", "--event-time-end", "2026-01-04"]


def dbt(project: Path, server: StandInServer, database: str, *arguments: str, **variables: str) -> None:
    """Run dbt; its output is the failure's text."""
    environment = {
        **os.environ, "STANDIN_USER": server.user, "STANDIN_PASSWORD": server.password,
        "STANDIN_PORT": str(server.port), "STANDIN_DATABASE": database,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "SNOWFLAKE_DISABLE_PLATFORM_DETECTION": "true", **variables,
    }  # fmt: skip
    command = [str(Path(sys.executable).parent / "dbt"), "--no-use-colors", *arguments]
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


@pytest.mark.long
def test_a_project_builds_twice(
    client: Client, snowflake_standin: StandInServer, snowflake_database: dict[str, Any], tmp_path: Path
) -> None:
    """docs.getdbt.com/reference/resource-configs/snowflake-configs: seed, view, table with contract,
    incremental by
    merge and by delete+insert, microbatch, snapshot, data tests, unit test, persist_docs,
    query_tag: twice."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project)
    database = snowflake_database["database"]
    dbt(project, snowflake_standin, database, "build", *BATCHES, "--profiles-dir", ".")
    assert [str(value) for value in client.rows("SELECT * FROM trial.totals")[0]] == [
        "3",
        "6.683333333",
        "2.227777777667",
    ]
    seed = project / "seeds" / "prices.csv"
    seed.write_text(seed.read_text().replace("C,3.333333333", "C,4.5"))
    dbt(
        project, snowflake_standin, database, "build", *BATCHES, "--profiles-dir", ".", "--vars", "{round: 2}"
    )
    assert client.rows("SELECT sku, price::VARCHAR, round FROM trial.merged ORDER BY sku") == [
        ("A", "1.100000000", 1), ("B", "2.250000000", 1), ("C", "4.500000000", 2),
    ]  # fmt: skip
    assert client.rows("SELECT sku, round FROM trial.replaced ORDER BY sku") == [("A", 2), ("B", 2), ("C", 2)]
    assert client.one("SELECT COUNT(*) FROM trial.batches") == 3
    history = "SELECT sku, COUNT(*), COUNT(dbt_valid_to) FROM trial.price_history GROUP BY 1 ORDER BY 1"
    assert client.rows(history) == [
        ("A", 1, 0), ("B", 1, 0), ("C", 2, 1),
    ]  # fmt: skip
    tagged = client.one(
        "SELECT COUNT(*) FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY()) WHERE query_tag = 'trial_models' "
        "AND database_name = CURRENT_DATABASE()"
    )
    assert tagged > 0
    comments = client.rows(
        "SELECT comment FROM information_schema.columns WHERE table_name = 'VIEWS' AND column_name = 'SKU'"
    )
    assert comments == [("stock keeping unit",)]
