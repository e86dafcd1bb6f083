"""A fingerprint of each message type: of everything that decides what becomes of its payloads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor

from eventreplay.codecs.plan import Schemas
from eventreplay.codecs.schema import SchemaSet

OTHERS = "*"
"""All types that a codec does not know by name."""


def message_fingerprints(schemas: SchemaSet, code: Mapping[str, object]) -> dict[str, str]:
    """Of each message of a set, by its full name, and of all other types, by `*`.

    A message's is made of its own descriptor and those of every message and enum it reaches, of the digits
    that are declared beside them, of its upcasters and of what those lead to, and of `code`.

    Args:
        schemas: the messages and upcasters.
        code: the version of the decoder and its limits.

    Raises:
        CodecError: the descriptor set cannot be read.
    """
    known = Schemas(schemas)
    found = {OTHERS: _digest({"code": code})}
    for name in _names(schemas):
        if known.knows(name):
            found[name] = _digest({"code": code, **_facts(schemas, known, name)})
    return found


def _facts(schemas: SchemaSet, known: Schemas, name: str) -> dict[str, object]:
    steps = schemas.path(name)
    reached: dict[str, str] = {}
    for type_name in (name, *(step.to_type for step in steps)):
        try:
            _reach(known.official.FindMessageTypeByName(type_name), reached)
        except KeyError:
            reached[type_name] = "missing"
    digits = {
        field: digits for field, digits in schemas.decimals.items() if field.rpartition(".")[0] in reached
    }
    return {
        "reached": reached,
        "decimals": digits,
        "upcasters": [step.identity for step in steps],
    }


def _reach(message: Descriptor, reached: dict[str, str]) -> None:
    """Note a message and all that it contains; nested declarations count where they are used."""
    if message.full_name in reached:
        return
    own = descriptor_pb2.DescriptorProto()
    message.CopyToProto(own)
    for part in ("nested_type", "enum_type", "extension"):
        own.ClearField(part)
    reached[message.full_name] = _hex(own.SerializeToString(deterministic=True), message.file)
    for field in message.fields:
        if field.message_type is not None:
            _reach(field.message_type, reached)
        if field.enum_type is not None:
            _enum(field.enum_type, reached)


def _enum(enum: EnumDescriptor, reached: dict[str, str]) -> None:
    own = descriptor_pb2.EnumDescriptorProto()
    enum.CopyToProto(own)
    reached[enum.full_name] = _hex(own.SerializeToString(deterministic=True), enum.file)


def _hex(data: bytes, file: FileDescriptor) -> str:
    """A declaration with what its file says of all of them: syntax, edition, features."""
    whole = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(whole)
    features = whole.options.features.SerializeToString(deterministic=True)
    return hashlib.sha256(f"{whole.syntax} {whole.edition} {features.hex()} ".encode() + data).hexdigest()


def _names(schemas: SchemaSet) -> Iterator[str]:
    for file in descriptor_pb2.FileDescriptorSet.FromString(schemas.descriptor_set).file:
        yield from _nested(file.package, file.message_type)


def _nested(scope: str, messages: object) -> Iterator[str]:
    for message in messages:  # type: ignore[attr-defined] # a repeated field of descriptors
        name = f"{scope}.{message.name}" if scope else message.name
        yield name
        yield from _nested(name, message.nested_type)


def _digest(facts: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
