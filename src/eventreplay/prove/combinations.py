"""Everything that must have no part in a result, and how it is varied from run to run.

Each dimension has an ordered list of values of which the first two are as unlike as can be, so that two runs
are enough to vary all of them. A seed decides which run gets which, and draws the hash seeds.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, fields, frozen

from eventreplay.errors import ConfigError

RUNS_MIN, RUNS_MAX = 2, 64
SEED_MAX = 2**32 - 1
"""Largest PYTHONHASHSEED, and largest seed of a proof."""
THREADS_MAX = 4
LOCALES_ASKED_MAX = 16
"""Locales that are asked for their decimal point; a machine may have hundreds."""

DECIMALS: Mapping[str, Mapping[str, Any]] = {
    "narrow": {"precision": 6, "rounding": "ROUND_UP", "traps": []},
    "usual": {
        "precision": 28,
        "rounding": "ROUND_HALF_EVEN",
        "traps": ["InvalidOperation", "DivisionByZero", "Overflow"],
    },
    "wide": {
        "precision": 60,
        "rounding": "ROUND_DOWN",
        "traps": ["InvalidOperation", "DivisionByZero", "Overflow", "FloatOperation"],
    },
}
"""Decimal contexts: digits, rounding, and which signals raise."""

CLOCKS: Mapping[str, tuple[str, int]] = {
    "still": ("2020-02-29T23:59:59+00:00", 0),
    "days": ("2031-12-30T12:00:00+00:00", 86_400),
    "seconds": ("2024-10-27T00:59:58+00:00", 1),
}
"""Moments at which rows are said to be loaded: the first commit's, and seconds from one to the next."""

ORDERS = ("log", "reversed", "shuffled")
"""Orders in which RAW's rows lie when dbt reads them; a table of a warehouse has none."""

_ZONES = (
    ("Pacific/Kiritimati", "<+14>-14"),
    ("America/St_Johns", "NST3:30NDT,M3.2.0,M11.1.0"),
    ("UTC", "UTC0"),
    ("Asia/Kathmandu", "<+0545>-5:45"),
    ("Pacific/Apia", "<+13>-13"),
)
_ZONEINFO = Path("/usr/share/zoneinfo")
_COMMA_LANGUAGES = ("tr_TR", "de_", "fr_", "az_AZ", "pl_PL", "ru_RU", "es_ES", "it_IT", "pt_BR", "nl_NL")


@frozen(kw_only=True)
class Combination:
    """How one run is done. Nothing of it may show in what comes out.

    Attributes:
        batch_rows_max: rows decoded at a time.
        workers: 1 decodes in a thread, more in processes.
        transaction_rows_min: rows of a transaction of the warehouse, at least.
        hash_seed: PYTHONHASHSEED: the order of sets of texts.
        zone: TZ.
        locale: LC_ALL, which is also set in the process.
        decimals: a name in `DECIMALS`: the ambient context of the decimal module.
        clock: a name in `CLOCKS`: when rows are said to be loaded.
        sink_threads: of DuckDB while rows are loaded.
        python: path of the interpreter.
        dbt_threads: models that dbt builds at a time.
        duckdb_threads: of DuckDB while dbt builds; a profile that does not read
            EVENTREPLAY_DUCKDB_THREADS has its own.
        row_order: in which order RAW's rows lie when dbt reads them, of `ORDERS`.
    """

    batch_rows_max: int
    workers: int
    transaction_rows_min: int
    hash_seed: int
    zone: str
    locale: str
    decimals: str
    clock: str
    sink_threads: int
    python: str
    dbt_threads: int
    duckdb_threads: int
    row_order: str

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        return asdict(self)

    def environment(self, *, ascii_only: bool) -> dict[str, str]:
        """What has to be set before an interpreter starts.

        Args:
            ascii_only: no path of the run has other letters, so the locale C may mean ASCII.
        """
        found = {"PYTHONHASHSEED": str(self.hash_seed), "TZ": self.zone, "LC_ALL": self.locale}
        # Python would make UTF-8 of the locale C by itself, and then nothing but its name were varied.
        utf8 = "0" if ascii_only or self.locale != "C" else "1"
        return {**found, "PYTHONUTF8": utf8, "PYTHONCOERCECLOCALE": "0"}


WHAT: Mapping[str, str] = {
    "batch_rows_max": "batch size",
    "workers": "workers",
    "transaction_rows_min": "transaction size",
    "hash_seed": "hash seed",
    "zone": "time zone",
    "locale": "locale",
    "decimals": "decimal context",
    "clock": "clock of the load",
    "sink_threads": "DuckDB's threads (load)",
    "python": "Python",
    "dbt_threads": "dbt's threads",
    "duckdb_threads": "DuckDB's threads (dbt)",
    "row_order": "order of RAW's rows (dbt)",
}
"""Dimensions in words."""

OF_DBT = ("hash_seed", "zone", "locale", "clock", "dbt_threads", "duckdb_threads", "row_order")
"""Those that matter to dbt; the clock by what it wrote into RAW."""
OF_REPLAY = tuple(name for name in WHAT if name not in {"dbt_threads", "duckdb_threads", "row_order"})
"""Those that matter to a replay."""


@frozen(kw_only=True)
class Values:
    """The values that each dimension has on this machine, the two most unlike first."""

    batch_rows_max: tuple[int, ...]
    workers: tuple[int, ...]
    transaction_rows_min: tuple[int, ...] = (1, 10_000_000, 1_000)
    hash_seed: tuple[int, ...]
    zone: tuple[str, ...]
    locale: tuple[str, ...]
    decimals: tuple[str, ...] = tuple(DECIMALS)
    clock: tuple[str, ...] = tuple(CLOCKS)
    sink_threads: tuple[int, ...]
    python: tuple[str, ...]
    dbt_threads: tuple[int, ...] = (4, 1, 2)
    duckdb_threads: tuple[int, ...]
    row_order: tuple[str, ...] = ("reversed", "log", "shuffled")


def values_here(
    *,
    segment_rows: int,
    pythons: Sequence[str],
    draw: random.Random,
    locales: Sequence[str] | None = None,
    cores: int | None = None,
) -> Values:
    """What can be varied on this machine.

    Args:
        segment_rows: rows of the largest segment: a batch ends with its segment, so larger ones are alike.
        pythons: interpreters, this one first.
        draw: for the hash seeds.
        locales: those to use; None: of the installed ones.
        cores: of the machine; None: it is asked.
    """
    third = max(1, segment_rows // 3)
    cores = max(2, min(THREADS_MAX, cores or os.cpu_count() or 1))
    return Values(
        batch_rows_max=tuple(dict.fromkeys((65_536, third | 1, max(1, third // 6) | 1))),
        workers=(1, 2) if cores <= 2 else (1, 2, 3),  # noqa: PLR2004 - a third worker needs a core
        hash_seed=tuple(draw.sample(range(1, SEED_MAX), RUNS_MAX - 1)),
        zone=tuple(name if (_ZONEINFO / name).is_file() else rule for name, rule in _ZONES),
        locale=tuple(locales or locales_here()),
        sink_threads=(1, cores),
        duckdb_threads=(cores, 1),
        python=tuple(pythons),
    )


def combinations(values: Values, runs: int, draw: random.Random) -> tuple[Combination, ...]:
    """So many runs; every dimension with two values has at least two of them among the runs.

    Raises:
        ConfigError: fewer runs than 2, more than can be drawn, or than there are interpreters.
    """
    if not RUNS_MIN <= runs < RUNS_MAX:
        raise ConfigError(
            f"{runs} runs prove nothing." if runs < RUNS_MIN else f"{runs} runs are too many.",
            hint=f"Give --runs {RUNS_MIN} to {RUNS_MAX - 1}.",
            setting="runs",
        )
    if runs < len(values.python):
        raise ConfigError(
            f"{len(values.python)} interpreters take part in {runs} runs.",
            hint=f"Give --runs {len(values.python)} or more.",
            setting="runs",
        )
    columns: dict[str, list[Any]] = {}
    for attribute in fields(Values):
        known = getattr(values, attribute.name)
        column = [known[at % len(known)] for at in range(runs)]
        draw.shuffle(column)
        columns[attribute.name] = column
    return tuple(Combination(**{name: column[at] for name, column in columns.items()}) for at in range(runs))


def locales_here() -> tuple[str, ...]:
    """Locales to run under: one with a decimal comma first, if there is one; then C, then others."""
    return chosen_locales(_installed(), _decimal_point)


def chosen_locales(installed: Sequence[str], decimal_point: Any) -> tuple[str, ...]:
    """Of these locales the most unlike: see `locales_here`.

    Args:
        installed: names as `locale -a` has them.
        decimal_point: gives a locale's, by its name; empty if it is not known.
    """
    fit = [name for name in installed if name not in {"C", "POSIX"}]
    likely = sorted(
        (name for name in fit if name.startswith(_COMMA_LANGUAGES)),
        key=lambda name: (
            next(at for at, start in enumerate(_COMMA_LANGUAGES) if name.startswith(start)),
            "utf" not in name.lower(),
            name,
        ),
    )
    asked = [*likely, *(name for name in fit if name not in likely)][:LOCALES_ASKED_MAX]
    comma = next((name for name in asked if decimal_point(name) == ","), None)
    rest = [name for name in asked if name != comma]
    # The locale C is ASCII: with any other beside it two encodings are varied.
    return (*([comma] if comma else []), "C", *rest[:2])


def _installed() -> list[str]:
    return _said(["locale", "-a"], os.environ).split()


def _decimal_point(name: str) -> str:
    return _said(["locale", "decimal_point"], {**os.environ, "LC_ALL": name}).strip()


def _said(command: list[str], environment: Mapping[str, str]) -> str:
    program = shutil.which(command[0])
    if program is None:
        return "C C.UTF-8" if command[1] == "-a" else ""
    done = subprocess.run(  # noqa: S603 - a program of the system, arguments of ours
        [program, *command[1:]], env=environment, capture_output=True, check=False, timeout=30
    )
    return done.stdout.decode("ascii", "replace")
