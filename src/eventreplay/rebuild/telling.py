"""The facts of a receipt of kind dbt: what was run, how it ended, and which versions made the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eventreplay.errors import PlanError
from eventreplay.rebuild.fingerprints import BUILT, model_fingerprints
from eventreplay.rebuild.lineage import read_manifest
from eventreplay.transform import Transformation

_FAILED = frozenset({"error", "fail", "runtime error"})


def dbt_facts(
    done: Transformation,
    *,
    sink: str,
    command: str,
    project: Path,
    work: Path,
    full_refresh: bool = False,
    suffix: str = "",
    variables: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """What a run of dbt did, for a receipt.

    Args:
        done: how it ended, also with an error.
        sink: the warehouse, without secrets.
        command: what was run, e.g. `build`.
        project: the project's folder.
        work: folder that it ran in, where its manifest is.
        full_refresh: whether incremental models were made anew.
        suffix: of the schemas' names, if it built beside the live tables.
        variables: dbt's `--vars`.

    Returns:
        `fingerprints` has those of the models that were built; the next plan finds them there.
    """
    built = {node.name for node in done.nodes if node.kind in BUILT and node.status == "success"}
    counts = Counter(f"{node.kind}:{node.status}" for node in done.nodes)
    return {
        "command": command,
        "sink": sink,
        "suffix": suffix,
        "full_refresh": full_refresh,
        "invocation_id": done.invocation_id,
        "project_fingerprint": done.project_fingerprint,
        "seconds": done.seconds,
        "nodes": dict(sorted(counts.items())),
        "failed": [node.name for node in done.nodes if node.status in _FAILED],
        "fingerprints": built_fingerprints(built, work, project, variables),
    }


def built_fingerprints(
    built: set[str], work: Path, project: Path, variables: Mapping[str, object] | None = None
) -> dict[str, str]:
    """Fingerprints of the models that a run built; none if it left no manifest."""
    if not built:
        return {}
    try:
        manifest = read_manifest(work)
    except PlanError:
        return {}
    prints = model_fingerprints(manifest, project=project, variables=variables)
    return {name: prints[name] for name in sorted(built) if name in prints}
