"""The report: one HTML page with the company's numbers and the run's own evidence.

It holds all it needs and asks the network for nothing; a content security policy in the page forbids it.
The same facts over the same tables give the same page, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventreplay.demo.report import queries
from eventreplay.demo.report.customers import customers
from eventreplay.demo.report.evidence import evidence
from eventreplay.demo.report.factory import factory
from eventreplay.demo.report.sales import sales
from eventreplay.pages import rendered

if TYPE_CHECKING:
    import duckdb

__all__ = ["page", "write_report"]


def write_report(path: Path, facts: Mapping[str, Any], warehouse: duckdb.DuckDBPyConnection) -> None:
    """Write the page to `path`.

    Args:
        path: the HTML file; replaced if it is there.
        facts: the run's summary, as `pipeline.run_demo` returns it.
        warehouse: an open connection that reads RAW and MART.
    """
    path.write_text(page(facts, warehouse), encoding="utf-8", newline="\n")


def page(facts: Mapping[str, Any], warehouse: duckdb.DuckDBPyConnection) -> str:
    """The page's text; see `write_report`."""
    stages = {row["stage"]: row["records"] for row in queries.rows(warehouse, queries.QUARANTINED_BY_STAGE)}
    return rendered(
        "eventreplay.demo.report",
        "page.html.j2",
        company={**sales(warehouse), "customers": customers(warehouse), **factory(warehouse)},
        run=evidence(facts, stages),
    )
