"""Compares a warehouse with the ledger, value by value, exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
from attrs import frozen

from eventreplay.demo.ledger.write import LEDGER_FILE
from eventreplay.errors import ConfigError

if TYPE_CHECKING:
    import duckdb

KEYS = {
    "fct_orders": ("order_id",),
    "fct_order_lines": ("order_id", "line_number"),
    "agg_revenue_daily": ("order_date", "currency_code"),
    "agg_demand_sku_daily": ("order_date", "sku", "currency_code"),
    "agg_demand_by_sku": ("sku", "currency_code"),
    "agg_demand_by_player": ("player", "currency_code"),
    "agg_demand_by_team": ("team", "currency_code"),
    "agg_customer_purchases": ("customer_id", "currency_code"),
    "dim_customer": ("customer_id",),
    "dim_card": ("sku",),
    "fct_batch_performance": ("batch_id",),
    "agg_manufacturing_daily": ("production_date", "line", "currency_code"),
    "agg_defects_by_kind": ("production_date", "line", "kind"),
}
DIFFERENCES_MAX = 20
"""Differences listed for each column of a table; one more line says how many there are in all."""

_EXACT = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
)

_FLOATS = ("DOUBLE", "FLOAT", "REAL")


@frozen
class Difference:
    """One place where the warehouse is not as the ledger says; None is a null or something missing."""

    table: str
    key: str
    column: str
    expected: str | None
    found: str | None

    def __str__(self) -> str:
        return f"{self.table}[{self.key}].{self.column}: expected {self.expected}, found {self.found}"


def compare(
    folder: Path, connection: duckdb.DuckDBPyConnection, *, mart: str = "MART", raw: str | None = "RAW"
) -> list[Difference]:
    """Every difference between the ledger in `folder` and the tables of schema `mart`; empty if all is right.

    Decimals are compared as decimals, everything else by value and as text; a table that is missing, a
    column that is missing or is a float, a missing or a surplus row: each is a difference. The log's counts
    are compared with schema `raw`, unless it is None.

    Raises:
        ConfigError: the folder holds no ledger.
    """
    path = folder / LEDGER_FILE
    if not path.is_file():
        raise ConfigError(f"There is no ledger in {folder}.", hint="Write one with write_ledger.")
    found: list[Difference] = []
    if raw is not None:
        found += _counts(json.loads(path.read_text("utf-8")), connection, raw)
    for name in KEYS:
        table = folder / f"{name}.parquet"
        if table.is_file():
            found += _compare_table(table, name, connection, mart)
    return found


def _counts(facts: dict[str, object], connection: duckdb.DuckDBPyConnection, raw: str) -> list[Difference]:
    catalog, stages = facts.get("catalog", {}), facts["quarantined_by_stage"]
    if not isinstance(catalog, dict) or not isinstance(stages, dict):
        raise ConfigError(
            "The ledger's figures are not as written.", hint="Write it again with write_ledger."
        )
    stored = int(str(facts["stored"])) + int(catalog.get("events", 0))
    accepted = stored + int(str(facts["duplicates"])) + int(stages["conflicting_payload"])
    refused = int(stages["capture"]) + int(catalog.get("rejected", 0))
    first = (
        "SELECT event_id, arg_min(payload_sha256, (log_partition, log_offset)) AS first "
        f"FROM {raw}.EVENTS GROUP BY event_id HAVING count(*) > 1"
    )
    expected = {
        f"SELECT count(*) FROM {raw}.EVENTS": ("EVENTS", "rows", accepted),
        f"SELECT count(DISTINCT event_id) FROM {raw}.EVENTS": ("EVENTS", "distinct event_id", stored),
        # Not by distinct payloads: an event may come twice with the same other payload.
        f"SELECT count(*) FROM {raw}.EVENTS JOIN ({first}) USING (event_id) WHERE payload_sha256 != first": (
            "EVENTS", "conflicting payloads", int(stages["conflicting_payload"])
        ),
        f"SELECT count(*) FROM {raw}.QUARANTINE WHERE stage = 'capture'": ("QUARANTINE", "capture", refused),
        f"SELECT count(*) FROM {raw}.QUARANTINE WHERE stage = 'decode'": (
            "QUARANTINE", "decode", int(stages["decode"])
        ),
    }  # fmt: skip
    differences = []
    for query, (table, what, count) in expected.items():
        present = connection.execute(query).fetchall()[0][0]
        if present != count:
            differences.append(Difference(f"{raw}.{table}", "*", what, str(count), str(present)))
    return differences


def _compare_table(
    path: Path, name: str, connection: duckdb.DuckDBPyConnection, mart: str
) -> list[Difference]:
    types = dict(
        connection.execute(
            "SELECT lower(column_name), data_type FROM information_schema.columns "
            "WHERE lower(table_schema) = lower(?) AND lower(table_name) = lower(?)",
            [mart, name],
        ).fetchall()
    )
    if not types:
        return [Difference(name, "*", "*", "a table", None)]
    ledger = f"read_parquet('{str(path).replace(chr(39), chr(39) * 2)}')"
    stated = {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {ledger}").fetchall()}
    differences = []
    for column in pq.read_schema(path).names:
        if column not in types:
            differences.append(Difference(name, "*", column, stated[column], None))
        elif types[column] in _FLOATS:
            differences.append(Difference(name, "*", column, stated[column], types[column]))
    keys = KEYS[name]
    if any(key not in types for key in keys):
        return differences
    query = _Query(name, keys, ledger, f'"{mart}"."{name}"')
    differences += query.rows(connection)
    for column, kind in stated.items():
        if column not in keys and column in types and types[column] not in _FLOATS:
            differences += query.column(connection, column, kind, types[column])
    return differences


@frozen
class _Query:
    """One ledger table beside its table in the warehouse, joined by key."""

    name: str
    keys: tuple[str, ...]
    ledger: str
    found: str

    def rows(self, connection: duckdb.DuckDBPyConnection) -> list[Difference]:
        """Missing, surplus and repeated rows."""
        keys = ", ".join(self.keys)
        counted = (
            f"SELECT {self._key('k')}, sum(e), sum(f) FROM ("
            f"SELECT {keys}, 1 AS e, 0 AS f FROM {self.ledger} "
            f"UNION ALL SELECT {keys}, 0, 1 FROM {self.found}) k "
            f"GROUP BY {keys} HAVING sum(e) <> sum(f) ORDER BY {keys}"
        )
        rows = connection.execute(counted).fetchall()
        differences = [
            Difference(self.name, key, "rows", str(e), str(f)) for key, e, f in rows[:DIFFERENCES_MAX]
        ]
        return differences + self._more("rows", len(rows))

    def column(
        self, connection: duckdb.DuckDBPyConnection, column: str, stated: str, present: str
    ) -> list[Difference]:
        """Rows of both sides whose values of one column differ."""
        left, right = f'e."{column}"', f'f."{column}"'
        differs = f"{left} IS DISTINCT FROM {right}"
        if stated != present and not (stated in _EXACT and present in _EXACT):
            differs = f"{_plain(left, stated)} IS DISTINCT FROM {_plain(right, present)}"
        matched = " AND ".join(f"e.{key} = f.{key}" for key in self.keys)
        query = (
            f"SELECT {self._key('e')}, CAST({left} AS VARCHAR), CAST({right} AS VARCHAR), count(*) OVER () "
            f"FROM {self.ledger} e JOIN {self.found} f ON {matched} WHERE {differs} "
            f"ORDER BY {', '.join(f'e.{key}' for key in self.keys)} LIMIT {DIFFERENCES_MAX}"
        )
        rows = connection.execute(query).fetchall()
        differences = [
            Difference(self.name, key, column, expected, found) for key, expected, found, _ in rows
        ]
        return differences + self._more(column, rows[0][3] if rows else 0)

    def _key(self, alias: str) -> str:
        return " || '/' || ".join(f"CAST({alias}.{key} AS VARCHAR)" for key in self.keys)

    def _more(self, column: str, count: int) -> list[Difference]:
        if count <= DIFFERENCES_MAX:
            return []
        return [Difference(self.name, "*", column, "no difference", f"{count} in all")]


def _plain(expression: str, kind: str) -> str:
    """Text of a value; of decimals without trailing zeros, so that only the value counts, not the scale."""
    text = f"CAST({expression} AS VARCHAR)"
    if not kind.startswith("DECIMAL") or kind.endswith(",0)"):
        return text
    return f"rtrim(rtrim({text}, '0'), '.')"
