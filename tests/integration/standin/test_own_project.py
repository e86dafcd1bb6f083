"""Our own dbt project on DuckDB and on the stand-in: STAGING and MART are the same, value by value."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from attrs import evolve, frozen
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)

from eventreplay.errors import TransformError
from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSink
from eventreplay.sinks.snowflake.settings import SnowflakeSettings
from eventreplay.sinks.snowflake.tables import EVENTS, QUARANTINE, Column
from eventreplay.transform import Transformation, project_folder, transform
from tests.integration.dbt.test_checks import LOUD, bad_data
from tests.integration.dbt.test_incremental import FIRST, first_load, second_load, third_load
from tests.integration.dbt.warehouse import Warehouse
from tests.integration.standin.client import Client

EVENTS_MADE = 800
MARTS = 15


@frozen
class Both:
    """The same RAW in a DuckDB file and on the stand-in, and dbt over either."""

    duck: Warehouse
    client: Client
    settings: SnowflakeSettings
    folder: Path

    def load(self, source: Path, part: str = "true") -> None:
        """Bring a part of another file's RAW into both."""
        with closing(duckdb.connect(str(self.duck.path))) as connection:
            connection.execute(f"ATTACH '{source}' AS source (READ_ONLY)")
            for name, columns in (("EVENTS", EVENTS), ("QUARANTINE", QUARANTINE)):
                rows = f"SELECT * FROM source.RAW.{name} WHERE {part if name == 'EVENTS' else 'true'}"
                connection.execute(f"INSERT INTO RAW.{name} BY NAME {rows}")
                file = self.folder / f"{name}-{self.client.one('SELECT UUID_STRING()')}.parquet"
                connection.execute(f"COPY ({rows}) TO '{file}'")
                held = {row[0] for row in connection.execute(f"DESCRIBE source.RAW.{name}").fetchall()}
                self._copy(name, [column for column in columns if column.name in held], file)

    def _copy(self, name: str, columns: Sequence[Column], file: Path) -> None:
        self.client.run(
            f"PUT file://{file} @raw.files AUTO_COMPRESS=FALSE",
            f"COPY INTO raw.{name} ({', '.join(column.name for column in columns)}) FROM (SELECT "
            f"{', '.join(map(_expression, columns))} FROM @raw.files) FILES = ('{file.name}') "
            "FILE_FORMAT = (TYPE = PARQUET BINARY_AS_TEXT = FALSE USE_LOGICAL_TYPE = TRUE)",
        )

    def snow(self, command: str, **more: Any) -> Transformation:
        environment = {**SnowflakeSink.dbt_environment(self.settings), **more.pop("environment", {})}
        return transform(
            project_folder(),
            command,
            environment=environment,
            work=self.folder / "snow",
            target="prod",
            **more,
        )

    def compare(self) -> int:
        """Every table and view of STAGING and MART; how many were compared."""
        names = self.duck.rows(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_schema IN ('STAGING', 'MART') ORDER BY 1, 2"
        )
        for schema, name in names:
            columns = ", ".join(
                column
                for column, kind, *_ in self.duck.rows(f"DESCRIBE {schema}.{name}")
                # Arrays of objects are typed on DuckDB, text on Snowflake; views that open them are compared.
                if not kind.startswith("STRUCT")
            )
            query = f"SELECT {columns} FROM {schema}.{name}"
            mine = sorted([normal(value) for value in row] for row in self.duck.rows(query))
            theirs = sorted([normal(value) for value in row] for row in self.client.rows(query))
            assert theirs == mine, f"{schema}.{name}"
        return len(names)

    def no_secret_is_left(self) -> None:
        assert self.settings.password is not None
        text = self.settings.password.reveal().encode()
        files = [path for path in (self.folder / "snow").rglob("*") if path.is_file()]
        assert {"manifest.json", "run_results.json", "dbt.log"} <= {path.name for path in files}
        assert not [path for path in files if text in path.read_bytes()]


def _expression(column: Column) -> str:
    if column.kind == "VARIANT":
        return f"PARSE_JSON($1:{column.name}::VARCHAR)"
    return f"$1:{column.name}::{column.kind}"


def normal(value: Any) -> str:
    """One text for a value, whichever warehouse it comes from."""
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, int | Decimal):
        return f"{Decimal(value):f}".rstrip("0").rstrip(".") if "." in f"{Decimal(value):f}" else str(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    if isinstance(value, list):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, str) and value[:1] in {"[", "{"}:
        return json.dumps(json.loads(value, parse_float=str), sort_keys=True)
    assert not isinstance(value, float)
    return str(value)


@pytest.fixture
def both(client: Client, snowflake_database: dict[str, Any], tmp_path: Path) -> Both:
    """RAW without a row, on either."""
    given = {name: snowflake_database[name] for name in ("account", "user", "host", "port", "database")}
    settings = SnowflakeSettings(
        **given, password=Secret(snowflake_database["password"]), protocol="http", role="ACCOUNTADMIN",
        warehouse="COMPUTE_WH",
    )  # fmt: skip
    SnowflakeSink.init(settings)
    client.run("CREATE STAGE raw.files")
    return Both(Warehouse.create(tmp_path / "duck"), client, settings, tmp_path)


@pytest.fixture
def by_hand(tmp_path: Path) -> Callable[..., Path]:
    """A file whose RAW holds these deliveries, each load with its moment."""

    def make(*loads: tuple[list[Any], datetime]) -> Path:
        made = Warehouse.create(tmp_path / "by-hand")
        for events, moment in loads:
            made.load(*events, inserted_at=moment)
        return made.path

    return make


@pytest.mark.long
@pytest.mark.timeout(600)
def test_our_tables_are_the_same_on_both_warehouses_load_by_load(
    both: Both, by_hand: Callable[..., Path]
) -> None:
    """The second load is incremental: late events, a repeat that comes first, a clock stepped back."""
    early = FIRST - timedelta(days=30)
    source = by_hand((first_load(), FIRST), ([*second_load(), *third_load()], early))
    for part in (f"inserted_at = '{FIRST:%Y-%m-%d}'", f"inserted_at <> '{FIRST:%Y-%m-%d}'"):
        both.load(source, part)
        both.duck.transform("run")
        both.snow("run")
        assert both.compare() > MARTS
    tag = both.client.rows(
        "SELECT DISTINCT query_tag FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY())"
        " WHERE query_tag LIKE '%fct_orders%' AND database_name = CURRENT_DATABASE()"
    )
    assert {json.loads(text)["dbt_model"] for (text,) in tag} == {"fct_orders"}
    comment = both.client.one(
        "SELECT comment FROM information_schema.columns"
        " WHERE table_schema = 'MART' AND table_name = 'FCT_ORDERS' AND column_name = 'ORDER_ID'"
    )
    assert comment == "Order; the key."
    both.no_secret_is_left()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse that the demo filled."""
    folder = tmp_path_factory.mktemp("demo") / "run"
    program = str(Path(sys.executable).parent / "eventreplay")
    command = [program, "demo", "--dir", str(folder), "--events", str(EVENTS_MADE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "warehouse.duckdb"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_everything_builds_and_every_test_passes_on_both(both: Both, demo: Path) -> None:
    """Models, unit tests and data tests: at first, after more was loaded, and from RAW once more."""
    # The catalog comes first: a test holds that every card that is sold or made is in it.
    first = "(log_offset % 3 = 0 OR event_type LIKE 'sportscards.catalog.%')"
    for part in (first, f"NOT {first}"):
        both.load(demo, part)
        assert not both.duck.transform("build").failed
        found = both.snow("build")
        assert {node.status for node in found.nodes} <= {"success", "pass", "warn", "no-op"}
        assert sum(node.kind == "unit_test" for node in found.nodes) > 5
        assert both.compare() > MARTS
    both.duck.succeed("run", "--full-refresh")  # it numbers the loads anew
    both.snow("run", full_refresh=True)
    assert both.compare() > MARTS
    both.snow("docs generate")
    for path in sorted((both.folder / "snow").glob("compiled/*/analyses/*/*.sql")):
        both.client.rows(path.read_text("utf-8"))
    both.no_secret_is_left()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_runs_at_once_double_nothing_and_pass_over_nothing(
    both: Both, by_hand: Callable[..., Path]
) -> None:
    """A task taken for dead and its second try; what one of them wrote over, the next run does again."""
    early = FIRST - timedelta(days=30)
    source = by_hand((first_load(), FIRST), ([*second_load(), *third_load()], early))
    both.load(source, f"inserted_at = '{FIRST:%Y-%m-%d}'")
    both.duck.succeed("run")
    both.snow("run")
    both.load(source, f"inserted_at <> '{FIRST:%Y-%m-%d}'")
    both.duck.succeed("run")
    other = evolve(both, folder=both.folder / "other")
    ends: list[object] = []

    def run(one: Both) -> None:
        try:
            ends.append(one.snow("run"))
        except TransformError as error:
            ends.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in (both, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(isinstance(end, Transformation) for end in ends), ends
    both.snow("run")
    assert both.compare() > MARTS


@pytest.mark.long
@pytest.mark.timeout(600)
def test_bad_data_turns_tests_red_on_the_stand_in_too(both: Both, by_hand: Callable[..., Path]) -> None:
    both.load(by_hand((bad_data(), datetime.now(UTC) - timedelta(hours=30))))
    both.snow("run")
    with pytest.raises(TransformError) as caught:
        both.snow("test", select=["tag:quality"], environment=LOUD)
    said = [str(node) for node in caught.value.fields["transformation"].failed]  # type: ignore[attr-defined]
    for text in (
        (
            "within_zero_and_one failed on MART.fct_batch_performance.defect_rate: 1 row: "
            "batch_id=B-7, defect_rate=1.200000000"
        ),
        "within_zero_and_one failed on MART.agg_manufacturing_daily.defect_rate: 1 row: ",
        "not_negative failed on MART.fct_order_lines: 2 rows: order_id=O1",
        "1 row: event_date=2026-01-09, event_count=1, earlier_sum=27",
        "1 row: event_date=2026-01-05, live_events=1",
    ):
        assert any(text in one for one in said), (text, said)
    hours = {"RAW_EVENTS_FRESHNESS_WARN_HOURS": "1", "RAW_EVENTS_FRESHNESS_ERROR_HOURS": "24"}
    with pytest.raises(
        TransformError, match=r"RAW\.EVENTS is stale: .* 30\.0 hours ago .*, more than 24 hours\."
    ):
        both.snow("source freshness", environment=hours)


@pytest.mark.long
def test_dbt_logs_in_with_a_key_pair(both: Both) -> None:
    """An encrypted key as text: dbt takes it from the environment, and no part of it is found afterwards."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    name = f"DBT_{both.client.one('SELECT CURRENT_DATABASE()')}"
    both.client.run(
        f"CREATE USER {name} RSA_PUBLIC_KEY = '{base64.b64encode(der).decode()}'",
        f"GRANT ROLE ACCOUNTADMIN TO USER {name}",
    )
    phrase = "marker-of-a-passphrase"
    pem = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(phrase.encode())
    ).decode()
    given = both.settings
    settings = SnowflakeSettings(
        account=given.account, user=name, database=given.database, host=given.host, port=given.port,
        protocol="http", role="ACCOUNTADMIN", warehouse="COMPUTE_WH", private_key=Secret(pem),
        private_key_passphrase=Secret(phrase),
    )  # fmt: skip
    keyed = Both(both.duck, both.client, settings, both.folder / "keyed")
    keyed.snow("run", select=["stg_events__quarantined"])
    assert both.client.one("SELECT COUNT(*) FROM staging.stg_events__quarantined") == 0
    lines = [line.encode() for line in pem.splitlines() if len(line) > 20 and "KEY" not in line]
    for path in (keyed.folder / "snow").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert phrase.encode() not in content, path
            assert not [line for line in lines if line in content], path
