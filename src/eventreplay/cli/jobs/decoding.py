"""The codec that a command decodes payloads with."""

from __future__ import annotations

from eventreplay import registry
from eventreplay.codecs.limits import Limits
from eventreplay.codecs.router import codec_for
from eventreplay.config import Settings
from eventreplay.errors import ConfigError
from eventreplay.interfaces import Codec


def codec_of(schemas: str | None, settings: Settings) -> Codec:
    """The codec for the schemas called `schemas`; None: for those installed, if there is one set only.

    Raises:
        ConfigError: none was named and several are installed; which were meant is not guessed, because
            the choice decides what is quarantined.
    """
    if schemas is None:
        installed = [plugin.name for plugin in registry.plugins(probe=False) if plugin.kind == "schema"]
        if len(installed) != 1:
            raise ConfigError(
                f"{len(installed)} sets of schemas are installed, and none was named.",
                hint=f"Name one with --schemas: {', '.join(installed) or 'install one first'}.",
                installed=installed,
            )
        schemas = installed[0]
    limits = Limits(
        payload_bytes_max=settings.decode_payload_bytes_max,
        nesting_levels_max=settings.decode_nesting_levels_max,
        elements_max=settings.decode_elements_max,
        number_digits_max=settings.decode_number_digits_max,
    )
    codec: Codec = codec_for(registry.load("schema", schemas)(), limits)
    return codec
