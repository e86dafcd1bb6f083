"""What changed in the company's code: discounts of the first version of orders are not taken any more.

Producers of v1 took a line's discount off the unit price before they sent it, and sent it beside: the
upcaster as it was deducted it a second time.
"""

from __future__ import annotations

import pyarrow as pa
from attrs import evolve

from eventreplay.codecs.schema import SchemaSet
from eventreplay.demo import schemas


def without_discounts(placed: pa.StructArray) -> pa.StructArray:
    """Columns of v1's OrderPlaced to those of v2, with a null for each line's discount."""
    before = schemas.ORDER_PLACED_V2.convert(placed)
    lines = before.field("lines")
    items = lines.values
    fields = [
        pa.nulls(len(items), field.type) if field.name == "discount" else items.field(field.name)
        for field in items.type
    ]
    items = pa.StructArray.from_arrays(fields, fields=list(items.type))
    changed = pa.ListArray.from_arrays(lines.offsets, items, type=lines.type)
    columns = [changed if name == "lines" else before.field(name) for name in before.type.names]
    return pa.StructArray.from_arrays(columns, names=before.type.names)


def load() -> SchemaSet:
    """The messages of `sportscards`, with the upcaster mended."""
    return evolve(
        schemas.load(),
        upcasters=(evolve(schemas.ORDER_PLACED_V2, version=2, convert=without_discounts),),
    )
