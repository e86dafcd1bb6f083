"""Which sections and variables there may be: one for each registered end, and `s3` for the log's store."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from importlib import metadata

from eventreplay.errors import ConfigError

ENVIRONMENT_PREFIX = "EVENTREPLAY_"
NOT_SETTINGS = frozenset(
    {
        "EVENTREPLAY_DEBUG",
        "EVENTREPLAY_DBT_TARGET",
        "EVENTREPLAY_DBT_THREADS",
        "EVENTREPLAY_DUCKDB_MEMORY",
        "EVENTREPLAY_DUCKDB_PATH",
        "EVENTREPLAY_DUCKDB_THREADS",
        "EVENTREPLAY_RAW_SCHEMA",
        "EVENTREPLAY_SCHEMA_SUFFIX",
    }
)
"""Variables with the prefix that others read: the command line, and the dbt project."""
TESTS_PREFIX = "EVENTREPLAY_TEST_"
"""Where tests find servers that are there already."""
LOG_STORE = "s3"
"""The section of the log's store; the log is no plugin."""

_GROUPS = ("eventreplay.sources", "eventreplay.sinks")
_SHOWN_CHARACTERS_MAX = 60


def sections() -> frozenset[str]:
    """Names that a section of the settings file may have. Nothing is imported for it."""
    named = {point.name for group in _GROUPS for point in metadata.entry_points(group=group)}
    return frozenset(named | {LOG_STORE})


def variable_prefix(section: str) -> str:
    """What variables of a section begin with: `EVENTREPLAY_POSTGRES_`."""
    return f"{ENVIRONMENT_PREFIX}{_upper(section)}_"


def variable(section: str, field: str) -> str:
    """The variable that sets one field of a section."""
    return variable_prefix(section) + _upper(field)


def _upper(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def belongs_to_a_section(name: str, known: Iterable[str]) -> bool:
    """Whether a variable sets a field of one of the sections, or is none of ours to look at."""
    if name in NOT_SETTINGS or name.startswith(TESTS_PREFIX):
        return True
    return any(name.startswith(variable_prefix(section)) for section in known)


def refuse_unknown(names: Iterable[str], known: Iterable[str], where: str, *, kind: str = "setting") -> None:
    """Raise for the first of `names` that is not among `known`; it may be a misspelt one.

    Raises:
        ConfigError: with what was probably meant, and all there are.
    """
    choices = sorted(known)
    for name in sorted(set(names) - set(choices)):
        close = difflib.get_close_matches(name, choices, n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        raise ConfigError(
            f"Unknown {kind} {name[:_SHOWN_CHARACTERS_MAX]!r} {where}.",
            hint=f"{meant}There are: {', '.join(choices) or 'none'}.",
            setting=name[:_SHOWN_CHARACTERS_MAX],
        )
