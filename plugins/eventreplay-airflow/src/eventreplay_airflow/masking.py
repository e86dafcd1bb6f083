"""Every secret of ours is told to Airflow's masker before anything can print it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast
from urllib.parse import quote, unquote, urlsplit

import attrs
from airflow.sdk.log import mask_secret

from eventreplay.secret import Secret

_LINE_CHARACTERS_MIN = 20
"""Shorter lines of a key are its last ones; masking them would blot out innocent text."""


def mask(settings: object, register: Callable[[str], None] = mask_secret) -> None:
    """Register every secret that `settings`, an attrs object, holds."""
    for text in texts_of(settings):
        register(text)


def texts_of(settings: object) -> Iterator[str]:
    """Each text by which a secret could show: itself, its parts, and as URLs write it."""
    for field in attrs.fields(cast("type[attrs.AttrsInstance]", type(settings))):
        value = getattr(settings, field.name)
        if isinstance(value, Secret):
            yield from _forms(value.reveal())


def _forms(text: str) -> Iterator[str]:
    yield text
    if quote(text, safe="") != text:
        yield quote(text, safe="")
    if "\n" in text:
        lines = (line.strip() for line in text.splitlines())
        yield from (line for line in lines if len(line) >= _LINE_CHARACTERS_MIN and "---" not in line)
    if "://" in text:
        try:
            password = urlsplit(text).password
        except ValueError:
            password = None
        if password:
            yield password
            yield unquote(password)
