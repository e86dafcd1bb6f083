"""What the steps of a rebuild are put together from: settings, the log, the warehouse, the codec, dbt."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from attrs import evolve, frozen

from eventreplay import assembly as names
from eventreplay.assembly import codec_of
from eventreplay.cli.failures import warn_of_retry
from eventreplay.cli.jobs import assembly
from eventreplay.config import Settings
from eventreplay.errors import ConfigError, PlanError
from eventreplay.interfaces import Codec, Sink
from eventreplay.log import Log
from eventreplay.rebuild import Dbt, Patience, Plan
from eventreplay.retrying import retried
from eventreplay.secret import Secret
from eventreplay.transform import project_folder

PATIENCE = Patience(told=warn_of_retry)
_KEPT = ("schemas", "project", "target")
"""What a plan keeps of what the command line was told."""


@frozen(kw_only=True)
class Code:
    """What was typed of where, and of the code; None: the plan, else the settings decide.

    Attributes:
        memory_mb: bound on the memory of a warehouse in this process, and of dbt's; None: as they have it.
    """

    log: str | None = None
    sink: str | None = None
    replay_id: str | None = None
    schemas: str | None = None
    options: tuple[str, ...] = ()
    project: Path | None = None
    target: str | None = None
    threads: int | None = None
    work: Path | None = None
    workers: int | None = None
    memory_mb: int | None = None
    config: Path | None = None


@frozen(kw_only=True)
class Ends:
    """What a step works with."""

    settings: Settings
    log: Log
    codec: Codec
    dbt: Dbt
    told: Mapping[str, str]
    options: tuple[str, ...]
    config: Path | None

    def open_sink(self) -> Sink:
        """The warehouse, open."""
        return assembly.sink_of(self.settings, config=self.config, options=self.options)


def ends_of(code: Code, plan: Plan | None = None) -> Ends:
    """Put together what a step needs.

    Args:
        code: what was typed.
        plan: what it is a step of: the log, the warehouse and the code are those that it names.

    Raises:
        PlanError: something else was typed than the plan has.
        ConfigError: something is missing, or does not fit.
    """
    if plan is not None:
        code = _as_planned(code, plan)
    settings = assembly.settings_of(
        code.config,
        log_url=code.log,
        sink_url=code.sink,
        replay_id=code.replay_id,
        workers=code.workers,
    )
    log = retried(partial(assembly.existing_log, settings.log_url, code.config), told=warn_of_retry)
    options = bounded(code, settings)
    told = {name: str(value) for name in _KEPT if (value := getattr(code, name)) is not None}
    return Ends(
        settings=settings,
        log=log,
        codec=codec_of(code.schemas, settings),
        dbt=dbt_of(code, settings),
        told=told,
        options=options,
        config=code.config,
    )


def _as_planned(code: Code, plan: Plan) -> Code:
    """What was typed, with the plan's own where nothing was; two that differ are told apart by name."""
    for name, typed, planned in (
        ("log", code.log, plan.log_url),
        ("sink", code.sink, plan.sink_url),
        ("replay-id", code.replay_id, plan.replay_id),
    ):
        if typed not in {None, planned}:
            raise PlanError(
                f"The plan {plan.name} has --{name} {planned}, and {typed} was given.",
                hint="Leave it out: the plan says it. Or make another plan.",
                moved=["settings"],
            )
    project = plan.settings.get("project")
    return evolve(
        code,
        log=plan.log_url,
        sink=plan.sink_url,
        replay_id=plan.replay_id,
        schemas=code.schemas or plan.settings.get("schemas"),
        project=code.project or (None if project is None else Path(project)),
        target=code.target or plan.settings.get("target"),
    )


def dbt_of(code: Code, settings: Settings) -> Dbt:
    """How dbt is run over the sink of the settings."""
    given = assembly.Typed(code.options, code.config)
    environment: dict[str, str | Secret] = dict(names.dbt_environment(settings.sink_url, given))
    if code.memory_mb is not None:
        environment["EVENTREPLAY_DUCKDB_MEMORY"] = f"{code.memory_mb}MB"
    return Dbt(
        project=project_folder() if code.project is None else code.project,
        environment=environment,
        work=_work(settings.sink_url) if code.work is None else code.work,
        target=code.target,
        threads=code.threads,
    )


def bounded(code: Code, settings: Settings) -> tuple[str, ...]:
    """The options of the sink, with the bound on its memory among them.

    Raises:
        ConfigError: the warehouse is elsewhere, and its memory is not ours to bound.
    """
    if code.memory_mb is None:
        return code.options
    if not settings.sink_url.startswith(f"{assembly.DUCKDB}://"):
        raise ConfigError(
            "--memory bounds a warehouse in this process, which this one is not.",
            hint="Use fewer --workers, or a smaller batch_rows_max.",
        )
    return (*code.options, f"memory_mb_max={code.memory_mb}")


def _work(sink_url: str) -> Path:
    """A folder of this user's for dbt's artifacts of one warehouse; kept, so that parsing is saved.

    Raises:
        ConfigError: somebody else has made it.
    """
    base = Path(tempfile.gettempdir()) / f"eventreplay-dbt-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    found = base.lstat()
    if found.st_uid != os.getuid() or base.is_symlink() or found.st_mode & 0o077:
        raise ConfigError(
            f"{base} belongs to somebody else, or others may write to it.",
            hint="Give a folder for dbt's artifacts with --work.",
        )
    name = hashlib.sha256(f"{Path.cwd()} {sink_url}".encode()).hexdigest()[:16]
    return base / name
