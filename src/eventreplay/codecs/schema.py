"""What a codec needs to know of a platform's messages: descriptors, and how old versions become new.

A `SchemaSet` is a compiled descriptor set and the upcasters between its messages. An upcaster is a pure
function over columns; it runs at decode, never at capture, so that the log keeps what was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType

import pyarrow as pa
from attrs import Factory, field, frozen

from eventreplay.codecs.function_digest import function_digest, value_digest
from eventreplay.errors import CodecError

Convert = Callable[[pa.StructArray], pa.StructArray]
"""Columns of one message to columns of its successor, row by row in the same order; pure and picklable."""

DecimalDigits = tuple[int, int]
"""Precision and scale."""


@frozen(kw_only=True)
class Upcaster:
    """How a message of `from_type` becomes one of `to_type`.

    Attributes:
        from_type: full name of the older message.
        to_type: full name of the newer one; its columns must come out, with its types, in any order
            (a column of nulls may have no type, an enum may be plain text).
        version: stands in the fingerprint, and so does what `convert` does, see `function_digest`; changed by
            hand where that cannot see a change: code that reads a file, or hides what it is made of.
        convert: a module-level function or a `Columns` value.
    """

    from_type: str
    to_type: str
    version: int
    convert: Convert

    @property
    def identity(self) -> str:
        """Names the upcaster in a fingerprint: types, version, and the function's code or its recipe."""
        return f"{self.from_type}>{self.to_type}#{self.version}:{_meaning(self.convert)}"


def _meaning(convert: Convert) -> str:
    if isinstance(convert, Columns):
        return repr(convert)
    if isinstance(convert, FunctionType):
        return f"{convert.__module__}.{convert.__qualname__}={function_digest(convert)}"
    return f"{type(convert).__module__}.{type(convert).__qualname__}={value_digest(convert)}"


@frozen(kw_only=True)
class Columns:
    """A conversion in declarations: rename, then fill defaults, then add. Other columns stay as they are.

    Attributes:
        rename: old name to new name.
        default: value that replaces null, by (new) name.
        add: constant value of a column that was not there, by name; None adds nulls.
    """

    rename: Mapping[str, str] = Factory(dict)
    default: Mapping[str, object] = Factory(dict)
    add: Mapping[str, object] = Factory(dict)

    def __call__(self, columns: pa.StructArray) -> pa.StructArray:
        arrays = {self.rename.get(name, name): columns.field(name) for name in columns.type.names}
        for name, value in self.default.items():
            arrays[name] = arrays[name].fill_null(value)
        for name, value in self.add.items():
            arrays[name] = (
                pa.nulls(len(columns)) if value is None else pa.repeat(pa.scalar(value), len(columns))
            )
        return pa.StructArray.from_arrays(list(arrays.values()), names=list(arrays))


@frozen(kw_only=True)
class SchemaSet:
    """The messages a platform sends.

    Attributes:
        name: of the platform, for people.
        descriptor_set: a serialised google.protobuf.FileDescriptorSet, imports included.
        upcasters: from older to newer messages; chains are followed, at most one leads away from a type.
        decimals: precision and scale of fields whose file does not declare them, by "pkg.Message.field".

    Raises:
        CodecError: two upcasters leave one type, or they go round in a circle.
    """

    name: str
    descriptor_set: bytes = field(repr=False)
    upcasters: tuple[Upcaster, ...] = ()
    decimals: Mapping[str, DecimalDigits] = Factory(dict)

    def __attrs_post_init__(self) -> None:
        away: dict[str, Upcaster] = {}
        for upcaster in self.upcasters:
            if upcaster.from_type in away:
                raise CodecError(
                    f"Two upcasters lead away from {upcaster.from_type}.",
                    hint="Keep one; a chain of upcasters goes from each version to the next.",
                    type=upcaster.from_type,
                )
            away[upcaster.from_type] = upcaster
        for start in away:
            self.path(start)

    def path(self, event_type: str) -> tuple[Upcaster, ...]:
        """The upcasters that an event of this type goes through, in order; empty for a current type.

        Raises:
            CodecError: they go round in a circle.
        """
        away = {upcaster.from_type: upcaster for upcaster in self.upcasters}
        steps: list[Upcaster] = []
        seen = {event_type}
        while event_type in away:
            steps.append(away[event_type])
            event_type = steps[-1].to_type
            if event_type in seen:
                raise CodecError(
                    f"The upcasters of {event_type} go round in a circle.",
                    hint="An upcaster leads from an older version to a newer one, never back.",
                    type=event_type,
                )
            seen.add(event_type)
        return tuple(steps)
