"""VARIANT as JSON text, with its numbers exact.

DuckDB reads a JSON number with a fraction as a double. Snowflake keeps up to 38 digits. So PARSE_JSON turns
each number that a double could round into a string that starts with a mark; casts take the mark off, and so
do results.
"""

import json
import re

import duckdb
from sqlglot import Expr, exp

NUMBER_MARK = "\x01"  # stands before a JSON number that a double would round
EXACT_DIGITS = 15  # every decimal number of so many digits survives a double
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?')
_MARK_TEXT = json.dumps(NUMBER_MARK)[1:-1]


def _marked(found: re.Match[str]) -> str:
    token = found[0]
    if token.startswith('"') or sum(map(str.isdigit, token)) <= EXACT_DIGITS:
        return token
    return f'"{_MARK_TEXT}{token}"'


def mark_numbers(text: str) -> str:
    """JSON text with its long numbers as marked strings."""
    return _TOKEN.sub(_marked, text)


def register_function(duck: duckdb.DuckDBPyConnection) -> None:
    """Give a DuckDB instance the function that marks numbers."""
    duck.create_function("_mark_numbers", mark_numbers, ["VARCHAR"], "VARCHAR")


MACROS = """
CREATE OR REPLACE MACRO {place}._parse_json(t) AS (
    CASE WHEN regexp_matches(t::VARCHAR, '[0-9.]{{16}}') THEN _mark_numbers(t::VARCHAR)::JSON
         WHEN trim(t::VARCHAR) = '' THEN NULL ELSE t::JSON END
);
CREATE OR REPLACE MACRO {place}._try_parse_json(t) AS (
    CASE WHEN TRY_CAST(t AS JSON) IS NULL THEN NULL ELSE {place}._parse_json(t) END
);
CREATE OR REPLACE MACRO {place}._text(x) AS (
    CASE WHEN typeof(x) = 'JSON' THEN ltrim(json_extract_string(x::VARCHAR, '$'), chr(1)) ELSE x::VARCHAR END
);
CREATE OR REPLACE MACRO {place}._fs_flatten(input) AS TABLE
    SELECT
        hash(to_json(input))::UBIGINT AS seq, e.k AS key, coalesce(e.k, '[' || e.i || ']') AS path,
        e.i AS index, e.v AS value, to_json(input) AS this
    FROM (
        SELECT unnest(
            CASE WHEN json_type(to_json(input)) = 'OBJECT'
                 THEN list_transform(
                    json_keys(to_json(input)),
                    lambda x: struct_pack(k := x, i := NULL::BIGINT, v := (to_json(input) -> x)::JSON)
                 )
                 ELSE list_transform(
                    to_json(input)::JSON[],
                    lambda x, nth: struct_pack(k := NULL::VARCHAR, i := nth - 1, v := x)
                 )
            END, recursive := true
        )
    ) AS e(k, i, v);
"""  # the function is called only for texts with a long number; an item's index is its own, not a row's


def parse_json(expression: Expr) -> Expr:
    """PARSE_JSON and TRY_PARSE_JSON through the macros."""
    if isinstance(expression, exp.ParseJSON):
        name = "_try_parse_json" if expression.args.get("safe") else "_parse_json"
        return exp.Anonymous(this=name, expressions=[expression.this])
    if isinstance(expression, exp.Anonymous) and expression.name.upper() == "TRY_PARSE_JSON":
        return exp.Anonymous(this="_try_parse_json", expressions=expression.expressions)
    return expression


_TEXTS = (exp.DataType.Type.VARCHAR, exp.DataType.Type.TEXT, exp.DataType.Type.CHAR)


def cast_to_text(expression: Expr) -> Expr:
    """A VARIANT string cast to text loses its quotes; what is no VARIANT is cast as it is."""
    if (
        isinstance(expression, exp.Cast)
        and expression.to.this in _TEXTS
        and isinstance(expression.this, exp.Column)
        and not isinstance(expression.this.this, exp.Star)
    ):
        expression.set("this", exp.Anonymous(this="_text", expressions=[expression.this]))
    return expression


def array_to_string(expression: Expr) -> Expr:
    """ARRAY_TO_STRING of an ARRAY, which is JSON here."""
    if isinstance(expression, exp.ArrayToString):
        array = exp.Anonymous(
            this="from_json", expressions=[expression.this, exp.Literal.string('["VARCHAR"]')]
        )
        return exp.Anonymous(this="array_to_string", expressions=[array, expression.expression])
    return expression


def unmark_text(expression: Expr) -> Expr:
    """A JSON value taken out as text loses the mark."""
    if isinstance(expression, exp.JSONExtractScalar) and not isinstance(expression.parent, exp.Replace):
        plain = expression.copy()
        return exp.Anonymous(
            this="ltrim",
            expressions=[
                exp.Paren(this=plain),
                exp.Anonymous(this="chr", expressions=[exp.Literal.number(1)]),
            ],
        )
    return expression
