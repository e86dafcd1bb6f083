from __future__ import annotations

import pickle

import pyarrow as pa
import pytest
from google.protobuf import descriptor_pb2

from eventreplay.codecs.protobuf import ProtobufCodec
from eventreplay.codecs.schema import Columns, SchemaSet, Upcaster
from eventreplay.demo.schemas import load
from eventreplay.errors import CodecError
from tests.unit.codecs.events import of_type, outcome
from tests.unit.codecs.kitchen import official, with_files

V1 = "sportscards.orders.v1.OrderPlaced"
V2 = "sportscards.orders.v2.OrderPlaced"


def step(from_type: str, to_type: str, convert: object = None, version: int = 1) -> Upcaster:
    made = Columns() if convert is None else convert
    return Upcaster(from_type=from_type, to_type=to_type, version=version, convert=made)  # type: ignore[arg-type]


def test_paths_follow_chains() -> None:
    schemas = with_files(upcasters=(step("a", "b"), step("b", "c")))
    assert [each.to_type for each in schemas.path("a")] == ["b", "c"]
    assert schemas.path("c") == ()


@pytest.mark.parametrize(
    "steps", [[("a", "b"), ("b", "a")], [("a", "a")], [("a", "b"), ("b", "c"), ("c", "b")]]
)
def test_circles_are_refused(steps: list[tuple[str, str]]) -> None:
    with pytest.raises(CodecError, match="circle"):
        with_files(upcasters=tuple(step(*each) for each in steps))


def test_two_ways_away_are_refused() -> None:
    with pytest.raises(CodecError, match="Two upcasters"):
        with_files(upcasters=(step("a", "b"), step("a", "c")))


def test_columns_rename_default_add() -> None:
    convert = Columns(rename={"a": "b"}, default={"b": 7}, add={"c": "x", "d": None})
    made = convert(pa.array([{"a": 1}, {"a": None}], pa.struct([("a", pa.int32())])))
    assert made.to_pylist() == [{"b": 1, "c": "x", "d": None}, {"b": 7, "c": "x", "d": None}]


def versions(count: int) -> descriptor_pb2.FileDescriptorProto:
    """chain.V1 to chain.V<count>: each renames its one field."""
    file = descriptor_pb2.FileDescriptorProto(name="chain.proto", package="chain", syntax="proto3")
    for number in range(1, count + 1):
        file.message_type.add(name=f"V{number}").field.add(
            name=f"name{number}", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL"
        )
    return file


def explode(columns: pa.StructArray) -> pa.StructArray:
    """Renames, but cannot stand one of the names."""
    if "bad" in columns.field("name1").to_pylist():
        raise ValueError(columns.field("name1").to_pylist())
    return pa.StructArray.from_arrays([columns.field("name1")], names=["name2"])


def shorten(columns: pa.StructArray) -> pa.StructArray:
    return pa.StructArray.from_arrays([columns.field("name1")], names=["name2"]).slice(len(columns) // 2)


def test_a_chain_is_followed_and_the_type_is_the_last() -> None:
    chain = tuple(
        step(f"chain.V{at}", f"chain.V{at + 1}", Columns(rename={f"name{at}": f"name{at + 1}"}))
        for at in (1, 2)
    )
    codec = pickle.loads(pickle.dumps(ProtobufCodec(with_files(versions(3), upcasters=chain))))  # noqa: S301
    found = codec.decode(of_type("chain.V1", [b"\x0a\x01x"]))
    assert (found.payload_type.to_pylist(), found.payload.to_pylist()) == (["chain.V3"], ['{"name3":"x"}'])


def test_rows_that_an_upcaster_fails_for_stand_alone() -> None:
    codec = ProtobufCodec(with_files(versions(2), upcasters=(step("chain.V1", "chain.V2", explode),)))
    rows = [b"\x0a\x03bad" if at % 7 == 3 else b"\x0a\x01x" for at in range(40)]
    expected = ["!upcast_failed" if at % 7 == 3 else '{"name2":"x"}' for at in range(40)]
    assert outcome(codec, of_type("chain.V1", rows)) == expected
    assert "bad" not in codec.decode(of_type("chain.V1", rows)).error_message[0].as_py()


@pytest.mark.parametrize(
    "convert", [Columns(), Columns(rename={"name1": "name2"}, add={"more": 1}), Columns(add={"name2": 5})]
)
def test_an_upcaster_that_makes_other_columns_is_an_unusable_schema(convert: Columns) -> None:
    codec = ProtobufCodec(with_files(versions(2), upcasters=(step("chain.V1", "chain.V2", convert),)))
    assert outcome(codec, of_type("chain.V1", [b""])) == ["!schema_unusable"]
    with pytest.raises(CodecError, match="upcaster"):
        codec.check("chain.V1")


def test_an_upcaster_that_drops_rows_stops_the_run() -> None:
    codec = ProtobufCodec(with_files(versions(2), upcasters=(step("chain.V1", "chain.V2", shorten),)))
    with pytest.raises(CodecError, match="returned 1 rows for 2"):
        codec.decode(of_type("chain.V1", [b"", b""]))


def test_orders_of_version_1_become_version_2() -> None:
    codec = ProtobufCodec(load())
    old, new = official(V1)(order_id="O", client_id="C", client_name="N"), official(V2)()
    new.order_id, new.customer_id, new.customer_name = "O", "C", "N"
    for order in (old, new):
        order.lines.add(line_number=1).unit_price.currency_code = "USD"
        order.placed_at.seconds = 5
    upcast, current = (
        outcome(codec, of_type(name, [m.SerializeToString()])) for name, m in ((V1, old), (V2, new))
    )
    assert upcast == current
    assert codec.decode(of_type(V1, [b""])).payload_type.to_pylist() == [V2]


def test_fingerprints_tell_apart_what_changes_the_output() -> None:
    base = ProtobufCodec(with_files(upcasters=(step("a", "b"),)))
    others = [
        ProtobufCodec(with_files(upcasters=(step("a", "b", version=2),))),
        ProtobufCodec(with_files(upcasters=(step("a", "b", Columns(rename={"x": "y"})),))),
        ProtobufCodec(with_files(upcasters=(step("a", "b", explode),))),
        ProtobufCodec(with_files()),
        ProtobufCodec(with_files(versions(1), upcasters=(step("a", "b"),))),
        ProtobufCodec(with_files(upcasters=(step("a", "b"),), decimals={"a.b": (19, 4)})),
    ]
    prints = {codec.fingerprint for codec in (base, *others)}
    assert len(prints) == 1 + len(others)
    assert base.fingerprint == ProtobufCodec(with_files(upcasters=(step("a", "b"),))).fingerprint


def test_a_broken_descriptor_set_is_named() -> None:
    with pytest.raises(CodecError, match="descriptor set"):
        ProtobufCodec(SchemaSet(name="x", descriptor_set=b"\xff\xff")).check(V1)
