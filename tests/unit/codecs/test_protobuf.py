from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import descriptor_pb2

from eventreplay.codecs.limits import Limits
from eventreplay.codecs.messages import MessageDecoder
from eventreplay.codecs.protobuf import ProtobufCodec
from eventreplay.demo.schemas import load
from eventreplay.errors import CodecError
from tests.unit.codecs.events import of_type, outcome
from tests.unit.codecs.kitchen import KITCHEN, PART, kitchen, official, with_files

ORDER = "sportscards.orders.v2.OrderPlaced"
PAID = "sportscards.orders.v1.OrderPaid"
CODEC = ProtobufCodec(kitchen())


def paid(units: int = 0, nanos: int = 0, **more: Any) -> bytes:
    event = official(PAID)(order_id="O", **more)
    event.amount.units, event.amount.nanos = units, nanos
    return bytes(event.SerializeToString())


def test_the_text_of_an_order() -> None:
    order = official(ORDER)(order_id="O-1", customer_id="C-7", customer_name='Zoë "Z" O\'Neil 🃏', channel=1)
    order.customer_email, order.currency_code = "z@example.com", "USD"
    line = order.lines.add(line_number=1, sku="SKU-1", quantity=2, tax=(2_040_000_000).to_bytes(5, "big"))
    line.unit_price.currency_code, line.unit_price.units, line.unit_price.nanos = "USD", 12, 500_000_000
    line.discount.value, order.insured_value.value = "0.5", "25"
    order.placed_at.seconds, order.placed_at.nanos = 1_769_903_999, 123_456_000
    expected = (
        '{"order_id":"O-1","customer_id":"C-7","customer_name":"Zoë \\"Z\\" O\'Neil 🃏","customer_email":'
        '"z@example.com","currency_code":"USD","channel":"SALES_CHANNEL_WEB","lines":[{"line_number":1,"sku":'
        '"SKU-1","quantity":"2","unit_price":{"currency_code":"USD","amount":"12.5000"},"discount":"0.5000",'
        '"tax":"2.040000000"}],"shipping_fee":null,"insured_value":"25.000000000000000000",'
        '"placed_at":"2026-01-31T23:59:59.123456Z"}'
    )
    assert outcome(CODEC, of_type(ORDER, [order.SerializeToString()])) == [expected]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (paid(1, -1), "decimal_sign_conflict"),
        (paid(-1, 1), "decimal_sign_conflict"),
        (paid(0, 1_000_000_000), "money_nanos_out_of_range"),
        (paid(0, -(2**31)), "money_nanos_out_of_range"),
        (b"\xff", "protobuf_malformed"),
        (b"\x0a\x02\xff\xfe", "protobuf_malformed"),
        (b"\x00\x00", "protobuf_malformed"),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "protobuf_malformed"),
        (b"\xa3\x38" * 101 + b"\xa4\x38" * 101, "payload_too_deep"),
        (None, "payload_missing"),
    ],
)
def test_one_bad_payload_fails_alone(payload: bytes | None, code: str) -> None:
    good = paid(3, 5)
    text = outcome(CODEC, of_type(PAID, [good]))[0]
    assert '"amount":"3.000000005"' in text
    assert outcome(CODEC, of_type(PAID, [good, payload, good])) == [text, f"!{code}", text]


@pytest.mark.parametrize(
    ("seconds", "nanos", "text"),
    [
        (-62_135_596_800, 0, "0001-01-01T00:00:00.000000Z"),
        (253_402_300_799, 999_999_999, "9999-12-31T23:59:59.999999999Z"),
        (-1, 1, "1969-12-31T23:59:59.000000001Z"),
        (951_782_400, 1000, "2000-02-29T00:00:00.000001Z"),
        (-62_135_596_801, 0, None),
        (253_402_300_800, 0, None),
        (2**63 - 1, 0, None),
        (-(2**63), 0, None),
        (0, -1, None),
        (0, 1_000_000_000, None),
    ],
)
def test_timestamps_are_never_clamped(seconds: int, nanos: int, text: str | None) -> None:
    part = official(PART)()
    part.at.seconds, part.at.nanos = seconds, nanos
    expected = f'{{"label":"","size":null,"numbers":[],"at":"{text}"}}' if text else "!timestamp_out_of_range"
    assert outcome(CODEC, of_type(PART, [part.SerializeToString()])) == [expected]


def test_the_first_broken_rule_in_field_order_names_the_row() -> None:
    sink = official(KITCHEN)()
    sink.fraction = 2**63
    sink.money.nanos = 2_000_000_000
    sink.parts.add()
    sink.parts.add().at.nanos = -1
    assert outcome(CODEC, of_type(KITCHEN, [sink.SerializeToString()])) == ["!timestamp_out_of_range"]
    found = CODEC.decode(of_type(KITCHEN, [sink.SerializeToString()]))
    assert found.error_message[0].as_py().startswith("Field parts.at is a timestamp")


def test_limits_are_tested_before_decoding() -> None:
    codec = ProtobufCodec(load(), Limits(payload_bytes_max=1000, elements_max=100))
    many, few = b"\x3a\x00" * 101, b"\x3a\x00" * 40
    long = b"\x0a\xe0\x07" + b"x" * 992
    found = outcome(codec, of_type(ORDER, [many, few, long, long + b"\x0a\x09123456789"]))
    assert [text[:30] for text in found] == [
        "!payload_too_many_elements",
        '{"order_id":"","customer_id":"',
        '{"order_id":"' + "x" * 17,
        "!payload_too_large",
    ]


def test_packed_elements_count() -> None:
    codec = ProtobufCodec(kitchen(), Limits(elements_max=50))
    assert outcome(codec, of_type(PART, [b"\x1a\x3c" + b"\x01" * 60])) == ["!payload_too_many_elements"]
    assert outcome(codec, of_type(PART, [b"\x0a\x3c" + b"a" * 60])) != ["!payload_too_many_elements"]


def test_unknown_types_and_well_known_ones() -> None:
    for name in (
        "no.such.Type",
        "",
        "google.protobuf.Timestamp",
        "google.type.Money",
        f"{KITCHEN}.TagsEntry",
    ):
        assert outcome(CODEC, of_type(name, [b""])) == ["!unknown_type"], name


def test_unknown_fields_are_counted_and_do_no_harm() -> None:
    decoder = MessageDecoder(kitchen(), PART)
    payloads = pa.array(
        [b"\x0a\x01x\xa8\x80\x08\x96\x01", b"\x22\x04\x08\x05\x50\x01", b"", None], pa.binary()
    )
    assert decoder.unknown_fields(payloads) == 2
    assert outcome(CODEC, of_type(PART, [b"\x22\x04\x08\x05\x50\x01"]))[0].endswith(
        '"1970-01-01T00:00:05.000000Z"}'
    )


def test_typed_columns() -> None:
    order = official(ORDER)(order_id="O", channel=2)
    line = order.lines.add(quantity=3)
    line.unit_price.currency_code, line.unit_price.units = "EUR", 7
    order.insured_value.value = "1e-18"
    order.placed_at.seconds, order.placed_at.nanos = 1, 2_999
    payload = pa.array([b"\xff", order.SerializeToString()], pa.binary())
    found = MessageDecoder(load(), ORDER).decode(payload)
    assert found.rows.tolist() == [1]
    assert [(row, code) for row, code, _ in found.failed] == [(0, "protobuf_malformed")]
    columns = found.columns
    money = pa.struct([("currency_code", pa.string()), ("amount", pa.decimal128(19, 4))])
    assert columns.schema.field("insured_value").type == pa.decimal128(38, 18)
    assert columns.schema.field("placed_at").type == pa.timestamp("us", tz="UTC")
    assert columns.schema.field("lines").type.value_type.field("unit_price").type == money
    row = columns.to_pylist()[0]
    assert row["lines"][0]["unit_price"] == {"currency_code": "EUR", "amount": Decimal("7.0000")}
    assert (row["insured_value"], row["channel"]) == (Decimal("1e-18"), "SALES_CHANNEL_APP")
    assert (row["placed_at"].microsecond, row["shipping_fee"]) == (2, None)


def message(
    *fields: dict[str, Any], syntax: str = "proto3", name: str = "M"
) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="own.proto", package="own")
    if syntax != "proto2":
        file.syntax = syntax
    file.dependency.extend(["google/type/decimal.proto", "eventreplay/v1/options.proto"])
    made = file.message_type.add(name=name)
    for field in fields:
        made.field.add(label=field.pop("label", "LABEL_OPTIONAL"), **field)
    return file


DECIMAL = {"name": "price", "number": 1, "type": "TYPE_MESSAGE", "type_name": ".google.type.Decimal"}


def test_a_decimal_without_digits_says_what_to_declare() -> None:
    with pytest.raises(CodecError, match=r"own\.M\.price") as raised:
        MessageDecoder(with_files(message(dict(DECIMAL))), "own.M")
    assert "(eventreplay.v1.decimal) = {precision: 19 scale: 4}" in raised.value.hint
    codec = ProtobufCodec(with_files(message(dict(DECIMAL))))
    assert outcome(codec, of_type("own.M", [b""])) == ["!schema_unusable"]
    with pytest.raises(CodecError):
        codec.check("own.M")
    with pytest.raises(CodecError, match="no message"):
        codec.check("own.N")


def test_digits_can_be_declared_beside_the_schema() -> None:
    codec = ProtobufCodec(with_files(message(dict(DECIMAL)), decimals={"own.M.price": (5, 1)}))
    assert outcome(codec, of_type("own.M", [b"\x0a\x05\x0a\x031.5"])) == ['{"price":"1.5"}']


@pytest.mark.parametrize("digits", [(0, 0), (39, 0), (5, 6), (5, -1)])
def test_impossible_digits_are_refused(digits: tuple[int, int]) -> None:
    schemas = with_files(message(dict(DECIMAL)), decimals={"own.M.price": digits})
    with pytest.raises(CodecError, match=r"declares decimal"):
        MessageDecoder(schemas, "own.M")


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ({"name": "a", "number": 1, "type": "TYPE_MESSAGE", "type_name": ".own.M"}, "contains itself"),
        ({"name": "a", "number": 70_000, "type": "TYPE_INT32"}, "number"),
        ({"name": "price", "number": 1, "type": "TYPE_DOUBLE"}, "cannot carry one"),
    ],
)
def test_messages_that_cannot_be_columns_are_refused(field: dict[str, Any], reason: str) -> None:
    schemas = with_files(message(field), decimals={"own.M.price": (5, 1)})
    with pytest.raises(CodecError, match=reason):
        MessageDecoder(schemas, "own.M")


def test_text_that_is_not_utf_8_in_proto2_is_malformed() -> None:
    codec = ProtobufCodec(
        with_files(message({"name": "a", "number": 1, "type": "TYPE_STRING"}, syntax="proto2"))
    )
    expected = ['{"a":"x"}', "!protobuf_malformed", '{"a":null}']
    assert outcome(codec, of_type("own.M", [b"\x0a\x01x", b"\x0a\x01\xff", b""])) == expected


def test_units_and_nanos_in_any_message() -> None:
    file = message(
        {"name": "units", "number": 1, "type": "TYPE_INT64"},
        {"name": "nanos", "number": 2, "type": "TYPE_INT32"},
    )
    file.message_type.add(name="N").field.add(
        name="a", number=1, type="TYPE_MESSAGE", type_name=".own.M", label="LABEL_OPTIONAL"
    )
    codec = ProtobufCodec(with_files(file))
    expected = ['{"a":"-1.500000000"}', '{"a":null}', '{"a":"0.000000000"}']
    minus_one = b"\xff" * 9 + b"\x01"
    minus_half = bytes([0x80, 0xB6, 0xCA, 0x91, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0x01])
    payload = b"\x0a\x16\x08" + minus_one + b"\x10" + minus_half
    assert outcome(codec, of_type("own.N", [payload, b"", b"\x0a\x00"])) == expected


def test_a_message_without_fields() -> None:
    codec = ProtobufCodec(with_files(message()))
    assert outcome(codec, of_type("own.M", [b"", b"\x08\x01", b"\xff"])) == [
        "{}",
        "{}",
        "!protobuf_malformed",
    ]


def test_pickled_codecs_are_equal_and_work() -> None:
    codec = pickle.loads(pickle.dumps(CODEC))  # noqa: S301
    assert codec == CODEC
    assert codec.fingerprint == CODEC.fingerprint
    assert outcome(codec, of_type(PART, [b""])) == outcome(CODEC, of_type(PART, [b""]))


def test_no_message_repeats_a_payload() -> None:
    secret = official(KITCHEN)(text="hunter2hunter2", one_string="hunter2")
    found = CODEC.decode(of_type(KITCHEN, [secret.SerializeToString(), b"\x0ahunter2"]))
    assert "hunter2" not in "".join(found.error_message.to_pylist())
