"""NUMBER as Snowflake computes it: exact sums, and quotients, products and averages with Snowflake's scale.

DuckDB divides decimals as doubles. Which operands are decimals is not to be seen in the text,
so DuckDB is asked: it
describes the enclosing SELECT with the operands as extra columns. Then
- a / b has scale max(s1, min(s1 + 6, 12)), rounded half away from zero, and division by zero is an error;
- a * b has scale min(s1 + s2, max(s1, s2, 12));
- AVG(a) is SUM(a) / COUNT(a).
"""

import re

import duckdb
import sqlglot
from sqlglot import Expr, exp

_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_WHOLE = {
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
}
DIVISION_DIGITS = 6
SCALE_MAX = 12
MACRO = """
CREATE OR REPLACE MACRO {place}._quotient(n, d) AS (
    CASE WHEN d = 0 THEN error('Division by zero')::HUGEINT
         WHEN 2 * abs(n % d) < abs(d) THEN n // d
         WHEN (n < 0) = (d < 0) THEN n // d + 1
         ELSE n // d - 1 END
)
"""


def exact(duck: duckdb.DuckDBPyConnection, expression: Expr) -> Expr:
    """`expression`, already DuckDB's, with NUMBER arithmetic that DuckDB would do in doubles made exact.

    Args:
        duck: describes types; at the session's place, in no transaction.
        expression: changed in place where it can be.
    """
    for average in list(expression.find_all(exp.Avg)):
        window = average.parent if isinstance(average.parent, exp.Window) else None
        kinds = _kinds(duck, average, [average.this])
        if kinds and _scale(kinds[0]) is not None:
            parts: list[Expr] = [exp.Sum(this=average.this.copy()), exp.Count(this=average.this.copy())]
            if window is not None:
                parts = [_over(window, part) for part in parts]
            (average if window is None else window).replace(
                exp.Paren(this=exp.Div(this=parts[0], expression=parts[1]))
            )
    nodes = list(expression.find_all(exp.Div, exp.Mul))
    for node in reversed(nodes):  # innermost first: an outer operand's type follows from the inner result
        kinds = _kinds(duck, node, [node.this, node.expression])
        scales = [_scale(kind) for kind in kinds]
        if len(scales) != 2 or None in scales:  # noqa: PLR2004 - two operands
            continue
        one, other = int(scales[0] or 0), int(scales[1] or 0)
        if isinstance(node, exp.Div):
            node.replace(_quotient(node, one, other))
        elif one + other > max(one, other, SCALE_MAX):
            kind = exp.DataType.build(f"DECIMAL(38, {max(one, other, SCALE_MAX)})", dialect="duckdb")
            node.replace(exp.Cast(this=exp.Paren(this=node.copy()), to=kind))
    return expression


def _scale(kind: str) -> int | None:
    if kind in _WHOLE:
        return 0
    found = _DECIMAL.fullmatch(kind)
    return None if found is None else int(found[2])


def _unscaled(operand: Expr, scale: int) -> str:
    text = operand.sql(dialect="duckdb")
    return f"CAST(({text}) * {10**scale} AS HUGEINT)" if scale else f"CAST(({text}) AS HUGEINT)"


def _quotient(node: exp.Div, one: int, other: int) -> Expr:
    scale = max(one, min(one + DIVISION_DIGITS, SCALE_MAX))
    shift = scale - one + other
    top, bottom = _unscaled(node.this, one), _unscaled(node.expression, other)
    unit = f"CAST('{10**-scale:.{scale}f}' AS DECIMAL({scale + 1}, {scale}))" if scale else "1"
    whole = f"CAST(_quotient({top} * {10**shift}, {bottom}) AS DECIMAL(38, 0))"
    return sqlglot.parse_one(f"CAST({whole} * {unit} AS DECIMAL(38, {scale}))", read="duckdb")


def _over(window: exp.Window, part: Expr) -> Expr:
    copied = window.copy()
    copied.set("this", part)
    return copied


def _kinds(duck: duckdb.DuckDBPyConnection, node: Expr, operands: list[Expr]) -> list[str]:
    """DuckDB's types of operands where they stand; empty where it cannot say (a correlated subquery...)."""
    extra = [exp.alias_(operand.copy(), f"_kind_{index}") for index, operand in enumerate(operands)]
    before = _ctes(node)
    for probe in _probes(node, extra):
        try:
            described = duck.execute(f"DESCRIBE {before}{probe.sql(dialect='duckdb')}").fetchall()
        except duckdb.Error:
            continue
        return [str(row[1]) for row in described][-len(operands) :]
    return []


def _probes(node: Expr, extra: list[Expr]) -> list[exp.Select]:
    """SELECTs that may know the operands: beside the others, or alone in a row, or alone in a group."""
    select = node.find_ancestor(exp.Select)
    if select is None:
        top = node.root()
        probe = exp.Select(expressions=extra)
        if isinstance(top, (exp.Update, exp.Merge)):
            probe = probe.from_(top.this.copy())
            other = top.args.get("using") or (top.args["from_"].this if top.args.get("from_") else None)
            probe = probe if other is None else probe.join(other.copy(), join_type="cross")
        return [probe]
    bare = select.copy()
    for part in ("order", "limit", "offset", "qualify", "having", "distinct", "windows", "with_", "into"):
        bare.set(part, None)
    beside, alone, grouped = bare.copy(), bare.copy(), bare
    beside.set("expressions", [*beside.expressions, *extra])
    alone.set("expressions", extra)
    alone.set("group", None)
    grouped.set("expressions", extra)
    return [beside, alone, grouped]


def _ctes(node: Expr) -> str:
    """Every CTE in sight of `node` that is defined before it."""
    found: list[str] = []
    at: Expr | None = node
    inside: set[int] = set()
    while at is not None:
        inside.add(id(at))
        clause = at if isinstance(at, exp.With) else at.args.get("with_")
        if isinstance(at, exp.Create) and clause is None and isinstance(at.expression, Expr):
            clause = at.expression.args.get("with_")
        if isinstance(clause, exp.With) and not (id(clause) in inside and clause is not at):
            earlier = []
            for cte in clause.expressions:
                if id(cte) in inside:
                    break
                earlier.append(cte.sql(dialect="duckdb"))
            found = earlier + found
        at = at.parent
    return f"WITH {', '.join(dict.fromkeys(found))} " if found else ""
