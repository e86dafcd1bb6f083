"""The report: one HTML page with the company's numbers and the run's own evidence.

It holds all it needs and asks the network for nothing; a content security policy in the page forbids it.
The same facts over the same tables give the same page, byte for byte.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from eventreplay.demo.report import queries
from eventreplay.demo.report.customers import customers
from eventreplay.demo.report.evidence import evidence
from eventreplay.demo.report.factory import factory
from eventreplay.demo.report.sales import sales

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
    script = _asset("page.js")
    environment = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        company={**sales(warehouse), "customers": customers(warehouse), **factory(warehouse)},
        run=evidence(facts, stages),
        style=_asset("page.css"),
        script=script,
        # Only this script may run, whatever a name in the data looks like.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _asset(name: str) -> str:
    return (files("eventreplay.demo.report") / name).read_text("utf-8")
