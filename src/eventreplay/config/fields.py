"""What a field of a settings class takes, and what a text or a TOML value means for it.

A value may be a secret that was put in the wrong place, so no message here shows one.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
from attrs import frozen

from eventreplay.secret import Secret


class UnfitError(Exception):
    """A value is not what its field takes; `allowed` says what it takes. Never leaves this package."""

    def __init__(self, allowed: str) -> None:
        super().__init__(allowed)
        self.allowed = allowed


@frozen(kw_only=True)
class Kind:
    """How one field is given.

    Attributes:
        name: of the field.
        allowed: completes the sentence "It takes ...".
        secret: whether its value is held by `Secret`.
        required: whether the class has no default for it.
        from_text: the value that a text means; raises `UnfitError`.
        from_toml: the value that a TOML value means; raises `UnfitError`.
    """

    name: str
    allowed: str
    secret: bool
    required: bool
    from_text: Callable[[str], object]
    from_toml: Callable[[object], object]


def kinds_of(settings: type) -> dict[str, Kind]:
    """The fields of a settings class that can be given, by name."""
    hints = typing.get_type_hints(settings)
    return {
        field.name: _kind(field, hints.get(field.name, str)) for field in attrs.fields(settings) if field.init
    }


def _kind(field: attrs.Attribute[object], hint: object) -> Kind:
    required = field.default is attrs.NOTHING
    allowed, from_text, from_toml = _reading(_without_none(hint))
    is_secret = Secret in {_without_none(hint), *typing.get_args(hint)}
    return Kind(
        name=field.name,
        allowed=allowed,
        secret=is_secret,
        required=required,
        from_text=from_text,
        from_toml=from_toml,
    )


def _without_none(hint: object) -> object:
    if typing.get_origin(hint) not in {typing.Union, types.UnionType}:
        return hint
    parts = [part for part in typing.get_args(hint) if part is not type(None)]
    return Secret if Secret in parts else parts[0]


_Reading = tuple[str, Callable[[str], object], Callable[[object], object]]


def _reading(hint: object) -> _Reading:
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return _literal(typing.get_args(hint))
    if origin is tuple:
        return "texts, separated by commas", _texts, _toml_texts
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "NAME=TEXT pairs, separated by commas", _pairs, _toml_pairs
    simple: dict[object, _Reading] = {
        bool: ("true or false", _bool, _typed(bool, "true or false")),
        int: ("a whole number", _int, _toml_int),
        float: ("a number", _float, _toml_float),
        Secret: ("a text", _secret, lambda value: _secret(_text(value))),
        Path: ("a path", Path, lambda value: Path(_text(value))),
    }
    return simple.get(hint, ("a text", str, _text))


def _literal(choices: tuple[object, ...]) -> _Reading:
    allowed = f"one of {', '.join(str(choice) for choice in choices)}"
    by_text = {str(choice): choice for choice in choices}

    def from_text(text: str) -> object:
        if text not in by_text:
            raise UnfitError(allowed)
        return by_text[text]

    def from_toml(value: object) -> object:
        # By type too: True equals 1.
        if not any(value == choice and type(value) is type(choice) for choice in choices):
            raise UnfitError(allowed)
        return value

    return allowed, from_text, from_toml


def _typed(kind: type, allowed: str) -> Callable[[object], object]:
    def from_toml(value: object) -> object:
        if type(value) is not kind:  # not isinstance: `true` is a bool, and a bool is an int
            raise UnfitError(allowed)
        return value

    return from_toml


def _bool(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise UnfitError("true or false")
    return text.lower() == "true"


_toml_int = _typed(int, "a whole number")


def _int(text: str) -> int:
    # ASCII digits only: int() also takes `1_000`, blanks and digits of other scripts.
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise UnfitError("a whole number")
    return int(text)


def _float(text: str) -> float:
    if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", text):
        raise UnfitError("a number")
    return float(text)


def _toml_float(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnfitError("a number")
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UnfitError("a text")
    return value


def _secret(text: str) -> Secret:
    if not text:
        raise UnfitError("a text that is not empty")
    return Secret(text)


def _texts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")) if text.strip() else ()


def _toml_texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise UnfitError("a list of texts")
    return tuple(value)


def _pairs(text: str) -> dict[str, str]:
    found = [part.partition("=") for part in _texts(text)]
    if not all(name and equals for name, equals, _ in found):
        raise UnfitError("NAME=TEXT pairs, separated by commas")
    return {name.strip(): value.strip() for name, _, value in found}


def _toml_pairs(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(part, str) for part in value.values()):
        raise UnfitError("a table of texts")
    return dict(value)
