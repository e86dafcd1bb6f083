"""A look at the rows that failed tests found: their compiled SQL, asked through dbt once more, with a limit.

Through dbt, because it has the connection; as text made there, because an amount would pass through a float
on the way otherwise. Costs another start of dbt, so only after a failure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from attrs import evolve

from eventreplay.transform.nodes import Node

ROWS_MAX = 5
VALUE_CHARACTERS_MAX = 200
TESTS_MAX = 25
# Linux takes 128 KiB in one argument.
_QUERY_BYTES_MAX = 100_000
MARK = "eventreplay failing rows: "

_PART = """
{%- set failing %}{% raw %}QUERY{% endraw %}{% endset -%}
{%- set found = run_query(get_limit_subquery_sql(failing, LIMIT)) -%}
{%- set rows = [] -%}
{%- for row in found.rows -%}
    {%- set cells = [] -%}
    {%- for cell in row -%}
        {%- do cells.append('null' if cell is none else (cell | string)[:CHARACTERS]) -%}
    {%- endfor -%}
    {%- do rows.append(cells) -%}
{%- endfor -%}
{%- set said = {'test': 'TEST', 'columns': found.column_names | list, 'rows': rows} -%}
{%- do log('MARK' ~ tojson(said), info=true) -%}
"""


def query(failed: Sequence[Node], compiled: Mapping[str, str]) -> str | None:
    """A text for `dbt compile --inline` that logs rows of these tests; None if there is nothing to ask."""
    parts: list[str] = []
    size = 0
    for node in failed:
        sql = compiled.get(node.unique_id)
        # A name or a query that would end the quoting around it is left out rather than escaped.
        if sql is None or "endraw" in sql or "'" in node.unique_id:
            continue
        part = (
            _PART.replace("LIMIT", str(ROWS_MAX))
            .replace("CHARACTERS", str(VALUE_CHARACTERS_MAX))
            .replace("MARK", MARK)
            .replace("TEST", node.unique_id)
            .replace("QUERY", sql)
        )
        size += len(part.encode("utf-8"))
        if len(parts) == TESTS_MAX or size > _QUERY_BYTES_MAX:
            break
        parts.append(part)
    return "{%- if execute -%}" + "".join(parts) + "{%- endif -%}\nselect 1" if parts else None


def with_rows(nodes: Sequence[Node], marked: Sequence[str]) -> tuple[Node, ...]:
    """The nodes with the rows that were logged for them."""
    rows: dict[str, tuple[Mapping[str, str], ...]] = {}
    for line in marked:
        said = json.loads(line)
        columns = [str(name).lower() for name in said["columns"]]
        rows[said["test"]] = tuple(dict(zip(columns, row, strict=True)) for row in said["rows"])
    return tuple(evolve(node, rows=rows.get(node.unique_id, ())) for node in nodes)
