"""A codec by a name that another process understands: installed schemas, or a place to import from."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any, cast

from attrs import asdict, field, frozen

from eventreplay import registry
from eventreplay.codecs.limits import Limits
from eventreplay.codecs.router import codec_for
from eventreplay.codecs.schema import SchemaSet
from eventreplay.errors import ConfigError
from eventreplay.interfaces import Codec

_PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@frozen(kw_only=True)
class CodecName:
    """How a codec is found.

    Attributes:
        name: of installed schemas, e.g. `sportscards`, or `package.module:attribute`, which is a codec, a
            `SchemaSet`, or a function that takes nothing and gives one of both.
        limits: bounds on one payload, for schemas.
    """

    name: str
    limits: Limits = field(factory=Limits)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"name": self.name, "limits": asdict(self.limits)}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> CodecName:
        """What `to_json` gave."""
        return cls(name=str(facts["name"]), limits=Limits(**facts["limits"]))

    def make(self) -> Codec:
        """The codec.

        Raises:
            ConfigError: there is nothing of this name, or it is no codec.
        """
        found: Any = registry.load("schema", self.name) if ":" not in self.name else _imported(self.name)
        if callable(found) and not hasattr(found, "decode"):
            found = found()
        if isinstance(found, SchemaSet):
            return codec_for(found, self.limits)
        if not hasattr(found, "decode") or not hasattr(found, "fingerprint"):
            raise ConfigError(
                f"{self.name} is neither a codec nor a set of schemas.",
                hint="It is one, or a function without arguments that gives one.",
            )
        return cast("Codec", found)


def _imported(place: str) -> object:
    if _PLACE.fullmatch(place) is None:
        raise ConfigError(f"{place[:80]!r} is no place of a codec.", hint="Write package.module:attribute.")
    module, _, path = place.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"The codec {place} cannot be imported: {type(error).__name__}.",
            hint="Its package has to be installed, or its folder in PYTHONPATH.",
            place=place,
        ) from error
    return found
