"""Names of Snowflake objects: the only place where an identifier or a literal becomes part of a statement.

A plain name (letters, digits, `_`, `$`) means what it means in Snowflake: upper case. A name in double quotes
is taken letter by letter. Anything else is refused, so that nothing has to be guessed. Values are never
written into statements: they are bound.
"""

from __future__ import annotations

import re

from eventreplay.errors import ConfigError

IDENTIFIER_CHARACTERS_MAX = 255
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_QUOTED = re.compile(r'"(?:[^"\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069]|"")+"')
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]*")


def identifier(name: str, *, setting: str) -> str:
    """The exact name an object has in Snowflake, without quotes.

    Args:
        name: as a person writes it: `analytics` (folded to upper case) or `"My Database"`.
        setting: where it came from, for the error.

    Raises:
        ConfigError: it is neither plain nor quoted, too long, or has control or direction characters.
    """
    if _PLAIN.fullmatch(name):
        found = name.upper()
    elif _QUOTED.fullmatch(name):
        found = name[1:-1].replace('""', '"')
    else:
        raise ConfigError(
            f"The Snowflake name in {setting} is neither plain nor in double quotes.",
            hint="Use letters, digits, _ and $, or put it in double quotes to have it taken as it is.",
            setting=setting,
        )
    if len(found) > IDENTIFIER_CHARACTERS_MAX:
        raise ConfigError(
            f"The Snowflake name in {setting} is longer than {IDENTIFIER_CHARACTERS_MAX} characters.",
            hint="Snowflake has no such object: check the setting.",
            setting=setting,
        )
    return found


def plain_identifier(name: str, *, setting: str) -> str:
    """As `identifier`, for names that also stand in `@stage` paths, where quoting differs by client.

    Raises:
        ConfigError: the name is not plain.
    """
    found = identifier(name, setting=setting)
    if not _PLAIN.fullmatch(found) or found != found.upper():
        raise ConfigError(
            f"The Snowflake name in {setting} is not plain.",
            hint="A stage's name may have letters, digits, _ and $ only: create one with such a name.",
            setting=setting,
        )
    return found


def quoted(*parts: str) -> str:
    """Exact names as one qualified identifier: `"DB"."RAW"."EVENTS"`."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(text: str) -> str:
    """A text literal, for the few clauses of Snowflake where no value can be bound (COPY, PUT, CREATE)."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def stage_path(stage: str, *parts: str) -> str:
    """`@STAGE/part/part/`; every part is checked, so that no path leaves its folder.

    Raises:
        ValueError: a part is not one of ours; they are made from hexadecimal text and constants.
    """
    for part in parts:
        if _KEY.fullmatch(part) is None or ".." in part:
            raise ValueError(f"{part!r} is no part of a stage path.")
    return f"@{stage}/" + "".join(f"{part}/" for part in parts)
