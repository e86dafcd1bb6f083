"""By what variables dbt knows whether it builds the live tables or a shadow."""

from __future__ import annotations

import os
from collections.abc import Mapping

from eventreplay.rebuild.ends import Dbt

RAW_VARIABLE, SUFFIX_VARIABLE = "EVENTREPLAY_RAW_SCHEMA", "EVENTREPLAY_SCHEMA_SUFFIX"


def raw_schema_of(dbt: Dbt) -> str:
    """RAW's live name, as the warehouse's environment for dbt has it."""
    return str(dbt.environment.get(RAW_VARIABLE) or os.environ.get(RAW_VARIABLE) or "RAW")


def shadow_variables(raw_schema: str, suffix: str, *, makes_raw: bool) -> Mapping[str, str]:
    """By what dbt builds beside the live tables: of the shadow's RAW, or of the live one."""
    return {RAW_VARIABLE: f"{raw_schema}{suffix}" if makes_raw else raw_schema, SUFFIX_VARIABLE: suffix}


def live_variables(raw_schema: str) -> Mapping[str, str]:
    """By what dbt builds the live tables, whatever this process's own environment says."""
    return {RAW_VARIABLE: raw_schema, SUFFIX_VARIABLE: ""}


def shadow_place(name: str) -> str:
    """Folder for dbt's artifacts of a shadow; none of the live ones' is called so."""
    return f"shadow-{name}"
