"""Where dbt's artifacts of a task lie: those of two tasks would mix."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eventreplay_airflow import values

PROJECT = "{{ var.value.get('eventreplay_dbt_project', '') }}"
TARGET = "{{ var.value.get('eventreplay_dbt_target', '') }}"
WORK = "{{ var.value.get('eventreplay_work', '') }}"
"""Variables that hold for every DAG, read when a task runs."""


def run_name(context: Mapping[str, Any]) -> str:
    """Names a task instance, the same on every try."""
    ti = context.get("ti")
    parts = [getattr(ti, name, "") for name in ("dag_id", "run_id", "task_id", "map_index")]
    return "/".join(str(part) for part in parts)


def folder_of(work: object, *names: str) -> Path:
    """A folder for what `names` say, in the one that is given or in the temporary one."""
    given = values.optional_text(work)
    base = Path(tempfile.gettempdir()) / f"eventreplay-dbt-{os.getuid()}" if given is None else Path(given)
    own = "-".join(name for name in names if name not in ("", "-1", "None"))
    return base / "dbt" / re.sub(r"[^A-Za-z0-9._-]", "_", own)
