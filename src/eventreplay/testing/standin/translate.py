"""Snowflake's SQL into DuckDB's: fakesnow's rules, without those that lose exactness, and with ours."""

from collections.abc import Callable
from typing import Any

import duckdb
import sqlglot
from fakesnow import transforms
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.params import MutableParams
from sqlglot import Expr, exp

from eventreplay.testing.standin import hexadecimal, numbers, tables, variants
from eventreplay.testing.standin.engine import search_path
from eventreplay.testing.standin.session import Session

_WHOLE = {
    exp.DataType.Type.INT,
    exp.DataType.Type.BIGINT,
    exp.DataType.Type.SMALLINT,
    exp.DataType.Type.TINYINT,
}
Rule = Callable[[Expr], Expr]


def exact_integers(expression: Expr) -> Expr:
    """NUMBER and every integer type are NUMBER(38,0) in Snowflake; fakesnow makes them 64 bits wide."""
    if isinstance(expression, exp.DataType) and (
        expression.this in _WHOLE
        or (expression.this == exp.DataType.Type.DECIMAL and not expression.expressions)
    ):
        return sqlglot.exp.DataType.build("DECIMAL(38, 0)", dialect="duckdb")
    if (
        isinstance(expression, exp.DataType)
        and expression.this == exp.DataType.Type.DECIMAL
        and len(expression.expressions) == 1
    ):
        return exp.DataType.build(f"DECIMAL({expression.expressions[0].name}, 0)", dialect="duckdb")
    return expression


def count_if(expression: Expr) -> Expr:
    """COUNT_IF of no rows is 0; fakesnow's is a sum, which is NULL."""
    if isinstance(expression, exp.CountIf):
        test = exp.Case(ifs=[exp.If(this=expression.this, true=exp.Literal.number(1))])
        return exp.Count(this=test)
    return expression


_RESERVED = {
    name.upper()
    for (name,) in duckdb.connect()
    .execute("select keyword_name from duckdb_keywords() where keyword_category <> 'unreserved'")
    .fetchall()
}


def quote_reserved(expression: Expr) -> Expr:
    """Names that are words of DuckDB's and none of Snowflake's (AT, END...) keep their place by quotes."""
    if isinstance(expression, exp.Identifier) and expression.name.upper() in _RESERVED:
        return exp.to_identifier(expression.name, quoted=True)
    return expression


def _first_rules(cursor: FakeSnowflakeCursor, params: MutableParams | None) -> list[Rule]:
    """The first half of fakesnow's pipeline, less `integer_precision`, `numeric_agg_implicit_cast`.

    Clones and stages.
    """
    conn = cursor._conn  # noqa: SLF001 - the pipeline is the cursor's own
    t = transforms
    return [
        lambda e: t.identifier(e, params),
        t.upper_case_unquoted_identifiers,
        count_if,
        lambda e: t.update_variables(e, variables=conn.variables),
        t.current_version,
        lambda e: t.set_schema(e, current_database=conn.database),
        t.extract_comment_on_table,
        t.extract_comment_on_columns,
        t.information_schema_fs,
        lambda e: t.information_schema_databases(e, current_schema=conn.schema),
        t.drop_schema_cascade,
        t.tag,
        t.semi_structured_types,
        variants.parse_json,
        t.split,
        t.trim_cast_varchar,
        t.indices_to_json_extract,
        t.json_extract_cast_as_varchar,
        t.json_extract_cased_as_varchar,
        t.json_extract_precedence,
        t.flatten_value_cast_as_varchar,
        t.flatten,
        t.regex_replace,
        t.regex_substr,
        t.result_scan,
        t.sequence_nextval,
        t.values_columns,
        t.to_date,
        t.timestamp_offsets,
        hexadecimal.to_number,
        t.to_decimal,
        t.to_timestamp,
        t.to_variant,
        t.object_construct,
        t.timestamp_ntz,
        t.float_to_double,
        exact_integers,
    ]


def _last_rules(cursor: FakeSnowflakeCursor) -> list[Rule]:
    """The second half."""
    conn = cursor._conn  # noqa: SLF001 - the pipeline is the cursor's own
    t = transforms
    return [
        t.extract_text_length,
        t.sample,
        t.array_size,
        t.random,
        t.array_agg_within_group,
        t.array_agg,
        t.object_agg,
        t.array_construct_etc,
        t.dateadd_date_cast,
        t.dateadd_string_literal_timestamp_cast,
        t.datediff_string_literal_timestamp_cast,
        t.show_databases,
        t.show_functions,
        t.show_procedures,
        t.show_parameters,
        lambda e: t.show_schemas(e, conn.database),
        lambda e: t.show_tables_etc(e, conn.database, conn.schema),
        lambda e: t.show_columns(e, conn.database, conn.schema),
        lambda e: t.show_sequences(e, conn.database, conn.schema),
        lambda e: t.show_keys(e, conn.database, kind="PRIMARY"),
        lambda e: t.show_keys(e, conn.database, kind="UNIQUE"),
        lambda e: t.show_keys(e, conn.database, kind="FOREIGN"),
        t.haversine,
        t.hex_string,
        t.sha256,
        t.alias_in_join,
        t.alias_in_where,
        t.alter_table_strip_cluster_by,
        variants.cast_to_text,
        variants.array_to_string,
        variants.unmark_text,
        quote_reserved,
        lambda e: t.create_table_as(tables.without_star(e, cursor._duck_conn), cursor._duck_conn),  # noqa: SLF001
    ]


class Cursor(FakeSnowflakeCursor):
    """fakesnow's cursor with this package's rules; it runs everything that is not DML."""

    def __init__(self, session: Session) -> None:
        super().__init__(conn=session.conn, duck_conn=session.duck)
        self._session = session
        self.comments: list[tuple[str, str]] = []  # column -> comment, of the last statement

    def ran(self) -> tuple[str | None, Any, Any]:
        """What fakesnow ran last: DuckDB's SQL, its parameters, the Arrow table or None."""
        held = vars(self)
        return held["_last_sql"], held["_last_params"], held["_arrow_table"]

    def translate(self, expression: Expr, params: MutableParams | None = None) -> Expr:
        """One Snowflake statement as DuckDB's."""
        expression = tables.place_temporary(self._session, expression)
        expression = tables.without_keys(expression)
        tables.qualify_view(self._session, expression)
        comments = tables.take_comments(expression)
        lengths = tables.take_binary_lengths(expression)
        for rule in (*_first_rules(self, params), *_last_rules(self)):
            expression = expression.transform(rule, copy=False)
        if lengths:
            expression.args["text_lengths"] = [*(expression.args.get("text_lengths") or []), *lengths]
        self.comments = comments + list(expression.args.pop("col_comments", None) or [])
        table_comment = expression.args.pop("table_comment", None)
        if table_comment is not None and table_comment[1] is not None:
            # fakesnow puts the text between quotes as it is
            expression.args["table_comment"] = (table_comment[0], str(table_comment[1]).replace("'", "''"))
        if expression.find(exp.Div, exp.Mul, exp.Avg) is None:
            return expression
        session = self._session
        if session.database is not None:
            session.probe.execute(search_path(session.database, session.schema))
        return numbers.exact(session.probe, expression)

    def _transform(self, expression: Expr, params: MutableParams | None) -> Expr:
        return self.translate(expression, params)
