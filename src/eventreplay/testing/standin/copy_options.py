"""COPY INTO taken apart: target, columns, source, options. sqlglot's tree loses what matters here."""

import re
from dataclasses import dataclass, field

import sqlglot
from sqlglot import TokenType
from sqlglot.tokenizer_core import Token

from eventreplay.testing.standin.failures import SqlError, unsupported

_HEAD = re.compile(
    r"""\s*COPY\s+INTO\s+(?P<target>(?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+)){0,2})\s*"""
    r"""(?:\((?P<columns>[^()]*)\)\s*)?FROM\s+""",
    re.IGNORECASE,
)
_FROM_STAGE = re.compile(r"(@[^\s()]+|'@[^']+'|'s3://[^']*')")
KNOWN = {
    "FILES", "PATTERN", "FILE_FORMAT", "MATCH_BY_COLUMN_NAME", "ON_ERROR", "PURGE", "FORCE",
    "TRUNCATECOLUMNS",
    "ENFORCE_LENGTH", "LOAD_UNCERTAIN_FILES", "RETURN_FAILED_ONLY", "SIZE_LIMIT",
}  # fmt: skip
Value = str | list[str] | dict[str, str]


@dataclass
class Copy:
    """The parts of one COPY INTO table."""

    target: str
    columns: list[str]
    reference: str
    select: str | None = None
    options: dict[str, Value] = field(default_factory=dict)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A TRUE/FALSE option by its value, not by its presence."""
        value = self.options.get(name)
        return default if value is None else str(value).upper() == "TRUE"

    def files(self) -> list[str] | None:
        """FILES = (...), or None."""
        value = self.options.get("FILES")
        return list(value) if isinstance(value, list) else None


def _split(text: str) -> tuple[str, str]:
    """A parenthesised text at the start of `text`, and what follows it."""
    depth, quote = 0, ""
    for index, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "()":
            depth += 1 if char == "(" else -1
            if depth == 0:
                return text[1:index], text[index + 1 :]
    raise SqlError("SQL compilation error:\nparenthesis is not closed", 1003, "42000")


def parse_copy(sql: str) -> Copy:
    """Take a COPY INTO table statement apart.

    Raises:
        SqlError: not understood, or an option that the stand-in does not offer.
    """
    head = _HEAD.match(sql)
    if head is None:
        if re.match(r"\s*COPY\s+INTO\s+['@]", sql, re.IGNORECASE):
            raise unsupported("COPY INTO a location")
        raise SqlError("SQL compilation error:\nsyntax error in COPY INTO", 1003, "42000")
    columns = [name.strip() for name in (head["columns"] or "").split(",") if name.strip()]
    rest, select = sql[head.end() :], None
    if rest.startswith("("):
        inner, rest = _split(rest)
        found = re.search(
            r"\bFROM\s+(@[^\s()]+|'@[^']+')\s*(?:\(.*\))?\s*(?:AS\s+)?(\w*)\s*$", inner, re.IGNORECASE
        )
        if found is None:
            raise SqlError("SQL compilation error:\nCOPY transformation without a stage", 1003, "42000")
        if re.search(r"\(.*\)", inner[found.end(1) :]):
            raise unsupported("options of a stage inside a COPY transformation")
        reference, select = found[1], inner[: found.start()]
        if found[2]:
            select = re.sub(rf"\b{found[2]}\s*\.\s*(?=\$|METADATA)", "", select, flags=re.IGNORECASE)
    else:
        found = _FROM_STAGE.match(rest)
        if found is None:
            raise SqlError("SQL compilation error:\nCOPY INTO needs a stage", 1003, "42000")
        reference, rest = found[1], rest[found.end() :]
    if reference.startswith("'s3://"):
        raise unsupported("COPY straight from a URL; create a stage")
    return Copy(head["target"], columns, reference.strip("'"), select, parse_options(rest, KNOWN))


def parse_options(text: str, known: set[str] | None = None) -> dict[str, Value]:
    """`A = B C = ('x', 'y') D = (E = F)` as a mapping; names in upper case."""
    tokens = sqlglot.tokenize(text, read="snowflake")
    options: dict[str, Value] = {}
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.token_type in (TokenType.COMMA, TokenType.SEMICOLON):
            index += 1
            continue
        name = token.text.upper()
        if known is not None and name not in known:
            raise unsupported(f"option {name}")
        index += 1
        if index < len(tokens) and tokens[index].token_type == TokenType.EQ:
            index += 1
            options[name], index = _value(tokens, index)
        else:
            options[name] = "TRUE"
    return options


def _value(tokens: list[Token], index: int) -> tuple[Value, int]:
    if index >= len(tokens):
        raise SqlError("SQL compilation error:\nan option without a value", 1003, "42000")
    if tokens[index].token_type != TokenType.L_PAREN:
        text = tokens[index].text
        if tokens[index].token_type == TokenType.DASH:
            index += 1
            text += tokens[index].text
        while index + 2 < len(tokens) and tokens[index + 1].token_type == TokenType.DOT:
            text += f".{tokens[index + 2].text}"
            index += 2
        return text, index + 1
    end = index + 1
    while tokens[end].token_type != TokenType.R_PAREN:
        end += 1
    inner = tokens[index + 1 : end]
    if any(token.token_type == TokenType.EQ for token in inner):
        pairs: dict[str, str] = {}
        at = 0
        while at < len(inner):
            if inner[at].token_type == TokenType.COMMA:
                at += 1
                continue
            value, after = _value(inner, at + 2)
            pairs[inner[at].text.upper()] = str(value)
            at = after
        return pairs, end + 1
    return [token.text for token in inner if token.token_type != TokenType.COMMA], end + 1
