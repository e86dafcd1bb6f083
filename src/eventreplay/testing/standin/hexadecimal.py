"""TO_NUMBER of hexadecimal text: the one format argument that the stand-in knows."""

from sqlglot import exp
from sqlglot.expressions import Expr

DIGITS_MAX = 16


def to_number(expression: Expr) -> Expr:
    """`TO_NUMBER(text, 'XX…')` as DuckDB's reading of `0x…`; other formats are left to be refused."""
    if not isinstance(expression, exp.ToNumber):
        return expression
    form = expression.args.get("format")
    if not isinstance(form, exp.Literal) or set(form.name) != {"X"} or len(form.name) > DIGITS_MAX:
        return expression
    marked = exp.DPipe(this=exp.Literal.string("0x"), expression=exp.Paren(this=expression.this), safe=True)
    number = exp.Cast(this=exp.Paren(this=marked), to=exp.DataType.build("UBIGINT", dialect="duckdb"))
    return exp.Cast(this=number, to=exp.DataType.build("DECIMAL(38, 0)", dialect="duckdb"))
