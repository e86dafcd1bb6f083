"""The sports-card company's messages, compiled from `proto/`, and how their old versions become new."""

from __future__ import annotations

from importlib.resources import files

from eventreplay.codecs.schema import Columns, SchemaSet, Upcaster

ORDER_PLACED_V2 = Upcaster(
    from_type="sportscards.orders.v1.OrderPlaced",
    to_type="sportscards.orders.v2.OrderPlaced",
    version=1,
    convert=Columns(
        rename={"client_id": "customer_id", "client_name": "customer_name"},
        add={
            "customer_email": "",
            "channel": "SALES_CHANNEL_UNSPECIFIED",
            "shipping_fee": None,
            "insured_value": None,
        },
    ),
)


def load() -> SchemaSet:
    """The messages of `sportscards`, with their upcasters."""
    compiled = files(__name__).joinpath("sportscards.binpb").read_bytes()
    return SchemaSet(name="sportscards", descriptor_set=compiled, upcasters=(ORDER_PLACED_V2,))
