"""A company whose logic changes: a log that grows, what its code and its dbt project were, and what they are.

`SCHEMAS` is the changed set of schemas by the name that `installed` gives it for processes of their own.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from eventreplay.capture import CaptureOptions, capture
from eventreplay.codecs.router import codec_for
from eventreplay.demo import schemas
from eventreplay.demo.generator import GeneratedSource
from eventreplay.interfaces import Codec
from eventreplay.log import Log
from eventreplay.transform import project_folder
from tests.integration.rebuild import upcaster

ROOT = Path(__file__).resolve().parents[3]
JOURNAL = "journal"
SEED = 7
SCHEMAS = "sportscards-mended"
SMALL = frozenset({
    "events", "orders", "intermediate", "fct_orders", "fct_order_lines", "agg_revenue_daily",
    "agg_customer_purchases", "agg_demand_sku_daily",
})  # fmt: skip
"""Folders and models of the small project."""

_REVENUE = "cast(coalesce(lines.revenue, 0) - orders.refunded_amount as decimal(38, 4)) as net_revenue,"
_REVENUE_CHANGED = """cast(
        coalesce(lines.revenue, 0) - orders.refunded_amount
        + case when orders.status = 'cancelled' then 0 else coalesce(orders.shipping_fee, 0) end
        as decimal(38, 4)
    ) as net_revenue,"""


class Journal:
    """The generated history of a company, as far as it has happened; a log that captures it piece by piece.

    Args:
        folder: where the log is.
        events: in the whole history.
        segment_positions: positions of a segment, each a commit.
    """

    def __init__(self, folder: Path, events: int, *, segment_positions: int = 4_096) -> None:
        self.url = str(folder / "log")
        self.events = events
        self._options = CaptureOptions(segment_positions=segment_positions)

    def log(self) -> Log:
        """The log."""
        return Log.open(self.url)

    def happened(self, events: int) -> int:
        """Capture the history up to so many records; how many were new."""
        source = GeneratedSource(SEED, self.events)
        try:
            done = capture(source, self.log(), JOURNAL, upto=events - 1, options=self._options)
        finally:
            source.close()
        return done.received


def codec_before() -> Codec:
    """What decodes as it was."""
    codec: Codec = codec_for(schemas.load())
    return codec


def codec_changed() -> Codec:
    """What decodes as it is."""
    codec: Codec = codec_for(upcaster.load())
    return codec


def project_before(folder: Path, *, whole: bool) -> Path:
    """A copy of the dbt project as it was; orders and what is made of them alone, unless it is `whole`."""
    made = folder / "dbt-before"
    left = shutil.ignore_patterns("target", "logs", "__pycache__")
    shutil.copytree(project_folder(), made, ignore=left)
    if not whole:
        for path in [*(made / "models").rglob("*.sql"), *(made / "models").rglob("*.yml")]:
            if path.stem not in SMALL and path.parent.name not in SMALL:
                path.unlink()
        shutil.rmtree(made / "tests/singular")
        shutil.rmtree(made / "analyses")
    return made


def project_changed(folder: Path, before: Path) -> Path:
    """A copy of it in which shipping fees are revenue."""
    made = folder / "dbt-changed"
    shutil.copytree(before, made)
    model = made / "models/marts/fct_orders.sql"
    text = model.read_text("utf-8")
    assert text.count(_REVENUE) == 1
    model.write_text(text.replace(_REVENUE, _REVENUE_CHANGED), "utf-8")
    return made


def installed(folder: Path) -> dict[str, str]:
    """Install the changed schemas for processes with this environment."""
    distribution = folder / "installed" / "mended-1.0.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: mended\nVersion: 1.0\n", "utf-8")
    point = f"[eventreplay.schemas]\n{SCHEMAS} = {upcaster.__name__}:load\n"
    (distribution / "entry_points.txt").write_text(point, "utf-8")
    return {"PYTHONPATH": f"{distribution.parent}:{ROOT}"}
