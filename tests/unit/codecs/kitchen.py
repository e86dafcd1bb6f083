"""A message with every kind of field, compiled without protoc: what the sports cards do not have."""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor

from eventreplay.codecs.schema import SchemaSet, Upcaster
from eventreplay.demo.schemas import load

KITCHEN = "kitchen.Sink"
PART = "kitchen.Part"
PLAIN = "kitchen.Plain"
EITHER = "kitchen.Either"

SCALARS = (
    "double",
    "float",
    "int64",
    "uint64",
    "int32",
    "fixed64",
    "fixed32",
    "bool",
    "string",
    "bytes",
    "uint32",
    "sfixed32",
    "sfixed64",
    "sint32",
    "sint64",
)
CARRIERS = {
    "money": (".google.type.Money", None),
    "price": (".google.type.Money", (10, 2)),
    "amount": (".google.type.Decimal", (19, 4)),
    "wide": (".google.type.Decimal", (38, 18)),
    "unscaled": (".eventreplay.v1.UnscaledDecimal", (28, 9)),
    "raw": ("bytes", (38, 6)),
    "text": ("string", (5, 5)),
    "count": ("int64", (12, 2)),
    "fraction": ("uint64", (38, 38)),
}
"""Decimal fields: type, and precision and scale where they are declared."""


def _add(message: Any, name: str, number: int, kind: str, *, label: str = "", digits: Any = None) -> None:
    field = message.field.add(name=name, number=number)
    field.label = FieldDescriptor.LABEL_REPEATED if label == "repeated" else FieldDescriptor.LABEL_OPTIONAL
    if kind.startswith("."):
        is_enum = kind == ".kitchen.Color"
        field.type = FieldDescriptor.TYPE_ENUM if is_enum else FieldDescriptor.TYPE_MESSAGE
        field.type_name = kind
    else:
        field.type = getattr(FieldDescriptor, f"TYPE_{kind.upper()}")
    if label == "optional":
        field.proto3_optional, field.oneof_index = True, len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")
    if digits is not None:
        declared = bytes([8, digits[0], 16, digits[1]])
        # (eventreplay.v1.decimal), field 50741 of FieldOptions, length-delimited.
        field.options.MergeFromString(b"\xaa\xe3\x18" + bytes([len(declared)]) + declared)


def _map(message: Any, name: str, number: int, key: str, value: str) -> None:
    entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
    entry.options.map_entry = True
    _add(entry, "key", 1, key)
    _add(entry, "value", 2, value)
    _add(message, name, number, f".kitchen.Sink.{entry.name}", label="repeated")


def _file() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="kitchen.proto", package="kitchen", syntax="proto3")
    needed = (
        "google/protobuf/timestamp",
        "google/type/money",
        "google/type/decimal",
        "eventreplay/v1/options",
    )
    file.dependency.extend(f"{name}.proto" for name in needed)
    color = file.enum_type.add(name="Color")
    for number, name in ((0, "COLOR_UNSPECIFIED"), (1, "COLOR_RED"), (7, "COLOR_BLUE"), (-3, "COLOR_BELOW")):
        color.value.add(name=name, number=number)
    part = file.message_type.add(name="Part")
    _add(part, "label", 1, "string")
    _add(part, "size", 2, "sint32", label="optional")
    _add(part, "numbers", 3, "int32", label="repeated")
    _add(part, "at", 4, ".google.protobuf.Timestamp")
    _simple(file)
    sink = file.message_type.add(name="Sink")
    for at, kind in enumerate(SCALARS):
        _add(sink, f"one_{kind}", 1 + at, kind)
        _add(sink, f"maybe_{kind}", 31 + at, kind, label="optional")
        _add(sink, f"many_{kind}", 61 + at, kind, label="repeated")
    _add(sink, "color", 16, ".kitchen.Color")
    _add(sink, "colors", 17, ".kitchen.Color", label="repeated")
    _add(sink, "part", 18, ".kitchen.Part")
    _add(sink, "parts", 19, ".kitchen.Part", label="repeated")
    _add(sink, "at", 20, ".google.protobuf.Timestamp")
    _map(sink, "tags", 21, "string", "int32")
    _map(sink, "bins", 22, "fixed32", ".kitchen.Part")
    _map(sink, "flags", 23, "bool", "bytes")
    choice = len(sink.oneof_decl)
    sink.oneof_decl.add(name="choice")
    for name, number, kind in (
        ("left", 24, "string"),
        ("middle", 25, ".kitchen.Part"),
        ("right", 26, "int64"),
    ):
        _add(sink, name, number, kind)
        sink.field[-1].oneof_index = choice
    for at, (name, (kind, digits)) in enumerate(CARRIERS.items()):
        _add(sink, name, 100 + at, kind, digits=digits)
        _add(sink, f"{name}_list", 2100 + at, kind, label="repeated", digits=digits)
    _synthetic_last(sink)
    return file


def _simple(file: Any) -> None:
    """Messages without lists of numbers and maps: most of what is sent looks like one of these."""
    plain = file.message_type.add(name="Plain")
    for at, kind in enumerate(SCALARS):
        _add(plain, f"one_{kind}", 1 + at, kind)
        _add(plain, f"maybe_{kind}", 31 + at, kind, label="optional")
    _add(plain, "texts", 61, "string", label="repeated")
    _add(plain, "color", 62, ".kitchen.Color")
    _add(plain, "at", 63, ".google.protobuf.Timestamp")
    _add(plain, "moments", 64, ".google.protobuf.Timestamp", label="repeated")
    either = file.message_type.add(name="Either")
    either.oneof_decl.add(name="choice")
    for name, number, kind in (
        ("left", 1, "string"),
        ("right", 2, "int64"),
        ("at", 3, ".google.protobuf.Timestamp"),
    ):
        _add(either, name, number, kind)
        either.field[-1].oneof_index = 0


def _synthetic_last(message: Any) -> None:
    """protobuf wants the oneofs of `optional` fields after the real ones."""
    order = sorted(range(len(message.oneof_decl)), key=lambda at: message.oneof_decl[at].name.startswith("_"))
    names = [message.oneof_decl[at].name for at in order]
    for field in message.field:
        if field.HasField("oneof_index"):
            field.oneof_index = order.index(field.oneof_index)
    for oneof, name in zip(message.oneof_decl, names, strict=True):
        oneof.name = name


def with_files(*added: Any, upcasters: tuple[Upcaster, ...] = (), **more: Any) -> SchemaSet:
    """The sports cards' descriptor set and further files."""
    files = descriptor_pb2.FileDescriptorSet.FromString(load().descriptor_set)
    files.file.extend(added)
    return SchemaSet(name="kitchen", descriptor_set=files.SerializeToString(), upcasters=upcasters, **more)


@cache
def kitchen() -> SchemaSet:
    return with_files(_file())


@cache
def official(type_name: str) -> Any:
    """The official parser's class of a message."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(kitchen().descriptor_set).file:
        pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(type_name))
