"""Which rows must differ when the two changes of the story take effect, and which do: in plain SQL alone.

`affected` asks the live tables alone and follows the changes by reasoning: an order of v1 with a discount,
an order with a shipping fee, and whatever sums over them. `differing` compares two generations by EXCEPT ALL.
Both speak of a row by its key. They must agree before either is held against anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Ask = Callable[[str], list[tuple[Any, ...]]]
"""Rows of a query."""
Keys = set[tuple[str, ...]]

KEYS = {
    "STAGING.stg_orders__order_placed": ("event_id",),
    "STAGING.int_orders__state": ("order_id",),
    "MART.fct_order_lines": ("order_id", "line_number"),
    "MART.fct_orders": ("order_id",),
    "MART.agg_revenue_daily": ("order_date", "currency_code"),
    "MART.agg_customer_purchases": ("customer_id", "currency_code"),
    "MART.agg_demand_sku_daily": ("order_date", "sku", "currency_code"),
}
"""Of the tables that `affected` speaks of."""
UNSTEADY = frozenset({"inserted_at", "load_id", "quarantined_at", "decoder_fingerprint"})
"""Columns that say when a row was loaded, by which load, and by which code it was refused."""

_DISCOUNTED = """
    select lines.* from {staging}.stg_orders__order_lines as lines
    where lines.discount is not null
      and lines.event_id in (
          select event_id from {raw}.EVENTS where event_type = 'sportscards.orders.v1.OrderPlaced'
      )
"""
_LINES = """
    select fact.order_id, fact.line_number, fact.sku, fact.customer_id, fact.order_date, fact.currency_code
    from {mart}.fct_order_lines as fact
    join {staging}.int_orders__state as state on state.order_id = fact.order_id
    join ({discounted}) as lines
      on lines.event_id = state.placed_event_id and lines.line_number = fact.line_number
    where fact.status <> 'cancelled' and lines.discount <> 0
      and not exists (
          select 1 from {staging}.stg_orders__order_item_changed as changed
          where changed.order_id = fact.order_id and changed.line_number = fact.line_number
      )
      and not exists (
          select 1 from {staging}.stg_orders__order_lines as later
          where later.event_id = lines.event_id and later.line_number = lines.line_number
            and later.item_position > lines.item_position
      )
"""
_ORDERS = """
    select order_id, customer_id, order_date, currency_code from {mart}.fct_orders
    where order_id in (select order_id from ({lines}) as lines)
       or (status <> 'cancelled' and shipping_fee <> 0)
"""


def affected(ask: Ask, suffix: str = "") -> dict[str, Keys]:
    """Keys by table whose rows change; asks the tables as they are before the change.

    Args:
        ask: runs a query.
        suffix: of the schemas of the generation before the change.
    """
    names = {"raw": f"RAW{suffix}", "staging": f"STAGING{suffix}", "mart": f"MART{suffix}"}
    discounted = _DISCOUNTED.format(**names)
    lines = _LINES.format(**names, discounted=discounted)
    orders = _ORDERS.format(**names, lines=lines)
    queries = {
        "STAGING.stg_orders__order_placed": f"select distinct event_id from ({discounted}) as d",
        "MART.fct_order_lines": f"select distinct order_id, line_number from ({lines}) as l",
        "MART.fct_orders": f"select order_id from ({orders}) as o",
        "MART.agg_revenue_daily": f"select distinct order_date, currency_code from ({orders}) as o",
        "MART.agg_customer_purchases": f"select distinct customer_id, currency_code from ({orders}) as o",
        "MART.agg_demand_sku_daily": f"select distinct order_date, sku, currency_code from ({lines}) as l",
    }
    found = {table: _texts(ask(query)) for table, query in queries.items()}
    return {table: found.get(table, set()) for table in KEYS}


def differing(ask: Ask, live: str, other: str) -> dict[str, tuple[Keys, Keys]]:
    """Keys by table of rows that only the live generation has, or only the other one.

    Args:
        ask: runs a query on DuckDB.
        live: suffix of the one.
        other: suffix of the other.
    """
    found = {}
    for table, key in KEYS.items():
        schema, _, name = table.partition(".")
        chosen = ", ".join(_columns(ask, f"{schema}{live}", name))
        here, there = (f"select {chosen} from {schema}{suffix}.{name}" for suffix in (live, other))
        found[table] = (
            _texts(ask(f"select distinct {', '.join(key)} from ({here} except all {there}) as d")),
            _texts(ask(f"select distinct {', '.join(key)} from ({there} except all {here}) as d")),
        )
    return found


def unequal_tables(ask: Ask, live: str, other: str) -> set[str]:
    """Tables and views of which the two generations do not hold the same rows; of RAW its own two."""
    tables = ask(
        "select table_schema, table_name from information_schema.tables"
        f" where table_schema in ('STAGING{live}', 'MART{live}') and lower(table_name) <> 'load_watermarks'"
    )
    named = [(schema.removesuffix(live), name) for schema, name in tables]
    unequal = set()
    for schema, name in [*named, ("RAW", "EVENTS"), ("RAW", "QUARANTINE")]:
        chosen = ", ".join(f'"{column}"' for column in _columns(ask, f"{schema}{live}", name))
        here, there = (f'select {chosen} from {schema}{suffix}."{name}"' for suffix in (live, other))
        ((count,),) = ask(
            f"select (select count(*) from ({here} except all {there}) as a)"
            f" + (select count(*) from ({there} except all {here}) as b)"
        )
        if count:
            unequal.add(f"{schema}.{name}")
    return unequal


def _columns(ask: Ask, schema: str, name: str) -> list[str]:
    found = ask(
        "select column_name from information_schema.columns"
        f" where upper(table_schema) = '{schema.upper()}' and upper(table_name) = '{name.upper()}'"
        " order by ordinal_position"
    )
    return [column for (column,) in found if column.lower() not in UNSTEADY]


def _texts(rows: list[tuple[Any, ...]]) -> Keys:
    return {tuple(str(value) for value in row) for row in rows}
