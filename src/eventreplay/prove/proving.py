"""prove: the same commits, replayed again and again in other surroundings, give the same rows.

Each run is a process of its own with a warehouse of its own, one after the other. Of every table an exact
hash is compared; nothing is read row by row until one differs. The first run and the first that differs from
it are kept until the end, so the disk holds two warehouses, however many runs there are.
"""

from __future__ import annotations

import random
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from attrs import define, evolve, field, frozen

from eventreplay.errors import ConfigError
from eventreplay.log import Log
from eventreplay.prove import models as dbt
from eventreplay.prove.causes import model_causes, raw_causes
from eventreplay.prove.children import Loaded, checked_pythons, run_child
from eventreplay.prove.codecs import CodecName
from eventreplay.prove.combinations import (
    SEED_MAX,
    Combination,
    combinations,
    values_here,
)
from eventreplay.prove.drill import Found, Named, Side, drilled
from eventreplay.prove.outputs import Output, raw_outputs
from eventreplay.prove.proof import Difference, Proof, Run, varied_in
from eventreplay.prove.ranges import Range
from eventreplay.transform.project import fingerprint

Progress = Callable[[int, int | None], None]
Step = Callable[[str, str], AbstractContextManager[Progress]]
"""Called with a title and a unit; gives what is told how far that step is."""

RUNS = 3
NAMED_MAX = 20
RAW_KEYS: Mapping[str, tuple[str, ...]] = {
    "RAW.EVENTS": ("log_partition", "log_offset"),
    "RAW.QUARANTINE": ("log_partition", "stage", "log_offset"),
}


@frozen(kw_only=True)
class ProveOptions:
    """How a proof is made.

    Attributes:
        runs: how many, at least 2.
        seed: of the shuffle; None: drawn.
        project: folder of a dbt project whose models are built and compared; None: RAW alone.
        select: only these of its models, in dbt's own syntax; empty: all.
        pythons: other interpreters that take part.
        ignored: columns of models that are not compared, `column` or `model.column`.
        named_max: rows named of each table that differs.
        finds_causes: where something differs, run again with one dimension changed at a time.
        kept: an empty folder, or none yet, in which everything is left; None: a temporary one, removed.
        how: exactly these combinations, instead of `runs` of the seed's.
    """

    runs: int = RUNS
    seed: int | None = None
    project: Path | None = None
    select: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    named_max: int = NAMED_MAX
    finds_causes: bool = True
    kept: Path | None = None
    how: tuple[Combination, ...] | None = None


def prove(
    log: Log,
    codec: CodecName,
    ranges: tuple[Range, ...],
    *,
    options: ProveOptions | None = None,
    step: Step | None = None,
) -> Proof:
    """Replay commits at least twice, in ways that must have no part in the result, and compare all of it.

    Changes nothing: the log is read, and what is made is removed.

    Args:
        log: a log in a folder or on S3; other processes open it by its URL.
        codec: by a name that other processes understand.
        ranges: the commits, see `ranges_of`.
        options: how; the defaults replay three times and build no models.
        step: shown progress.

    Raises:
        ConfigError: what was asked for cannot be done here.
        CorruptLogError: the log is damaged.
        TransformError: dbt failed in one of the runs.
        EventReplayError: a run failed: its surroundings, or the codec in them; that is no difference.
    """
    options = options or ProveOptions()
    seed = secrets.randbelow(SEED_MAX) if options.seed is None else options.seed
    if not 0 <= seed <= SEED_MAX:
        raise ConfigError(f"The seed {seed} is out of range.", hint=f"Give 0 to {SEED_MAX}.", setting="seed")
    draw = random.Random(seed)  # noqa: S311 - a shuffle that can be repeated, no secret
    segment_rows = max(part.segment_rows for part in ranges)
    how = options.how
    if how is None:
        pythons = checked_pythons(options.pythons)
        how = combinations(
            values_here(segment_rows=segment_rows, pythons=pythons, draw=draw), options.runs, draw
        )
    if len(how) < 2:  # noqa: PLR2004 - a comparison has two sides
        raise ConfigError("One run proves nothing.", hint="Give two combinations or more.")
    project = None if options.project is None else fingerprint(options.project)
    with _folder(options.kept) as folder:
        made = _Proving(
            log=log,
            codec=codec,
            ranges=ranges,
            options=options,
            seed=seed,
            folder=folder,
            ascii_only=all(
                str(part).isascii() for part in (log.url, folder, Path.cwd(), options.project or "")
            ),
            step=step or (lambda _title, _unit: nullcontext(lambda _done, _total: None)),
        )
        for number, each in enumerate(how, 1):
            made.run(number, each, of=len(how))
        return evolve(made.proof(), project=project)


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="eventreplay-prove-") as name:
            yield Path(name)
        return
    if kept.exists() and (not kept.is_dir() or any(kept.iterdir())):
        raise ConfigError(f"{kept} is not an empty folder.", hint="Give a new one to --keep.")
    kept.mkdir(parents=True, exist_ok=True)
    yield kept


@define(kw_only=True)
class _Proving:
    log: Log
    codec: CodecName
    ranges: tuple[Range, ...]
    options: ProveOptions
    seed: int
    folder: Path
    ascii_only: bool
    step: Step
    runs: list[Run] = field(factory=list)
    models: tuple[dbt.Model, ...] = ()
    raw_differs: dict[str, Difference] = field(factory=dict)
    model_differs: dict[str, Difference] = field(factory=dict)
    fingerprint: str = ""

    def run(self, number: int, how: Combination, *, of: int) -> None:
        """One run, from the log to hashes, compared with the first."""
        folder = self.folder / f"run-{number}"
        loaded = self._load(f"run {number} of {of}", how, folder)
        warehouse = folder / "warehouse.duckdb"
        outputs = {output.table: output for output in raw_outputs(warehouse)}
        self.fingerprint = self.fingerprint or loaded.fingerprint
        run = Run(
            number=number,
            how=how,
            effects=loaded.effects,
            seconds=loaded.seconds,
            dbt_seconds=None,
            outputs=outputs,
        )
        self._see_fingerprint(loaded, run)
        self._compare_raw(run)
        # Below a RAW that differs every model does, and nothing is learnt from that.
        if self.options.project is not None and not self.raw_differs:
            run = self._transform(run, f"run {number} of {of}", folder)
            self._compare_models(run)
        self.runs.append(run)
        is_needed = number == 1 or any(
            number in one.runs for one in (*self.raw_differs.values(), *self.model_differs.values())
        )
        if self.options.kept is None and not is_needed:
            shutil.rmtree(folder)

    def proof(self) -> Proof:
        """Everything, with causes where they are to be found."""
        differences = [*self.raw_differs.values(), *self.model_differs.values()]
        if self.options.finds_causes and differences:
            differences = self._with_causes(differences)
        first = self.runs[0]
        varied, constant = varied_in(
            [(run.how, run.effects) for run in self.runs],
            max(part.segment_rows for part in self.ranges),
            with_dbt=self.options.project is not None,
        )
        differing = {one.table for one in differences}
        return Proof(
            log=self.log.url,
            ranges=self.ranges,
            codec=self.codec.name,
            fingerprint=self.fingerprint,
            seed=self.seed,
            project=None,
            runs=tuple(self.runs),
            differences=tuple(differences),
            varied=varied,
            constant=constant,
            skipped={name: output.skipped for name, output in first.outputs.items() if output.skipped},
            asking={
                model.name: model.asks
                for model in self.models
                if model.asks and ".".join(model.place[-2:]) not in differing
            },
            folder=None if self.options.kept is None else str(self.folder),
        )

    def _load(self, title: str, how: Combination, folder: Path) -> Loaded:
        total = sum(part.rows for part in self.ranges)
        with self.step(f"{title}: replay", "events") as report:
            return run_child(
                self.log,
                self.codec,
                self.ranges,
                how,
                folder=folder,
                label=title.capitalize(),
                ascii_only=self.ascii_only,
                progress=lambda done: report(done, total),
            )

    def _see_fingerprint(self, loaded: Loaded, run: Run) -> None:
        if loaded.fingerprint == self.fingerprint or "codec" in self.raw_differs:
            return
        named = _named_fingerprint(self.fingerprint, loaded.fingerprint)
        self.raw_differs["codec"] = Difference(table="codec", runs=(1, run.number), found=named)

    def _compare_raw(self, run: Run) -> None:
        if not self.runs:
            return
        first = self.runs[0]
        for table, key in RAW_KEYS.items():
            if table not in self.raw_differs and run.outputs[table] != first.outputs[table]:
                place = tuple(table.split("."))
                sides = [self._side(each, place, each.outputs[table]) for each in (first, run)]
                # dbt has read the first run's rows already, in the order that they were laid in for it.
                sides[0] = evolve(sides[0], is_turned=first.dbt_seconds is not None)
                found = self._drilled(sides, key, ("event_id",))
                self.raw_differs[table] = Difference(table=table, runs=(1, run.number), found=found)

    def _transform(self, run: Run, title: str, folder: Path) -> Run:
        assert self.options.project is not None  # noqa: S101 - `run` has seen to it
        begun_s = time.monotonic()
        warehouse = folder / "warehouse.duckdb"
        dbt.lay(warehouse, run.how.row_order, self.seed)
        with self.step(f"{title}: dbt", "nodes") as report:
            self.models = dbt.build(
                self.options.project,
                warehouse,
                run.how,
                work=folder / "dbt",
                label=title.capitalize(),
                ascii_only=self.ascii_only,
                progress=report,
                select=self.options.select,
            )
        dbt.see_ignored(self.models, self.options.ignored)
        made = dbt.model_outputs(warehouse, self.models, self.options.ignored)
        outputs = {**run.outputs, **{output.table: output for output in made.values()}}
        return evolve(run, outputs=outputs, dbt_seconds=round(time.monotonic() - begun_s, 3))

    def _compare_models(self, run: Run) -> None:
        if not self.runs:
            return
        first = self.runs[0]
        tables = {model.unique_id: ".".join(model.place[-2:]) for model in self.models}
        differing = {
            unique_id
            for unique_id, table in tables.items()
            if run.outputs[table] != first.outputs.get(table) and table not in self.model_differs
        }
        beginning = dbt.begins(differing, self.models)
        # What begins the trouble is told first.
        for model in sorted(self.models, key=lambda each: (each.unique_id not in beginning, each.name)):
            table = tables[model.unique_id]
            if model.unique_id not in differing:
                continue
            sides = [self._side(each, model.place, each.outputs[table]) for each in (first, run)]
            found = self._drilled(sides, model.key, ())
            self.model_differs[table] = Difference(
                table=table,
                runs=(1, run.number),
                found=found,
                begins=model.unique_id in beginning,
            )

    def _side(self, run: Run, place: tuple[str, ...], output: Output) -> Side:
        return Side(self.folder / f"run-{run.number}" / "warehouse.duckdb", place, output)

    def _drilled(self, sides: Sequence[Side], key: Sequence[str], labels: Sequence[str]) -> Found:
        scratch = Path(tempfile.mkdtemp(prefix="drill-", dir=self.folder))
        try:
            return drilled(
                sides[0],
                sides[1],
                key=key,
                scratch=scratch,
                named_max=self.options.named_max,
                labels=labels,
            )
        finally:
            shutil.rmtree(scratch)

    def _with_causes(self, differences: list[Difference]) -> list[Difference]:
        """Run again with one dimension changed at a time, over as little as shows the difference."""
        found = []
        in_models: dict[str, tuple[str, ...]] | None = None
        for one in differences:
            first, other = (self.runs[number - 1] for number in one.runs)
            if one.begins is None:
                causes = raw_causes(self._again, self.log, self.ranges, one, first.how, other.how)
            elif one.begins and self.options.project is not None:
                if in_models is None:
                    beginning = {each.table for each in differences if each.begins and each.runs == one.runs}
                    in_models = model_causes(
                        self.options.project,
                        [each for each in self.models if ".".join(each.place[-2:]) in beginning],
                        self._side(first, (), first.outputs["RAW.EVENTS"]).warehouse,
                        (first.how, other.how),
                        first.outputs,
                        seed=self.seed,
                        ignored=self.options.ignored,
                        ascii_only=self.ascii_only,
                        step=self.step,
                    )
                causes = in_models.get(one.table, ())
            else:
                causes = ()
            found.append(evolve(one, causes=causes))
        return found

    def _again(self, title: str, how: Combination, ranges: tuple[Range, ...]) -> tuple[Output, ...]:
        """Another run, over some of the commits, of which only hashes are left."""
        folder = Path(tempfile.mkdtemp(prefix="cause-", dir=self.folder))
        try:
            total = sum(part.rows for part in ranges)
            with self.step(f"cause: {title}", "events") as report:
                loaded = run_child(
                    self.log,
                    self.codec,
                    ranges,
                    how,
                    folder=folder,
                    label=f"Looking for the cause, {title}",
                    ascii_only=self.ascii_only,
                    progress=lambda done: report(done, total),
                )
            outputs = raw_outputs(folder / "warehouse.duckdb")
            return (*outputs, Output(table="codec", rows=0, columns={}, whole=loaded.fingerprint))
        finally:
            shutil.rmtree(folder)


def _named_fingerprint(one: str, other: str) -> Found:
    named = Named(key={}, column="fingerprint", values=(one, other), columns=("fingerprint",))
    return Found(rows=1, columns=("fingerprint",), named=(named,))
