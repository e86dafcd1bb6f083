"""Arguments of operators as templates render them: text, or what the text means."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from eventreplay.errors import ConfigError

_NOTHING = frozenset({"", "None", "none", "null"})


def text(name: str, value: object) -> str:
    """A text that is not empty."""
    found = "" if value is None else str(value)
    if found in _NOTHING:
        raise ConfigError(f"{name} is empty.", hint=f"Give {name}.", argument=name)
    return found


def optional_text(value: object) -> str | None:
    """A text, or None."""
    return None if value is None or str(value) in _NOTHING else str(value)


def whole(name: str, value: object, *, least: int = 0) -> int | None:
    """A whole number of at least `least`, or None."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise _wrong(name, f"a whole number of at least {least}")
    found = optional_text(int(value) if isinstance(value, float) else value)
    if found is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", found) or int(found) < least:
        raise _wrong(name, f"a whole number of at least {least}")
    return int(found)


def seconds(name: str, value: object) -> float | None:
    """A duration in seconds, above 0, or None."""
    found = None if isinstance(value, bool) else optional_text(value)
    if found is None:
        if isinstance(value, bool):
            raise _wrong(name, "a number of seconds, above 0")
        return None
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", found) or float(found) <= 0:
        raise _wrong(name, "a number of seconds, above 0")
    return float(found)


def flag(name: str, value: object) -> bool:
    """Yes or no."""
    found = {"true": True, "1": True, "false": False, "0": False, "": False, "none": False}
    key = str(value).lower()
    if key not in found:
        raise _wrong(name, "true or false")
    return found[key]


def mapping(name: str, value: object) -> dict[str, Any] | None:
    """A mapping by texts, or None; a rendered template may be its JSON or Python text."""
    if isinstance(value, str):
        value = _parsed(value)
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _wrong(name, "a mapping by names")
    return dict(value)


def texts(name: str, value: object) -> tuple[str, ...]:
    """Several texts; a rendered template may be the JSON or Python text of a list."""
    if isinstance(value, str):
        parsed = _parsed(value)
        value = [value] if isinstance(parsed, str) else parsed
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise _wrong(name, "a list of texts")
    return tuple(value)


def _parsed(source: str) -> object:
    if source.strip() in _NOTHING:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(source)
        except (ValueError, SyntaxError):
            continue
    return source


def _wrong(name: str, allowed: str) -> ConfigError:
    return ConfigError(f"{name} is not {allowed}.", hint="Correct the task's argument.", argument=name)
