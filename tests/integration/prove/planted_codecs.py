"""Codecs that are no function of their input: each event type depends on one thing that it must not.

Imported by name in the processes of a proof, as a user's own codec is.
"""

from __future__ import annotations

import json
import locale
import multiprocessing
import secrets
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial

import pyarrow as pa
from attrs import evolve, frozen

from eventreplay.codecs.schema import SchemaSet, Upcaster
from eventreplay.demo import schemas
from eventreplay.interfaces import Decoded


def plain(_at: int) -> object:
    return {"price": "1.50"}


def zone(_at: int) -> object:
    return time.strftime("%d %H:%M", time.localtime(1_700_000_000))


def order_of_a_set(_at: int) -> object:
    return list({f"player {number}" for number in range(30)})


def language(_at: int) -> object:
    return "Zoë".encode(locale.getpreferredencoding(do_setlocale=False), "replace").decode("latin-1")


def ambient_precision(_at: int) -> object:
    return str(Decimal("1234567.891") + 0)


def ambient_traps(_at: int) -> object:
    try:
        return str(Decimal("1,50"))
    except ArithmeticError:
        return "0"


def float_sum_of_the_batch(at: int) -> object:
    # 0.1 added up row by row: what comes out depends on where the batch began.
    return repr(sum(0.1 for _ in range(at + 1)))


def process(_at: int) -> object:
    return multiprocessing.parent_process() is None


PLANTED: Mapping[str, Callable[[int], object]] = {
    "plain": plain,
    "zone": zone,
    "hash_seed": order_of_a_set,
    "locale": language,
    "decimals": ambient_precision,
    "traps": ambient_traps,
    "batch_rows_max": float_sum_of_the_batch,
    "workers": process,
}


@frozen
class PlantedCodec:
    """Rows of the kinds it was made for come out as planted, all others alike in every run."""

    kinds: frozenset[str]
    fingerprint: str = "planted 1"

    def decode(self, events: pa.RecordBatch) -> Decoded:
        kinds = events.column("event_type").to_pylist()
        texts = [
            json.dumps({"n": 1, "value": PLANTED[kind if kind in self.kinds else "plain"](at), "z": [1, "x"]})
            for at, kind in enumerate(kinds)
        ]
        return Decoded(
            rows=pa.array(range(len(kinds)), pa.int32()),
            payload_type=pa.array(kinds, pa.string()),
            payload=pa.array(texts, pa.string()),
            failed=pa.array([], pa.int32()),
            error_code=pa.array([], pa.string()),
            error_message=pa.array([], pa.string()),
        )


@frozen
class ChanceCodec(PlantedCodec):
    """Each text is another in each run."""

    def decode(self, events: pa.RecordBatch) -> Decoded:
        made = super().decode(events)
        texts = [secrets.token_hex(4) for _ in range(events.num_rows)]
        return evolve(made, payload=pa.array(texts, pa.string()))


@frozen
class FailingCodec(PlantedCodec):
    """Fails where the zone is another than UTC; the text of its error quotes the payload."""

    def decode(self, events: pa.RecordBatch) -> Decoded:
        if time.timezone:
            raise ValueError(events.column("payload")[0].as_py())
        return super().decode(events)


every = PlantedCodec(frozenset(PLANTED))
none = PlantedCodec(frozenset())
zone_alone = PlantedCodec(frozenset({"zone"}))


@frozen
class RaisingCodec(PlantedCodec):
    """Fails always, and quotes the payload."""

    def decode(self, events: pa.RecordBatch) -> Decoded:
        raise ValueError(events.column("payload")[0].as_py())


@frozen
class ZonedCodec(PlantedCodec):
    """Every event's text has the local time in it."""

    def decode(self, events: pa.RecordBatch) -> Decoded:
        texts = [json.dumps({"value": zone(at)}) for at in range(events.num_rows)]
        return evolve(super().decode(events), payload=pa.array(texts, pa.string()))


raising = RaisingCodec(frozenset())
zone_everywhere = ZonedCodec(frozenset())
random_text = ChanceCodec(frozenset())
failing = FailingCodec(frozenset())


def other_fingerprint() -> PlantedCodec:
    """Its fingerprint is another in each process."""
    return PlantedCodec(frozenset(), fingerprint=f"set of {list({'a', 'b', 'c', 'd', 'e', 'f', 'g'})}")


def _thirds(columns: pa.StructArray) -> pa.StructArray:
    made = schemas.ORDER_PLACED_V2.convert(columns)
    share = str(Decimal(10) / Decimal(3))
    arrays = {name: made.field(name) for name in made.type.names}
    arrays["customer_email"] = pa.array([share] * len(made), pa.string())
    return pa.StructArray.from_arrays(list(arrays.values()), names=list(arrays))


def upcaster_in_context() -> SchemaSet:
    """The sports-card company's schemas, with an upcaster that divides in the ambient context."""
    wrong: Upcaster = evolve(schemas.ORDER_PLACED_V2, convert=_thirds)
    return evolve(schemas.load(), upcasters=(wrong,))


place = partial("tests.integration.prove.planted_codecs:{}".format)
