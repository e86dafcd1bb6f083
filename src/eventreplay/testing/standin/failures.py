"""One error for everything a statement can be refused for, with Snowflake's number and SQLSTATE."""

import re

import duckdb
import snowflake.connector.errors
from sqlglot.errors import SqlglotError

INTERNAL_ERROR = 370001
UNSUPPORTED = 2
SYNTAX_ERROR = 1003
NOT_FOUND = 2003
NOT_ALLOWED = 3001


class SqlError(Exception):
    """A statement failed; the connector raises ProgrammingError with these three."""

    def __init__(self, message: str, code: int, sqlstate: str) -> None:
        super().__init__(message)
        self.message, self.code, self.sqlstate = message, code, sqlstate


def unsupported(what: str) -> SqlError:
    """What this stand-in does not offer: final at once, never an HTTP error that is tried again for ever."""
    return SqlError(f"Unsupported feature '{what}' (Snowflake stand-in).", UNSUPPORTED, "0A000")


def not_found(kind: str, name: str) -> SqlError:
    """Missing, or hidden from the role: Snowflake does not say which."""
    return SqlError(
        f"SQL compilation error:\n{kind.capitalize()} '{name}' does not exist or not authorized.",
        NOT_FOUND,
        "42S02" if kind.upper() in ("TABLE", "VIEW", "OBJECT") else "02000",
    )


def not_allowed(kind: str, name: str) -> SqlError:
    """The role sees the object and lacks the privilege."""
    return SqlError(
        f"SQL access control error:\nInsufficient privileges to operate on {kind.lower()} '{name}'",
        NOT_ALLOWED,
        "42501",
    )


def exists_already(name: str) -> SqlError:
    """CREATE without OR REPLACE or IF NOT EXISTS."""
    return SqlError(f"SQL compilation error:\nObject '{name}' already exists.", 2002, "42710")


# What DuckDB raises -> Snowflake's number and SQLSTATE. Order matters: the first class that fits is taken.
_DUCKDB: tuple[tuple[type[Exception], int, str], ...] = (
    (duckdb.ConversionException, 100038, "22018"),
    (duckdb.OutOfRangeException, 100039, "22003"),
    (duckdb.ConstraintException, 100072, "22000"),
    (duckdb.CatalogException, NOT_FOUND, "42S02"),
    (duckdb.BinderException, 904, "42000"),
    (duckdb.ParserException, SYNTAX_ERROR, "42000"),
    (duckdb.SyntaxException, SYNTAX_ERROR, "42000"),
    (duckdb.InterruptException, 604, "57014"),
    (duckdb.InvalidInputException, 100038, "22018"),
    (duckdb.NotImplementedException, UNSUPPORTED, "0A000"),
)
_COLUMN = re.compile(r"NOT NULL constraint failed: (?:[^.]*\.)*([^.\s]+)")


def _constraint(text: str) -> SqlError:
    if found := _COLUMN.search(text):
        return SqlError(f"NULL result in a non-nullable column\n{found[1]}", 100072, "22000")
    if "CHECK constraint failed" in text:
        return SqlError("String is too long and would be truncated", 100078, "22000")
    return SqlError(text, 100072, "22000")


_MISSING = re.compile(r"(?:Table|View) with name (\S+) does not exist")


def as_sql_error(error: Exception) -> SqlError:
    """Any failure of a statement as Snowflake would number it."""
    if isinstance(error, SqlError):
        return error
    if found := _MISSING.search(str(error)):
        return not_found("Object", found[1])
    if isinstance(error, snowflake.connector.errors.Error):
        return SqlError(error.raw_msg or str(error), error.errno or INTERNAL_ERROR, error.sqlstate or "XX000")
    if isinstance(error, SqlglotError):
        plain = re.sub(r"\x1b\[\d+m", "", str(error))
        return SqlError(f"SQL compilation error:\nsyntax error {plain}", SYNTAX_ERROR, "42000")
    if isinstance(error, NotImplementedError):
        return unsupported(str(error))
    text = str(error.args[0]).split("\n\nLINE", maxsplit=1)[0] if error.args else type(error).__name__
    if isinstance(error, duckdb.ConstraintException):
        return _constraint(text)
    for kind, code, sqlstate in _DUCKDB:
        if isinstance(error, kind):
            return SqlError(text.split("\n")[0], code, sqlstate)
    return SqlError(f"{type(error).__name__}: {text}", INTERNAL_ERROR, "XX000")
