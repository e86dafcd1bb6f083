"""docs/guides/promotion.md, tried: a version of the logic goes from one target to the next, and back again.

Once on two DuckDB files, once on two environments of the Snowflake stand-in with their own roles: the loader
loads, the transformer runs dbt, the reader reads.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from eventreplay.capture import CaptureOptions, capture
from eventreplay.codecs.router import codec_for
from eventreplay.demo import schemas
from eventreplay.demo.generator import GeneratedSource
from eventreplay.log import Log
from eventreplay.replay import replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.sinks.duckdb_tables import connect
from eventreplay.sinks.snowflake import SnowflakeSink
from eventreplay.sinks.snowflake.deployment import check_deployment
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.session import Session
from eventreplay.testing import TickingClock
from eventreplay.testing.services import StandInServer
from eventreplay.transform import project_folder, transform
from eventreplay.verify import verify
from tests.integration.snowflake.environments import environment
from tests.integration.snowflake.server import StandIn

EVENTS = 1_500
SELECT = ("+agg_defects_by_kind",)
MART = "SELECT production_date, line, kind, defects FROM {}MART.agg_defects_by_kind ORDER BY 1, 2, 3"
Rows = list[tuple[Any, ...]]


@frozen
class Target:
    """One place that a version is promoted to."""

    sink: Callable[[], AbstractContextManager[Any]]
    variables: dict[str, Any]
    dbt_target: str
    read: Callable[[], Rows]

    def load(self, log: Log) -> None:
        with self.sink() as sink:
            replay(log, sink, codec_for(schemas.load()))
            assert verify(log, sink).ok

    def build(self, project: Path, work: Path, *, full_refresh: bool = False) -> Rows:
        transform(
            project,
            "run",
            environment=self.variables,
            work=work,
            target=self.dbt_target,
            select=SELECT,
            full_refresh=full_refresh,
        )
        return self.read()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    log = Log.open(tmp_path_factory.mktemp("promotion") / "log")
    source = GeneratedSource(7, EVENTS, batch_rows_max=1_000)
    capture(source, log, "journal", options=CaptureOptions(segment_positions=512))
    return log


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The project as it is, and a release of it that counts something else."""
    folder = tmp_path_factory.mktemp("versions")
    first, second = folder / "1.0", folder / "1.1"
    leave = shutil.ignore_patterns("target", "logs")
    shutil.copytree(project_folder(), first, ignore=leave)
    shutil.copytree(first, second)
    model = second / "models/marts/agg_defects_by_kind.sql"
    text = model.read_text("utf-8")
    assert "sum(found.defect_count)" in text
    model.write_text(text.replace("sum(found.defect_count)", "sum(found.defect_count) * 2"), "utf-8")
    return first, second


def in_files(folder: Path) -> list[Target]:
    def target(name: str) -> Target:
        path = folder / f"{name}.duckdb"

        def read() -> Rows:
            with closing(connect(path, read_only=True)) as connection:
                return connection.execute(MART.format("")).fetchall()

        return Target(
            lambda: DuckDBSink(path, clock=TickingClock()),
            dict(DuckDBSink.dbt_environment(path)),
            "duckdb",
            read,
        )

    return [target("dev"), target("prod")]


def in_snowflake(server: StandInServer, stack: ExitStack) -> list[Target]:
    def target(name: str) -> Target:
        found = stack.enter_context(environment(StandIn(server)))
        deployment = found.deployment
        assert all(
            one.ok for one in check_deployment(found.settings("ACCOUNTADMIN"), deployment, account_level=True)
        )
        loader, reader = found.user(deployment.loader), found.user(deployment.reader)

        def read() -> Rows:
            session = Session(reader, without_schema=True)
            try:
                return session.run(MART.format(f"{deployment.database}."), doing=Doing("Reading a mart"))
            finally:
                session.close()

        return Target(
            lambda: SnowflakeSink(loader, clock=TickingClock()),
            dict(SnowflakeSink.dbt_environment(found.user(deployment.transformer))),
            name,
            read,
        )

    return [target("dev"), target("prod")]


@pytest.fixture(params=["files", "snowflake"])
def targets(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Target]]:
    monkeypatch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
    with ExitStack() as stack:
        if request.param == "files":
            yield in_files(tmp_path)
        else:
            yield in_snowflake(request.getfixturevalue("snowflake_standin"), stack)


@pytest.mark.long
@pytest.mark.timeout(1200)  # ten runs of dbt, one after another
def test_a_version_is_promoted_and_rolled_back(
    targets: list[Target], versions: tuple[Path, Path], log: Log, tmp_path: Path
) -> None:
    (dev, prod), (first, second) = targets, versions
    works = {"dev": tmp_path / "work-dev", "prod": tmp_path / "work-prod"}
    for target in targets:
        target.load(log)
    before = dev.build(first, works["dev"])
    assert before
    assert prod.build(first, works["prod"]) == before

    tried = dev.build(second, works["dev"])
    assert [row[:3] for row in tried] == [row[:3] for row in before]
    assert [row[3] for row in tried] == [2 * row[3] for row in before]
    assert prod.read() == before  # nothing of it is in production yet

    assert prod.build(second, works["prod"]) == tried
    assert prod.build(first, works["prod"], full_refresh=True) == before
    prod.load(log)  # nothing to load, and RAW still is the log
