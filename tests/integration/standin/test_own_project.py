"""Our own dbt project on the stand-in, over RAW as a replay left it: every MART table equals DuckDB's."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from eventreplay.sinks.snowflake.tables import EVENTS, QUARANTINE, Column
from eventreplay.testing.services import StandInServer
from tests.integration.standin.client import Client
from tests.integration.standin.test_dbt import dbt

PROJECT = Path(__file__).resolve().parents[3] / "dbt"
EVENTS_MADE = 800
PROFILE = """sportscards:
  target: snowflake
  outputs:
    snowflake:
      type: snowflake
      account: standin
      user: "{{ env_var('STANDIN_USER') }}"
      password: "{{ env_var('STANDIN_PASSWORD') }}"
      host: 127.0.0.1
      port: "{{ env_var('STANDIN_PORT') | as_number }}"
      protocol: http
      role: ACCOUNTADMIN
      warehouse: COMPUTE_WH
      database: "{{ env_var('STANDIN_DATABASE') }}"
      schema: STAGING
      threads: 2
      connect_retries: 0
      retry_on_database_errors: false
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse that the demo filled: RAW and the MART that DuckDB makes of it."""
    folder = tmp_path_factory.mktemp("demo") / "run"
    program = str(Path(sys.executable).parent / "eventreplay")
    command = [program, "demo", "--dir", str(folder), "--events", str(EVENTS_MADE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "warehouse.duckdb"


def _expression(column: Column) -> str:
    if column.kind == "VARIANT":
        return f"PARSE_JSON($1:{column.name}::VARCHAR)"
    return f"$1:{column.name}::{column.kind}"


def _load(client: Client, warehouse: Any, name: str, columns: tuple[Column, ...], folder: Path) -> None:
    held = {row[0] for row in warehouse.execute(f"DESCRIBE RAW.{name}").fetchall()}
    warehouse.execute(f"COPY (SELECT * FROM RAW.{name}) TO '{folder}/{name}.parquet'")
    defined = ", ".join(f"{c.name} {c.kind}{' NOT NULL' if c.required else ''}" for c in columns)
    used = [column for column in columns if column.name in held]
    client.run(
        f"CREATE TABLE raw.{name} ({defined})",
        f"PUT file://{folder}/{name}.parquet @raw.files AUTO_COMPRESS=FALSE",
        f"COPY INTO raw.{name} ({', '.join(c.name for c in used)}) FROM (SELECT "
        f"{', '.join(map(_expression, used))} FROM @raw.files) FILES = ('{name}.parquet') "
        "FILE_FORMAT = (TYPE = PARQUET BINARY_AS_TEXT = FALSE USE_LOGICAL_TYPE = TRUE)",
    )


@pytest.mark.long
@pytest.mark.timeout(900)
def test_our_marts_are_the_same_on_both_warehouses(
    client: Client,
    demo: Path,
    snowflake_standin: StandInServer,
    snowflake_database: dict[str, Any],
    tmp_path: Path,
) -> None:
    """Built twice: the second run takes the incremental ways and changes nothing."""
    (tmp_path / "profiles.yml").write_text(PROFILE)
    client.run("CREATE SCHEMA raw", "CREATE STAGE raw.files")
    with closing(duckdb.connect(str(demo), read_only=True)) as warehouse:
        for name, columns in (("EVENTS", EVENTS), ("QUARANTINE", QUARANTINE)):
            _load(client, warehouse, name, columns, tmp_path)
        found = warehouse.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'MART'")
        names = [name for (name,) in found.fetchall()]
        assert len(names) > 10
        for _ in range(2):
            dbt(
                PROJECT, snowflake_standin, snowflake_database["database"], "build", "--target", "snowflake",
                "--profiles-dir", str(tmp_path), "--exclude-resource-type", "unit_test",
                DBT_TARGET_PATH=str(tmp_path / "target"), DBT_LOG_PATH=str(tmp_path / "logs"),
            )  # fmt: skip
            for name in names:
                columns_text = ", ".join(
                    row[0] for row in warehouse.execute(f"DESCRIBE MART.{name}").fetchall()
                )
                query = f"SELECT {columns_text} FROM MART.{name}"
                expected = warehouse.execute(query).fetchall()
                assert sorted(map(repr, client.rows(query))) == sorted(map(repr, expected)), name
