"""Comparing two tables of one warehouse exactly, inside it: what `rebuild diff` is made of.

The SQL is built here, in the words of either warehouse, and answers are made plain data here; a sink lends
its connection (`SupportsTableComparison`). Nothing passes through a float, and no row leaves the warehouse
but a few samples.
"""

from eventreplay.capabilities.comparison.asked import (
    AtLeast,
    Below,
    Condition,
    In,
    Place,
    Question,
    SupportsTableComparison,
)
from eventreplay.capabilities.comparison.comparing import Ask, compared
from eventreplay.capabilities.comparison.dialects import Column, Dialect, DuckDBDialect, SnowflakeDialect
from eventreplay.capabilities.comparison.found import (
    ColumnType,
    Counts,
    Duplicates,
    Metric,
    Metrics,
    Sample,
    TableDifference,
)
from eventreplay.capabilities.comparison.pairing import Layout

__all__ = [
    "Ask",
    "AtLeast",
    "Below",
    "Column",
    "ColumnType",
    "Condition",
    "Counts",
    "Dialect",
    "DuckDBDialect",
    "Duplicates",
    "In",
    "Layout",
    "Metric",
    "Metrics",
    "Place",
    "Question",
    "Sample",
    "SnowflakeDialect",
    "SupportsTableComparison",
    "TableDifference",
    "compared",
]
