"""The codec that a command decodes payloads with."""

from __future__ import annotations

from collections.abc import Iterable

from eventreplay import registry
from eventreplay.codecs.limits import Limits
from eventreplay.codecs.router import codec_for
from eventreplay.config import Settings
from eventreplay.interfaces import Codec


def codec_of(schemas: Iterable[str] | None, settings: Settings) -> Codec:
    """The codec for the named schemas; for all that are installed if none is named."""
    names = list(schemas or ()) or [
        plugin.name for plugin in registry.plugins(probe=False) if plugin.kind == "schema"
    ]
    limits = Limits(
        payload_bytes_max=settings.decode_payload_bytes_max,
        nesting_levels_max=settings.decode_nesting_levels_max,
        elements_max=settings.decode_elements_max,
        number_digits_max=settings.decode_number_digits_max,
    )
    return codec_for([registry.load("schema", name)() for name in names], limits)
