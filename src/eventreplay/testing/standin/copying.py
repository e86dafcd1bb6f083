"""COPY INTO a table: each file by one INSERT ... SELECT over the file, all files or none.

With a load history.
"""

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import sqlglot
from fakesnow import statement_type
from sqlglot import Expr, exp

from eventreplay.testing.standin import rights
from eventreplay.testing.standin.copy_options import Copy, parse_copy
from eventreplay.testing.standin.failures import SqlError, not_found, unsupported
from eventreplay.testing.standin.results import Result
from eventreplay.testing.standin.session import Run, Session
from eventreplay.testing.standin.stages import Stage, Staged
from eventreplay.testing.standin.tables import Key, dotted, key_of, quoted
from eventreplay.testing.standin.translate import Cursor

COLUMNS = [
    "file", "status", "rows_parsed", "rows_loaded", "error_limit", "errors_seen", "first_error",
    "first_error_line",
    "first_error_character", "first_error_column_name",
]  # fmt: skip
HISTORY_DAYS = 64  # after so long Snowflake has forgotten a load
_FILENAME = "__FILENAME"
_ROW = "__ROW"


@dataclass
class _File:
    staged: Staged
    path: Path
    columns: dict[str, str]  # Parquet column -> what it is: text, binary, timestamp, other


@dataclass
class _Plan:
    session: Session
    copy: Copy
    stage: Stage
    key: Key
    target: str
    targets: dict[str, str]  # column of the table -> DuckDB type, in the table's order
    sort: str
    options: dict[str, str]


def copy_into(session: Session, sql: str) -> Result:
    """Run a COPY INTO."""
    plan = _plan(session, parse_copy(sql))
    chosen = _choose(plan)
    if not chosen:
        return Result.status("Copy executed with 0 files processed.", statement_type.COPY)
    fetched: list[Path] = []

    def work(run: Run) -> list[dict[str, Any]]:
        return [_load(plan, run, staged, fetched) for staged in chosen]

    try:
        rows = session.write(work, writes={dotted(plan.key)}, exclusive=set(), reads=set())
    except BaseException:
        # Ctrl-C too: nobody else knows of the fetched copies.
        _forget(fetched)
        raise
    loaded = [staged.name for staged, row in zip(chosen, rows, strict=True) if row["status"] == "LOADED"]
    if session.transaction is not None:
        session.transaction.temporary_files += fetched
        if plan.copy.flag("PURGE"):
            session.transaction.after_commit.append(lambda: _purge(plan.stage, loaded))
    else:
        _forget(fetched)
        if plan.copy.flag("PURGE"):
            _purge(plan.stage, loaded)
    return Result.rows(rows, COLUMNS, statement_type.COPY)


def _forget(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _purge(stage: Stage, names: list[str]) -> None:
    for name in names:
        stage.remove(name)


def _plan(session: Session, copy: Copy) -> _Plan:
    table = sqlglot.parse_one(copy.target, read="snowflake", into=exp.Table)
    key = key_of(session, table)
    if key not in session.temporary:
        rights.need(session, "INSERT", "TABLE", dotted(key))
    stage = Stage(session, copy.reference)
    if not stage.label.startswith(("~", "%")):
        rights.need(session, "USAGE" if stage.url else "READ", "STAGE", stage.key.replace("/", "."))
    rights.need_warehouse(session)
    hidden = session.temporary.get(key, key[2])
    described = session.duck.cursor().execute(
        "select column_name, data_type from duckdb_columns() where database_name = ? and schema_name = ? "
        "and table_name = ? order by column_index",
        [key[0], key[1], hidden],
    )
    targets = dict(described.fetchall())
    if not targets:
        raise not_found("Table", dotted(key))
    if str(copy.options.get("ON_ERROR", "ABORT_STATEMENT")).upper() != "ABORT_STATEMENT":
        raise unsupported(f"ON_ERROR = {copy.options['ON_ERROR']}; only ABORT_STATEMENT")
    sort, options = _format(session, copy, stage)
    return _Plan(session, copy, stage, key, quoted(key[0], key[1], hidden), targets, sort, options)


def _format(session: Session, copy: Copy, stage: Stage) -> tuple[str, dict[str, str]]:
    given = copy.options.get("FILE_FORMAT", stage.settings.get("format", {}))
    if isinstance(given, str):
        given = {"FORMAT_NAME": given}
    assert isinstance(given, dict)
    options = dict(given)
    if name := options.pop("FORMAT_NAME", None):
        parts = [part.strip('"') if part.startswith('"') else part.upper() for part in name.split(".")]
        full = ".".join([session.database or "", session.schema or "", *parts][-3:])
        held = session.engine.catalog.formats.get(full)
        if held is None:
            raise not_found("File format", full)
        options = {**held, **options}
    sort = options.get("TYPE", "CSV").upper()
    if sort not in ("PARQUET", "JSON"):
        raise unsupported(f"COPY of {sort} files; PARQUET and JSON")
    return sort, options


def _choose(plan: _Plan) -> list[Staged]:
    names = plan.copy.files()
    files = plan.stage.files()
    if names is not None:
        prefix = (
            plan.stage.path if not plan.stage.path or plan.stage.path.endswith("/") else f"{plan.stage.path}/"
        )
        present = {file.name: file for file in files}
        wanted = [prefix + name for name in dict.fromkeys(names)]
        for name in wanted:
            if name not in present:
                plan.stage.fetch(name)
                raise SqlError(f"Remote file '{plan.stage.shown(name)}' was not found.", 91016, "22000")
        return [present[name] for name in wanted]
    pattern = plan.copy.options.get("PATTERN")
    if pattern is not None:
        files = [file for file in files if re.fullmatch(str(pattern), plan.stage.shown(file.name))]
    return files


def _load(plan: _Plan, run: Run, staged: Staged, fetched: list[Path]) -> dict[str, Any]:
    shown = plan.stage.shown(staged.name)
    history = f'"{plan.key[0]}"._fs_information_schema._loaded_files'
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=HISTORY_DAYS)
    seen = plan.session.duck.execute(
        f"SELECT 1 FROM {history} WHERE schema_name = ? AND table_name = ? AND file_name = ? AND etag = ? "  # noqa: S608 - a constant
        "AND loaded_at >= ? LIMIT 1",
        [plan.key[1], plan.key[2], shown, staged.etag, since],
    ).fetchone()
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    if seen and not plan.copy.flag("FORCE"):
        return {
            **row, "file": shown, "status": "LOAD_SKIPPED", "rows_parsed": 0, "rows_loaded": 0,
            "errors_seen": 1,
            "first_error": "File was loaded before.",
        }  # fmt: skip
    path, temporary = plan.stage.fetch(staged.name)
    if temporary:
        fetched.append(path)
    sql, params = _insert(plan, _File(staged, path, _columns(plan, path)))
    count = run(sql, params).fetchall()[0][0]
    now = dt.datetime.now(dt.UTC)
    run(f"INSERT INTO {history} VALUES (?, ?, ?, ?, ?, ?)", [*plan.key[1:], shown, staged.etag, count, now])  # noqa: S608
    return {
        **row, "file": shown, "status": "LOADED", "rows_parsed": count, "rows_loaded": count,
        "error_limit": 1,
        "errors_seen": 0,
    }  # fmt: skip


def _columns(plan: _Plan, path: Path) -> dict[str, str]:
    if plan.sort != "PARQUET":
        return {}
    try:
        schema = pq.read_schema(path)
    except Exception as error:
        raise SqlError(f"Error parsing the parquet file: {type(error).__name__}", 100152, "22000") from error
    sorts = {}
    for column in schema:
        text = str(column.type)
        sort = "timestamp" if text.startswith("timestamp") else "binary" if "binary" in text else "other"
        sorts[column.name] = "text" if text in ("string", "large_string") else sort
    return sorts


def _source(plan: _Plan) -> str:
    if plan.sort == "JSON":
        return "read_ndjson_objects(?, filename=true)"
    return "read_parquet(?, file_row_number=true)"


def _value(plan: _Plan, file: _File, column: str) -> Expr:
    """A Parquet column as `$1:column` has it under the file format's options."""
    plain: Expr = exp.column(exp.to_identifier(column, quoted=True))
    sort = file.columns[column]
    if sort == "binary" and plan.options.get("BINARY_AS_TEXT", "TRUE").upper() == "TRUE":
        return exp.Anonymous(this="decode", expressions=[plain])
    if sort == "timestamp" and plan.options.get("USE_LOGICAL_TYPE", "FALSE").upper() != "TRUE":
        return exp.Anonymous(this="epoch_us", expressions=[plain])
    return plain


def _cast(plan: _Plan, file: _File, column: str, kind: str) -> str:
    """MATCH_BY_COLUMN_NAME: a Parquet column as the table's column takes it."""
    value = _value(plan, file, column)
    sql = value.sql(dialect="duckdb")
    sort = file.columns[column]
    if kind == "JSON":  # text is stored as a VARIANT string: it is not parsed
        return f"to_json({sql})"
    if kind == "BLOB" and (sort == "text" or isinstance(value, exp.Anonymous)):
        return f"unhex({sql})"
    if kind.startswith("TIMESTAMP") and isinstance(value, exp.Anonymous):
        return f"CAST({_scaled_timestamp(sql)} AS {kind})"
    return f"CAST({sql} AS {kind})"


def _scaled_timestamp(sql: str) -> str:
    """An integer as Snowflake takes it for a time: seconds, milli-, micro- or nanoseconds by its size."""
    return (
        f"(CASE WHEN abs({sql}) < 31536000000 THEN make_timestamp(({sql}) * 1000000) "
        f"WHEN abs({sql}) < 31536000000000 THEN make_timestamp(({sql}) * 1000) "
        f"WHEN abs({sql}) < 31536000000000000 THEN make_timestamp({sql}) ELSE make_timestamp(({sql}) // "
        "1000) END)"
    )


def _insert(plan: _Plan, file: _File) -> tuple[str, list[Any]]:
    named = {name.upper(): name for name in plan.targets}
    columns = [name.strip('"') if name.startswith('"') else name.upper() for name in plan.copy.columns]
    for name in columns:
        if name not in plan.targets:
            raise SqlError(f"SQL compilation error:\ninvalid identifier '{name}'", 904, "42000")
    mode = str(plan.copy.options.get("MATCH_BY_COLUMN_NAME", "NONE")).upper()
    if plan.copy.select is not None:
        chosen = columns or list(plan.targets)
        values = _transformed(plan, file, plan.copy.select)
        if len(values) != len(chosen):
            raise SqlError(
                "SQL compilation error:\nInsert value list does not match column list expecting "
                f"{len(chosen)} "
                f"but got {len(values)}", 2020, "21S01",
            )  # fmt: skip
    elif mode in ("CASE_INSENSITIVE", "CASE_SENSITIVE") and plan.sort == "PARQUET":
        pairs = {named.get(c.upper(), "") if mode == "CASE_INSENSITIVE" else c: c for c in file.columns}
        chosen = [name for name in plan.targets if name in pairs]
        values = [_cast(plan, file, pairs[name], plan.targets[name]) for name in chosen]
    elif len(columns or plan.targets) == 1 and plan.targets[(columns or list(plan.targets))[0]] == "JSON":
        chosen = columns or list(plan.targets)
        values = ["_parse_json(json)"] if plan.sort == "JSON" else ["to_json(COLUMNS(*))"]
        if plan.sort == "PARQUET":
            raise unsupported("Parquet into one VARIANT column; use a transformation or MATCH_BY_COLUMN_NAME")
    else:
        raise SqlError(
            f"SQL compilation error:\n{plan.sort} file format can produce one and only one column of type "
            "variant, "
            "object, or array. Load data into separate columns using the MATCH_BY_COLUMN_NAME copy option "
            "or copy "
            "with transformation.", 2019, "0A000",
        )  # fmt: skip
    listed = ", ".join(f'"{name}"' for name in chosen)
    insert = f"INSERT INTO {plan.target} ({listed}) SELECT {', '.join(values)} FROM {_source(plan)}"  # noqa: S608 - names of the catalog
    return insert, [str(file.path)]


def _transformed(plan: _Plan, file: _File, select: str) -> list[str]:
    text = re.sub(r"METADATA\$FILENAME\b", _FILENAME, select, flags=re.IGNORECASE)
    text = re.sub(r"METADATA\$FILE_ROW_NUMBER\b", _ROW, text, flags=re.IGNORECASE)
    if found := re.search(r"METADATA\$\w+", text, re.IGNORECASE):
        raise unsupported(found[0])
    tree = sqlglot.parse_one(f"{text} FROM __STAGED", read="snowflake")
    if not isinstance(tree, exp.Select):
        raise SqlError("SQL compilation error:\na COPY transformation is a SELECT", 1003, "42000")
    tree = tree.transform(lambda node: _replace(plan, file, node))
    translated = Cursor(plan.session).translate(tree)
    return [
        item.this.sql(dialect="duckdb") if isinstance(item, exp.Alias) else item.sql(dialect="duckdb")
        for item in translated.expressions
    ]


def _replace(plan: _Plan, file: _File, node: Expr) -> Expr:
    if isinstance(node, exp.Column) and node.name == _FILENAME:
        url = plan.stage.url
        inside = url.split("/", 3)[3] if url else ""
        return exp.Literal.string(inside + file.staged.name)
    if isinstance(node, exp.Column) and node.name == _ROW:
        counted = "file_row_number + 1" if plan.sort == "PARQUET" else "row_number() over ()"
        return exp.Paren(this=sqlglot.parse_one(counted, read="duckdb"))
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.JSONExtract) and plan.sort == "PARQUET":
        return _cast_element(plan, file, node)
    if isinstance(node, exp.JSONExtract) and isinstance(node.this, exp.Parameter) and plan.sort == "PARQUET":
        return _element(plan, file, node)
    if isinstance(node, exp.Parameter):
        if node.name != "1":
            raise SqlError(
                f"SQL compilation error:\ninvalid column ${node.name}: one column only", 904, "42000"
            )
        return exp.column(exp.to_identifier("json", quoted=True))
    return node


def _element(plan: _Plan, file: _File, node: exp.JSONExtract) -> Expr:
    keys = [str(part.this) for part in node.expression.find_all(exp.JSONPathKey)]
    if len(keys) != 1:
        raise unsupported("a path into a nested Parquet column")
    if keys[0] not in file.columns:
        return exp.Null()  # names in a path are case-sensitive, and a missing one is NULL
    return _value(plan, file, keys[0])


def _cast_element(plan: _Plan, file: _File, node: exp.Cast) -> Expr:
    value = _element(plan, file, node.this)
    kind = node.to.this
    decoded = isinstance(value, exp.Anonymous)
    if kind == exp.DataType.Type.BINARY and (decoded or isinstance(value, exp.Column)):
        column = str(node.this.expression.find(exp.JSONPathKey).this)
        if decoded or file.columns.get(column) == "text":
            return exp.Anonymous(this="unhex", expressions=[value])
        return value
    if decoded and "TIMESTAMP" in str(kind.name):
        scaled = sqlglot.parse_one(_scaled_timestamp(value.sql(dialect="duckdb")), read="duckdb")
        return exp.Cast(this=scaled, to=node.to)
    return exp.Cast(this=value, to=node.to)
