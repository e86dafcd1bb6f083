"""What a payload may cost before it is refused. Every bound is per payload, never per batch (promise P3)."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import ge


@frozen(kw_only=True)
class Limits:
    """Bounds on one payload; a payload beyond one of them is quarantined, whatever its neighbours are.

    Attributes:
        payload_bytes_max: longest payload.
        nesting_levels_max: JSON objects and arrays inside one another (a protobuf message nests as deep as
            its schema, and the parser bounds groups itself).
        elements_max: fields, items and packed bytes (protobuf) or values (JSON) in one payload.
        number_digits_max: digits of one JSON number, and bytes of one decimal's text.
        exponent_max: largest absolute exponent of a decimal or JSON number, tested before any arithmetic.
        chunk_bytes_max: payload bytes decoded at once; bounds memory, no influence on the result.
    """

    payload_bytes_max: int = field(default=16 << 20, validator=ge(1))
    nesting_levels_max: int = field(default=64, validator=ge(1))
    elements_max: int = field(default=100_000, validator=ge(1))
    number_digits_max: int = field(default=256, validator=ge(38))
    exponent_max: int = field(default=256, validator=ge(0))
    chunk_bytes_max: int = field(default=2 << 20, validator=ge(1))

    def meaning(self) -> tuple[int, ...]:
        """The bounds that decide which payloads are refused: all but `chunk_bytes_max`."""
        return (
            self.payload_bytes_max,
            self.nesting_levels_max,
            self.elements_max,
            self.number_digits_max,
            self.exponent_max,
        )
