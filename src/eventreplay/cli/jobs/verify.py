"""The work of `verify`: which comparisons are made, in which order, and what is kept of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen

from eventreplay.assembly import codec_of, limits_of, schemas_named
from eventreplay.cli.failures import warn_of_retry
from eventreplay.cli.jobs import assembly, verify_journal, verify_models
from eventreplay.cli.jobs.outcome import Outcome
from eventreplay.cli.jobs.receipts import kept
from eventreplay.cli.progress import progress
from eventreplay.cli.screen import print_json, print_line, print_table
from eventreplay.config import Settings
from eventreplay.errors import ConfigError
from eventreplay.interfaces import Codec, Sink
from eventreplay.log import Log
from eventreplay.rebuild import opened_raw
from eventreplay.receipts import options_of, verified
from eventreplay.replay import replay
from eventreplay.retrying import retried
from eventreplay.verify import PartitionVerification, Verification, verify
from eventreplay.verify.repair import Repair, repair

UNEQUAL = 1
"""Exit code when something differs."""
_KINDS = ("missing", "doubled", "altered", "unknown")


@frozen(kw_only=True)
class VerifyRequest:
    """What was typed; None: the settings decide.

    Attributes:
        raw: compare RAW with the log.
        generation: whose RAW; None: the live one.
        journal: the source that the log is compared with; None: none.
        journal_options: of it.
        first: lowest position of the journal to compare.
        marts: dbt's manifest, or the folder it is in; None: no models.
        ways: two beginnings of partitions' names to compare with each other; None: none.
        repair: put right what can be.
        remove_unknown: also remove rows that the log does not have.
    """

    log: str | None
    sink: str | None
    replay_id: str | None
    partitions: tuple[str, ...] | None
    deep: bool
    schemas: str | None
    limit_rows: int
    options: tuple[str, ...]
    keeps_receipt: bool
    config: Path | None
    raw: bool = True
    generation: str | None = None
    journal: str | None = None
    journal_options: tuple[str, ...] = ()
    first: int = 0
    marts: Path | None = None
    ways: str | None = None
    repair: bool = False
    remove_unknown: bool = False

    def check(self) -> None:
        """Raise `ConfigError` where options do not go together."""
        if self.remove_unknown and not self.repair:
            raise ConfigError("--remove-unknown removes rows.", hint="Say --repair as well.")
        if not self.raw and not (self.journal or self.marts or self.ways):
            raise ConfigError("Nothing is to be compared.", hint="Give --journal, --marts or --ways.")
        others = (self.repair, self.journal, self.marts, self.ways)
        if self.generation is not None and (not self.raw or any(others)):
            raise ConfigError(
                "Of a generation that is not live RAW is compared with the log, and nothing else.",
                hint="Leave out --no-raw, --repair, --journal, --marts, --ways. `rebuild diff` shows models.",
            )
        if self.first and self.journal is None:
            raise ConfigError("--from is a position of the journal.", hint="Give --journal as well.")

    def decodes(self) -> bool:
        """Whether the log is decoded again."""
        return self.deep or (self.repair and self.raw)


@frozen
class _Run:
    request: VerifyRequest
    settings: Settings
    log: Log
    codec: Codec | None
    outcomes: dict[str, Outcome] = field(factory=dict)

    @property
    def needs_sink(self) -> bool:
        return self.request.raw or self.request.marts is not None or self.request.ways is not None

    def all(self) -> None:
        """Everything that was asked for, from the journal to the marts."""
        request = self.request
        if request.journal is not None:
            made = retried(partial(verify_journal.compared, request, self.log), told=warn_of_retry)
            self.outcomes["journal"] = made
        if self.needs_sink:
            retried(self._with_sink, told=warn_of_retry)

    def _with_sink(self) -> None:
        request = self.request
        with opened_raw(self._open_sink, request.generation) as sink:
            self._load_captured(sink)
            if request.raw:
                self.outcomes["raw"] = self._raw(sink)
            if request.ways is not None:
                self.outcomes["ways"] = verify_models.ways(request.ways, sink, request.limit_rows)
            if request.marts is not None:
                self.outcomes["marts"] = verify_models.marts(request.marts, sink, request.limit_rows)

    def _open_sink(self) -> Sink:
        return assembly.sink_of(
            self.settings,
            config=self.request.config,
            options=self.request.options,
        )

    def _load_captured(self, sink: Sink) -> None:
        """What a repair has just captured into partitions of its own is loaded, and nothing else."""
        found = self.outcomes.get("journal")
        if found is None or not found.captured or not self.request.raw or self.codec is None:
            return
        with progress(f"replay {self.settings.replay_id}", "events") as report:
            replay(
                self.log,
                sink,
                self.codec,
                replay_id=self.settings.replay_id,
                readers=[self.log.reader(name) for name in found.captured],
                batch_rows_max=self.settings.batch_rows_max,
                workers=self.settings.workers,
                progress=report,
            )

    def _raw(self, sink: Sink) -> Outcome:
        request, name = self.request, self.settings.replay_id
        with progress(f"verify {name}", "rows") as report:
            if not request.repair or self.codec is None:
                found = verify(
                    self.log,
                    sink,
                    replay_id=name,
                    partitions=request.partitions,
                    codec=self.codec,
                    samples_max=request.limit_rows,
                    progress=report,
                )
                return _told(self.log, found, self.settings, None)
            done = repair(
                self.log,
                sink,
                self.codec,
                replay_id=name,
                partitions=request.partitions,
                deep=request.deep,
                remove_unknown=request.remove_unknown,
                progress=report,
            )
        return _told(self.log, done.after, self.settings, done.shown(request.limit_rows))


def run(request: VerifyRequest, *, as_json: bool) -> int:
    """Compare, put right if told to, and say what differs."""
    request.check()
    settings = assembly.settings_of(
        request.config, log_url=request.log, sink_url=request.sink, replay_id=request.replay_id
    )
    log = retried(partial(assembly.existing_log, settings.log_url, request.config), told=warn_of_retry)
    codec = codec_of(request.schemas, settings) if request.decodes() else None
    made = _Run(request, settings, log, codec)

    def facts() -> dict[str, Any] | None:
        if not made.outcomes or not request.keeps_receipt:
            return None
        raw, *_ = *(one.brief for name, one in made.outcomes.items() if name == "raw"), {}
        more = {name: one.brief for name, one in made.outcomes.items() if name != "raw"}
        every = all(one.ok for one in made.outcomes.values())
        asked = _asked(request, settings)
        return {"log": log.url, "sink": settings.sink_url, **raw, **more, "ok": every, "settings": asked}

    with kept(log, "repair" if request.repair else "verify", facts) as proof:
        made.all()
    outcomes = made.outcomes
    ok = all(one.ok for one in outcomes.values())
    if as_json:
        raw = outcomes["raw"].facts if "raw" in outcomes else {}
        more = {name: one.facts for name, one in outcomes.items() if name != "raw"}
        print_json({**raw, **more, "ok": ok, "sink": settings.sink_url, "receipt": proof.number})
    else:
        for one in outcomes.values():
            one.say()
    return 0 if ok else UNEQUAL


def _asked(request: VerifyRequest, settings: Settings) -> dict[str, Any]:
    """What decided what was compared, and with what: enough to do the same again."""
    codec: dict[str, Any] = {}
    if request.decodes():
        codec = {"schemas": schemas_named(request.schemas), "limits": asdict(limits_of(settings))}
    return {
        **codec,
        "options": options_of(request.options),
        "partitions": request.partitions,
        "raw": request.raw,
        "generation": request.generation,
        "journal": request.journal,
        "journal_options": options_of(request.journal_options),
        "from": request.first,
        "marts": None if request.marts is None else str(request.marts),
        "ways": request.ways,
        "remove_unknown": request.remove_unknown,
    }


def _told(log: Log, found: Verification, settings: Settings, done: Repair | None) -> Outcome:
    facts, brief = found.to_json(), verified(log, found, sink=settings.sink_url)
    if done is not None:
        facts["repair"], brief["repair"] = done.to_json(), done.brief()

    def say() -> None:
        if done is not None:
            _say_repair(done)
        _say(found)

    return Outcome(ok=found.ok, facts=facts, brief=brief, say=say)


def _say_repair(done: Repair) -> None:
    before = done.before
    counts = ", ".join(f"{getattr(before, f'{kind}_count'):,} {kind}" for kind in _KINDS)
    print_line(f"Before: {counts}.")
    for kind in _KINDS:
        _say_kind(f"{kind}, before", getattr(before, kind), getattr(before, f"{kind}_count"))
    for one in done.replaced:
        print_line(
            f"{one.partition}: {one.removed:,} rows taken out and {one.written:,} put in at {one.places:,} "
            f"places, in {one.transactions:,} transactions."
        )
    if done.replaced:
        print_line("dbt's next run takes the rows that were put in.")
    if done.stale:
        print_line(
            "Altered or unknown rows were there: what a run of dbt has made of them may be left. Compare "
            "with --marts after the next run; `--full-refresh` of the models that differ removes it.",
            style="yellow",
        )


def _say(found: Verification) -> None:
    columns = ("partition", "state", "commits", "rows", "in RAW", "of them quarantined", "behind, rows")
    named = {one.partition for kind in _KINDS for one in getattr(found, kind)}
    rows = [_row(part, differs=part.partition in named) for part in found.partitions]
    print_table(f"Log {found.log}, replay {found.replay_id}", columns, rows, right=(2, 3, 4, 5, 6))
    for kind in _KINDS:
        _say_kind(kind, getattr(found, kind), getattr(found, f"{kind}_count"))
    compared = "every column of" if found.deep else "the counts and hashes of"
    if found.ok:
        total = sum(part.rows for part in found.partitions)
        print_line(f"RAW holds what the log holds: {compared} {total:,} rows.", style="green")
    else:
        counts = ", ".join(f"{getattr(found, f'{kind}_count'):,} {kind}" for kind in _KINDS)
        print_line(f"RAW is not what the log holds: {counts}.", style="bold red")


def _say_kind(title: str, some: tuple[Any, ...], count: int) -> None:
    if not count:
        return
    shown = [(one.partition, one.order, one.offset, one.event_id, one.copies, one.detail) for one in some]
    print_table(
        f"{title}: {count:,}",
        ("partition", "order", "offset", "event id", "rows", "what differs"),
        shown,
        right=(2, 4),
    )
    if count > len(some):
        print_line(f"... and {count - len(some):,} more.", style="dim")


def _row(part: PartitionVerification, *, differs: bool) -> tuple[object, ...]:
    return (
        part.partition,
        "equal" if all(one.equal for one in part.ranges) and not differs else "differs",
        part.commits,
        part.rows,
        sum(one.rows for one in part.ranges),
        sum(one.refused for one in part.ranges),
        part.behind_rows,
    )
