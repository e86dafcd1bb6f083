"""The main job, end to end, with no server: generate → capture → replay → dbt → compare → report.

Every step goes on where it stopped: kill it anywhere, start it again with the same settings, and the log and
the tables come out the same. The figures of the summary are read from the log and the warehouse as they
stand at the end, not counted along the way, so a resumed run reports what an undisturbed one does.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
from attrs import asdict, define, field, frozen

from eventreplay.capture import CaptureOptions, capture
from eventreplay.codecs.router import Router, codec_for
from eventreplay.demo import schemas
from eventreplay.demo.cardlists import CardListSource
from eventreplay.demo.generator import GeneratedSource
from eventreplay.demo.ledger import compare, write_ledger
from eventreplay.demo.report import write_report
from eventreplay.errors import ConfigError
from eventreplay.interfaces import Source
from eventreplay.log import Log
from eventreplay.rebuild import codec_types, dbt_facts
from eventreplay.receipts import keep, loaded
from eventreplay.replay import ReplayReceipt, replay
from eventreplay.sinks.duckdb import DuckDBSink
from eventreplay.transform import Node, Transformation, project_folder, transform

if TYPE_CHECKING:
    import duckdb

Progress = Callable[[int, int | None], None]

CATALOG, JOURNAL = "catalog", "journal"
_MARKER = "demo.json"


class Screen(Protocol):
    """Where a run shows how far it is."""

    def step(self, title: str, unit: str) -> AbstractContextManager[Progress]:
        """Announce a step; the progress it gives takes (done, total or None)."""


@frozen(kw_only=True)
class DemoOptions:
    """What to make, and how to run it; only the first four have a part in the result.

    Attributes:
        folder: where everything goes; made if missing.
        events: records the generator makes, at least 1.
        seed: same seed, same history.
        catalog: folder of card-list JSON to use instead of invented cards.
        segment_positions: source positions per segment of the log.
        batch_rows: rows per batch, in the source and in the decoder.
        workers: threads that encode, processes that decode.
        fresh: remove what an earlier run left in `folder`.
    """

    folder: Path
    events: int = 200_000
    seed: int = 7
    catalog: Path | None = None
    segment_positions: int = 32_768
    batch_rows: int = 65_536
    workers: int = 1
    fresh: bool = False


@define
class _Timings:
    """Seconds and rows of each step, for rates; never part of a result."""

    clock: Callable[[], float]
    steps: dict[str, dict[str, float]] = field(factory=dict)

    @contextmanager
    def of(self, name: str) -> Iterator[dict[str, float]]:
        measured: dict[str, float] = {"rows": 0}
        begun = self.clock()
        yield measured
        measured["seconds"] = round(self.clock() - begun, 3)
        self.steps[name] = measured


@frozen
class _Book:
    """Receipts of what was loaded and built: a rebuild plans by them."""

    log: Log
    sink: str
    options: DemoOptions
    now: Callable[[], datetime]

    def loaded(self, done: ReplayReceipt, codec: Router, began: datetime, seconds: float) -> None:
        """One of a load; none if there was nothing to load."""
        if done.commits:
            used = {
                "schemas": codec.protobuf.schemas.name,
                "limits": asdict(codec.protobuf.limits),
                "types": codec_types(codec),
                "options": {},
                "batch_rows_max": self.options.batch_rows,
                "workers": self.options.workers,
            }
            facts = loaded(self.log, done, sink=self.sink, settings=used, seconds=seconds)
            keep(self.log, "replay", facts, began=began, ended=self.now())

    def built(self, done: Transformation, work: Path, began: datetime) -> None:
        """One of a build."""
        facts = dbt_facts(done, sink=self.sink, command="build", project=project_folder(), work=work)
        keep(self.log, "dbt", facts, began=began, ended=self.now())


def run_demo(
    options: DemoOptions, screen: Screen, *, now: Callable[[], datetime], clock: Callable[[], float]
) -> dict[str, object]:
    """Run every step and return the summary that is also written to `receipt.json`.

    Args:
        options: what to make.
        screen: shown progress.
        now: wall clock, timezone-aware; only for `inserted_at` and its like.
        clock: monotonic seconds; only for rates.

    Raises:
        ConfigError: the folder holds something else, or a run with other settings.
    """
    folder = _prepare(options)
    log = Log.open(folder / "log")
    warehouse = folder / "warehouse.duckdb"
    timings = _Timings(clock)
    catalog = (
        None
        if options.catalog is None
        else CardListSource(options.catalog, batch_rows_max=options.batch_rows)
    )
    sources: list[tuple[str, Source]] = [] if catalog is None else [(CATALOG, catalog)]
    cards = None if catalog is None else catalog.cards()
    journal = GeneratedSource(options.seed, options.events, catalog=cards, batch_rows_max=options.batch_rows)
    sources.append((JOURNAL, journal))
    capturing = CaptureOptions(segment_positions=options.segment_positions, workers=options.workers)
    for partition, source in sources:
        with (
            screen.step(f"capture   {partition} → log", "events") as progress,
            timings.of(f"capture {partition}") as m,
        ):
            m["rows"] = capture(source, log, partition, options=capturing, progress=progress).received
        source.close()
    codec = codec_for(schemas.load())
    with (
        screen.step("replay    log → RAW", "events") as progress,
        timings.of("replay") as m,
        DuckDBSink(warehouse, clock=now) as sink,
    ):
        began = now()
        loads = replay(
            log, sink, codec, batch_rows_max=options.batch_rows, workers=options.workers, progress=progress
        )
        m["rows"] = loads.read
    book = _Book(log, f"duckdb:///{warehouse}", options, now)
    book.loaded(loads, codec, began, timings.steps["replay"]["seconds"])
    nodes = _built(warehouse, folder / "dbt", book, screen, timings)
    with (
        screen.step("ledger    what is true, from the generator", "events") as progress,
        timings.of("ledger"),
    ):
        write_ledger(
            options.seed,
            options.events,
            folder / "ledger",
            catalog=cards,
            catalog_source=catalog,
            progress=progress,
        )
    with screen.step("report    compare and draw", "steps"):
        return _finish(options, log, warehouse, nodes, timings)


def _built(warehouse: Path, work: Path, book: _Book, screen: Screen, timings: _Timings) -> tuple[Node, ...]:
    """RAW to STAGING and MART; what became of each node."""
    with screen.step("dbt       RAW → STAGING → MART", "nodes") as progress, timings.of("dbt") as m:
        began = book.now()
        done = transform(
            project_folder(),
            "build",
            environment=DuckDBSink.dbt_environment(warehouse),
            work=work,
            progress=progress,
        )
        m["rows"] = len(done.nodes)
    book.built(done, work, began)
    return done.nodes


def _prepare(options: DemoOptions) -> Path:
    """The run's folder, which must be new, or hold a run with the same settings."""
    if options.events < 1 or options.batch_rows < 1 or options.workers < 1:
        raise ConfigError("events, batch rows and workers are at least 1.", hint="Give positive numbers.")
    folder = options.folder
    settings = {
        "seed": options.seed,
        "events": options.events,
        "segment_positions": options.segment_positions,
        "catalog": None if options.catalog is None else str(options.catalog.resolve()),
    }
    marker = folder / _MARKER
    if options.fresh and marker.is_file():
        shutil.rmtree(folder)
    if marker.is_file():
        found = json.loads(marker.read_text("utf-8"))
        if found != settings:
            raise ConfigError(
                f"{folder} holds a run with other settings: {json.dumps(found, ensure_ascii=False)}.",
                hint="Give another --dir, the same settings to resume it, or --fresh to start over.",
                found=found,
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty and not a demo run.", hint="Give a new or empty --dir.")
    folder.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps(settings, sort_keys=True) + "\n", "utf-8")
    return folder


def _finish(
    options: DemoOptions, log: Log, warehouse: Path, nodes: tuple[Node, ...], timings: _Timings
) -> dict[str, object]:
    import duckdb  # noqa: PLC0415 - an extra: only who runs the demo needs it

    folder = options.folder
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        differences = compare(folder / "ledger", connection)
        summary = {
            **_figures(log, connection),
            "log_sha256": log.sha256(),
            "tables": _tables(connection),
            "ledger": {"equal": not differences, "differences": [str(item) for item in differences[:100]]},
            "settings": {
                "seed": options.seed,
                "events": options.events,
                "segment_positions": options.segment_positions,
                "batch_rows": options.batch_rows,
                "workers": options.workers,
                "catalog": None if options.catalog is None else str(options.catalog),
            },
            "partitions": _partitions(log),
            "steps": timings.steps,
            "dbt": _statuses(nodes),
            "versions": _versions(),
        }
        write_report(folder / "report.html", summary, connection)
    receipt = json.dumps(summary, indent=2, ensure_ascii=False, default=str)
    (folder / "receipt.json").write_text(receipt + "\n", "utf-8")
    return summary


def _figures(log: Log, connection: duckdb.DuckDBPyConnection) -> dict[str, object]:
    """received = stored + duplicates + quarantined; each side counted where it lies."""
    received = 0
    for name in log.partitions():
        head = log.reader(name).head()
        if head is not None:
            received += head.next_offset + head.next_quarantine_offset
    reasons = {
        str(code): int(rows)
        for code, rows in connection.sql(
            "SELECT error_code, count(*) FROM RAW.QUARANTINE GROUP BY ALL ORDER BY 1"
        ).fetchall()
    }
    stored, duplicates, conflicts = _deduplicated(connection)
    if conflicts:
        reasons["conflicting_payload"] = conflicts
    quarantined = sum(reasons.values())
    return {
        "received": received,
        "stored": stored,
        "duplicates": duplicates,
        "quarantined": quarantined,
        "balanced": received == stored + duplicates + quarantined,
        "quarantined_by_reason": reasons,
    }


def _deduplicated(connection: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
    """Distinct events, repeated deliveries, and repeats with another payload; from RAW itself."""
    found = connection.execute(
        """
        WITH first AS (
            SELECT event_id, count(*) AS rows,
                   arg_min(payload_sha256, (log_partition, log_offset)) AS payload_sha256
            FROM RAW.EVENTS GROUP BY event_id
        ), repeated AS (
            SELECT count(*) FILTER (e.payload_sha256 = f.payload_sha256) AS same, count(*) AS rows
            FROM RAW.EVENTS e JOIN first f USING (event_id) WHERE f.rows > 1
        )
        SELECT (SELECT count(*) FROM first),
               (SELECT same FROM repeated) - (SELECT count(*) FROM first WHERE rows > 1),
               (SELECT rows - same FROM repeated)
        """
    ).fetchall()
    stored, duplicates, conflicts = found[0]
    return int(stored), int(duplicates), int(conflicts)


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    names = connection.sql(
        """
        SELECT upper(table_schema), table_name FROM information_schema.tables
        WHERE upper(table_schema) IN ('RAW', 'STAGING', 'MART') ORDER BY 1, 2
        """
    ).fetchall()
    counted = {}
    for schema, table in names:
        quoted = '"' + table.replace('"', '""') + '"'
        found = connection.execute(f"SELECT count(*) FROM {schema}.{quoted}").fetchall()
        counted[f"{schema}.{table}"] = int(found[0][0])
    return counted


def _partitions(log: Log) -> list[dict[str, object]]:
    found = []
    for name in log.partitions():
        reader = log.reader(name)
        head = reader.head()
        if head is None:
            continue
        refs = [ref for commit in reader.commits() for ref in (*commit.segments, *commit.quarantine)]
        found.append(
            {
                "partition": name,
                "commits": head.number,
                "events": head.next_offset,
                "rejects": head.next_quarantine_offset,
                "bytes": sum(ref.bytes for ref in refs),
                "position": head.checkpoint.position,
                "sha256": head.sha256,
            }
        )
    return found


def _statuses(nodes: tuple[Node, ...]) -> dict[str, object]:
    counted: dict[str, int] = {}
    for node in nodes:
        counted[node.status] = counted.get(node.status, 0) + 1
    warned = [{"name": node.name, "message": node.message} for node in nodes if node.status == "warn"]
    return {"statuses": dict(sorted(counted.items())), "warnings": warned}


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "eventreplay": version("eventreplay"),
        "duckdb": version("duckdb"),
        "pyarrow": pa.__version__,
        "dbt-core": version("dbt-core"),
    }
