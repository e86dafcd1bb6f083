"""Rebuild: the logic changed. Plan it, build a generation beside the live one, switch over, go back.

    plan ──▶ run ──▶ (look at the differences) ──▶ promote ──▶ rollback, if regretted

`plan` writes down what will be done; the later steps keep to it, or say what has moved under it.
"""

from eventreplay.rebuild.checking import check
from eventreplay.rebuild.diff import diff
from eventreplay.rebuild.difference import Difference
from eventreplay.rebuild.ends import Dbt, OpenSink, Patience, Screen, opened_raw
from eventreplay.rebuild.fingerprints import codec_types
from eventreplay.rebuild.keeping import drop, drop_expired, generations, rollback, unfinished
from eventreplay.rebuild.parts import (
    OTHER_TYPES,
    Built,
    Estimate,
    Exposure,
    Model,
    PlannedPartition,
)
from eventreplay.rebuild.plan import Plan
from eventreplay.rebuild.planning import plan
from eventreplay.rebuild.running import RunReceipt, new_receipt, run
from eventreplay.rebuild.switching import KEEP, Promotion, promote
from eventreplay.rebuild.telling import built_fingerprints, dbt_facts
from eventreplay.selection import Selection

__all__ = [
    "KEEP",
    "OTHER_TYPES",
    "Built",
    "Dbt",
    "Difference",
    "Estimate",
    "Exposure",
    "Model",
    "OpenSink",
    "Patience",
    "Plan",
    "PlannedPartition",
    "Promotion",
    "RunReceipt",
    "Screen",
    "Selection",
    "built_fingerprints",
    "check",
    "codec_types",
    "dbt_facts",
    "diff",
    "drop",
    "drop_expired",
    "generations",
    "new_receipt",
    "opened_raw",
    "plan",
    "promote",
    "rollback",
    "run",
    "unfinished",
]
