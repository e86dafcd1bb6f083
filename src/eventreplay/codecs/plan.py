"""What each message looks like to the decoder, compiled once from its descriptor.

The official parser, the referee of what a payload says, gets the descriptors as they are. ptars gets a plain
rewrite (`plain_file`): left alone it turns well-known types into Arrow types of its own and clamps what does
not fit (a Timestamp's seconds), loses maps with fixed-width keys, and so on. In the rewrite a map is
a repeated message and an enum a number: the same bytes, but ptars sees plain fields and nothing else, and
every rule stands in this library.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from attrs import frozen
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from eventreplay.codecs.decimals import PRECISION_MAX
from eventreplay.codecs.schema import DecimalDigits, SchemaSet
from eventreplay.errors import CodecError

DECIMAL_OPTION = 50741
"""Field number of (eventreplay.v1.decimal) in google.protobuf.FieldOptions."""

MONEY_DIGITS: DecimalDigits = (28, 9)
"""What units and nanos can hold, and nothing they cannot."""

FIELD_NUMBER_MAX = 65_536
"""ptars keeps a table as long as the highest field number of a message, for every call."""

_WELL_KNOWN = ("google.", "eventreplay.v1.")
_INTEGERS = {
    FieldDescriptor.TYPE_INT32: pa.int32(),
    FieldDescriptor.TYPE_SINT32: pa.int32(),
    FieldDescriptor.TYPE_SFIXED32: pa.int32(),
    FieldDescriptor.TYPE_UINT32: pa.uint32(),
    FieldDescriptor.TYPE_FIXED32: pa.uint32(),
    FieldDescriptor.TYPE_INT64: pa.int64(),
    FieldDescriptor.TYPE_SINT64: pa.int64(),
    FieldDescriptor.TYPE_SFIXED64: pa.int64(),
    FieldDescriptor.TYPE_UINT64: pa.uint64(),
    FieldDescriptor.TYPE_FIXED64: pa.uint64(),
}


@frozen
class Scalar:
    """A value as it is on the wire; `code` is its FieldDescriptor.TYPE_*."""

    code: int


@frozen
class Enum:
    """Numbers with names; a `closed` one (proto2) does not take numbers without a name."""

    names: Mapping[int, str]
    closed: bool


@frozen
class Message:
    """Fields in the order of their numbers; `oneofs` are names of fields of which at most one is set."""

    name: str
    fields: tuple[Field, ...]
    oneofs: tuple[tuple[str, ...], ...]


@frozen
class Timestamp:
    """google.protobuf.Timestamp: seconds and nanos, years 0001 to 9999."""

    message: Message


@frozen
class Wrapper:
    """google.protobuf.Int64Value and its like: a value, or null."""

    message: Message


@frozen
class Decimal:
    """A decimal in one of the carriers: text, unscaled, units (messages), bytes, string, integer (`code`)."""

    carrier: str
    precision: int
    scale: int
    message: Message | None = None
    code: int = 0


@frozen
class Map:
    """A map; `entry` is the message of key and value that stands for it on the wire."""

    entry: Message


Node = Scalar | Enum | Message | Timestamp | Wrapper | Decimal | Map


@frozen
class Field:
    """One field: `optional` if absence differs from the default; `repeated` lists (a map is not one)."""

    name: str
    number: int
    repeated: bool
    optional: bool
    packed: bool
    node: Node


class Schemas:
    """The messages of one schema set in a pool of their own, and the plans made from them."""

    def __init__(self, schemas: SchemaSet) -> None:
        self._decimals = schemas.decimals
        try:
            files = descriptor_pb2.FileDescriptorSet.FromString(schemas.descriptor_set)
            self.official = _pool(files)
        except (DecodeError, TypeError, ValueError) as error:
            raise CodecError(
                f"The descriptor set of {schemas.name!r} cannot be read.",
                hint="Compile it with `protoc --include_imports --descriptor_set_out`.",
                schemas=schemas.name,
            ) from error

    def knows(self, type_name: str) -> bool:
        """Whether this is a message of the set (and not a well-known one that was only imported)."""
        if type_name.startswith(_WELL_KNOWN):
            return False
        try:
            return not self.official.FindMessageTypeByName(type_name).GetOptions().map_entry
        except KeyError:
            return False

    def message(self, type_name: str) -> Message:
        """Compile one message.

        Raises:
            CodecError: it is not in the set, refers to itself, has a group, or a decimal without digits.
        """
        try:
            return self._message(self.official.FindMessageTypeByName(type_name), ())
        except KeyError as error:
            raise CodecError(f"There is no message {type_name} in the schema set.", type=type_name) from error

    def _message(self, message: Descriptor, above: tuple[str, ...]) -> Message:
        name = message.full_name
        if name in above:
            raise CodecError(
                f"Message {above[0]} contains {name}, which contains itself.",
                hint="Columns cannot nest without end: carry such a part as bytes, or as text.",
                type=name,
            )
        fields = sorted(message.fields, key=lambda each: each.number)
        oneofs = tuple(
            tuple(member.name for member in group.fields) for group in message.oneofs if len(group.fields) > 1
        )
        return Message(name, tuple(self._field(each, (*above, name)) for each in fields), oneofs)

    def _field(self, field: FieldDescriptor, above: tuple[str, ...]) -> Field:
        if field.type == FieldDescriptor.TYPE_GROUP or field.number > FIELD_NUMBER_MAX:
            raise CodecError(
                f"Field {field.full_name} is a group, or its number is above {FIELD_NUMBER_MAX}.",
                hint="Use a message instead of a group, and small field numbers.",
                field=field.full_name,
            )
        node = self._node(field, above)
        is_map = isinstance(node, Map)
        optional = field.has_presence and not field.is_repeated
        return Field(
            field.name, field.number, field.is_repeated and not is_map, optional, field.is_packed, node
        )

    def _node(self, field: FieldDescriptor, above: tuple[str, ...]) -> Node:
        digits = self._digits(field)
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            return self._submessage(field, field.message_type, digits, above)
        if digits is not None:
            return Decimal(_scalar_carrier(field), *digits, code=field.type)
        if field.type == FieldDescriptor.TYPE_ENUM:
            names = {value.number: value.name for value in reversed(field.enum_type.values)}
            return Enum(names, field.enum_type.is_closed)
        return Scalar(field.type)

    def _submessage(
        self, field: FieldDescriptor, of: Descriptor, digits: DecimalDigits | None, above: tuple[str, ...]
    ) -> Node:
        message = self._message(of, above)
        if of.GetOptions().map_entry:
            return Map(message)
        kinds = {each.name: getattr(each.node, "code", None) for each in message.fields if not each.repeated}
        if (
            kinds.get("nanos") == FieldDescriptor.TYPE_INT32
            and _INTEGERS.get(kinds.get("units")) == pa.int64()
        ):
            return Decimal("units", *(digits or MONEY_DIGITS), message)
        carrier = {"google.type.Decimal": "text", "eventreplay.v1.UnscaledDecimal": "unscaled"}.get(
            of.full_name
        )
        if carrier is not None and digits is not None:
            return Decimal(carrier, *digits, message)
        if carrier is not None or digits is not None:
            raise _undeclared(field) if digits is None else _no_carrier(field)
        if of.full_name == "google.protobuf.Timestamp":
            return Timestamp(message)
        if (
            of.full_name.startswith("google.protobuf.")
            and of.full_name.endswith("Value")
            and len(message.fields) == 1
        ):
            return Wrapper(message)
        return message

    def _digits(self, field: FieldDescriptor) -> DecimalDigits | None:
        digits = self._decimals.get(field.full_name) or _declared(field)
        if digits is not None and not (1 <= digits[0] <= PRECISION_MAX and 0 <= digits[1] <= digits[0]):
            raise CodecError(
                f"Field {field.full_name} declares decimal({digits[0]}, {digits[1]}).",
                hint=f"The precision is 1 to {PRECISION_MAX}, the scale 0 to the precision.",
                field=field.full_name,
            )
        return digits


def _declared(field: FieldDescriptor) -> DecimalDigits | None:
    """The (eventreplay.v1.decimal) option, read from its bytes: whatever pool the option was declared in."""
    options = Empty.FromString(field.GetOptions().SerializeToString())
    data = [option.data for option in UnknownFieldSet(options) if option.field_number == DECIMAL_OPTION]
    if not data:
        return None
    numbers = {part.field_number: int(part.data) for part in UnknownFieldSet(Empty.FromString(data[-1]))}
    return numbers.get(1, 0), numbers.get(2, 0)


def _scalar_carrier(field: FieldDescriptor) -> str:
    if field.type == FieldDescriptor.TYPE_STRING:
        return "string"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return "bytes"
    if field.type in _INTEGERS:
        return "integer"
    raise _no_carrier(field)


def _no_carrier(field: FieldDescriptor) -> CodecError:
    return CodecError(
        f"Field {field.full_name} declares a decimal, but its type cannot carry one exactly.",
        hint="Use google.type.Decimal or Money, units and nanos, UnscaledDecimal, bytes, string or integers.",
        field=field.full_name,
    )


def _undeclared(field: FieldDescriptor) -> CodecError:
    return CodecError(
        f"Field {field.full_name} is a decimal without declared digits.",
        hint="Add [(eventreplay.v1.decimal) = {precision: 19 scale: 4}] to it, or pass "
        f'decimals={{"{field.full_name}": (19, 4)}} with the schema set.',
        field=field.full_name,
    )


def _pool(files: descriptor_pb2.FileDescriptorSet) -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def plain_file(message: Message) -> descriptor_pb2.FileDescriptorProto:
    """The same wire format without names, options, enums, maps or well-known types; its root is `plain.M0`.

    Fields are called by number (`f7`), so that no name of a schema can collide or be special.
    """
    file = descriptor_pb2.FileDescriptorProto(name="plain.proto", package="plain", syntax="proto3")
    names: dict[str, str] = {}
    _add_plain(file, names, message)
    return file


def _add_plain(file: descriptor_pb2.FileDescriptorProto, names: dict[str, str], message: Message) -> str:
    if message.name in names:
        return names[message.name]
    names[message.name] = f".plain.M{len(names)}"
    made = file.message_type.add(name=names[message.name].rpartition(".")[2])
    for each in message.fields:
        below = submessage(each.node)
        field = made.field.add(name=f"f{each.number}", number=each.number)
        many = each.repeated or isinstance(each.node, Map)
        field.label = FieldDescriptor.LABEL_REPEATED if many else FieldDescriptor.LABEL_OPTIONAL
        if below is not None:
            field.type, field.type_name = FieldDescriptor.TYPE_MESSAGE, _add_plain(file, names, below)
            continue
        field.type = wire_code(each.node)
        if each.optional:
            field.proto3_optional, field.oneof_index = True, len(made.oneof_decl)
            made.oneof_decl.add(name=f"_f{each.number}")
    return names[message.name]


def submessage(node: Node) -> Message | None:
    """The message that carries a node on the wire, or None for a scalar."""
    if isinstance(node, Message):
        return node
    if isinstance(node, Map):
        return node.entry
    return None if isinstance(node, Scalar | Enum) else node.message


def wire_code(node: Node) -> int:
    """The FieldDescriptor.TYPE_* of a node that is no message; an enum is its number."""
    if isinstance(node, Scalar | Decimal):
        return node.code
    return int(FieldDescriptor.TYPE_INT32)
