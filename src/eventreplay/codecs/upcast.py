"""From the version that was sent to the one that is current, a column at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from eventreplay.canonical import json_text
from eventreplay.codecs.messages import MessageDecoder
from eventreplay.codecs.outcome import Outcome
from eventreplay.codecs.schema import Upcaster
from eventreplay.errors import CodecError


@frozen
class Path:
    """How payloads of one type are decoded, and brought to the current version.

    Attributes:
        decoder: of the type that was sent.
        steps: each upcaster, and the columns its target has.
        payload_type: the type in the end.
    """

    decoder: MessageDecoder
    steps: tuple[tuple[Upcaster, pa.StructType], ...]
    payload_type: str

    @classmethod
    def of(cls, decoders: list[MessageDecoder], steps: tuple[Upcaster, ...]) -> Path:
        """Put together a path; each upcaster is tried on no rows, so that a wrong one is heard of now.

        Args:
            decoders: of the type that was sent, then of each upcaster's target.
            steps: the upcasters.

        Raises:
            CodecError: an upcaster does not make its target's columns.
        """
        nothing = [decoder.decode_exact(pa.array([], pa.binary()))[1] for decoder in decoders]
        path = cls(
            decoders[0],
            tuple((step, columns.type) for step, columns in zip(steps, nothing[1:], strict=True)),
            decoders[-1].type_name,
        )
        try:
            path.follow(nothing[0])
        except CodecError:
            raise
        except Exception as error:
            raise CodecError(
                f"The upcaster to {path.payload_type} raised {type(error).__name__} on no rows.",
                hint="It gets the columns of the older message and returns those of the newer one.",
                type=path.payload_type,
            ) from error
        return path

    def follow(self, columns: pa.StructArray) -> pa.StructArray:
        """Columns of the version that was sent to columns of the current one."""
        for step, kind in self.steps:
            made = step.convert(columns)
            if len(made) != len(columns):
                raise CodecError(
                    f"The upcaster to {step.to_type} returned {len(made)} rows for {len(columns)}.",
                    hint="An upcaster converts row by row; it drops and adds none.",
                    type=step.to_type,
                )
            columns = _conformed(made, kind, step.to_type)
        return columns


def targets(steps: tuple[Upcaster, ...]) -> tuple[str, ...]:
    """The types that the upcasters lead to, in order."""
    return tuple(step.to_type for step in steps)


def write(columns: pa.StructArray, rows: npt.NDArray[np.int64], path: Path, outcome: Outcome) -> None:
    """Upcast and write as text; where an upcaster raises, halve until the rows it fails for stand alone.

    Raises:
        CodecError: an upcaster does not make its target's columns, row by row: not a fault of any row.
    """
    if not len(rows):
        return
    try:
        current = path.follow(columns)
    except CodecError:
        raise
    except Exception as error:  # noqa: BLE001 (an upcaster is the platform's code; its row must not stop the run)
        if len(rows) == 1:
            reason = f"The upcaster to {path.payload_type} raised {type(error).__name__}."
            outcome.fail(rows, "upcast_failed", reason)
            return
        half = len(rows) // 2
        write(columns.slice(0, half), rows[:half], path, outcome)
        write(columns.slice(half), rows[half:], path, outcome)
        return
    outcome.accept(rows, path.payload_type, json_text(current))


def _conformed(columns: pa.StructArray, kind: pa.StructType, name: str) -> pa.StructArray:
    """The target's columns in its order, nulls without a type with the target's."""
    if sorted(columns.type.names) != sorted(kind.names):
        raise CodecError(
            f"The upcaster to {name} made the columns {', '.join(columns.type.names)}.",
            hint=f"It has to make {', '.join(kind.names)}.",
            type=name,
        )
    arrays = [_typed(columns.field(field.name), field, name) for field in kind]
    return pa.StructArray.from_arrays(arrays, names=kind.names) if arrays else columns


def _typed(column: pa.Array, field: pa.Field, name: str) -> pa.Array:
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), field.type)
    text_for_enum = pa.types.is_dictionary(field.type) and pa.types.is_string(column.type)
    if column.type != field.type and not text_for_enum:
        raise CodecError(
            f"The upcaster to {name} made column {field.name} as {column.type}.",
            hint=f"The newer message has it as {field.type}.",
            type=name,
        )
    return column
