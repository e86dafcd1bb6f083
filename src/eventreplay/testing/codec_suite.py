"""What every codec must do: account for each row, by itself alone, the same everywhere."""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
import sys
from abc import ABC, abstractmethod
from random import Random
from typing import Any, ClassVar

import pyarrow as pa

from eventreplay.batch import EVENT_SCHEMA
from eventreplay.interfaces import Codec, Decoded
from eventreplay.testing.checks import check, check_equal
from eventreplay.testing.mutations import mutated

_CHILD = (
    "import base64, pickle, sys\n"
    "from eventreplay.testing.codec_suite import outcome\n"
    "codec, data = pickle.loads(base64.b64decode(sys.stdin.read()))\n"
    "print(base64.b64encode(pickle.dumps((codec.fingerprint, outcome(codec, data)))).decode())\n"
)
_ROWS_MIN = 5
Outcome = tuple[str, str, str]
"""One row's fate: ("row", payload_type, payload) or ("failed", error_code, error_message)."""


def outcome(codec: Codec, events: pa.RecordBatch) -> list[Outcome]:
    """The fate of each row in order, having checked that the codec accounts for all of them."""
    decoded = codec.decode(events)
    _check_shape(decoded, events.num_rows)
    fate: dict[int, Outcome] = {}
    columns = (decoded.rows.to_pylist(), decoded.payload_type.to_pylist(), decoded.payload.to_pylist())
    for at, kind, text in zip(*columns, strict=True):
        fate[at] = ("row", kind, text)
    columns = (decoded.failed.to_pylist(), decoded.error_code.to_pylist(), decoded.error_message.to_pylist())
    for at, code, message in zip(*columns, strict=True):
        check(at not in fate, f"Row {at} was both decoded and failed.")
        fate[at] = ("failed", code, message)
    check_equal(sorted(fate), list(range(events.num_rows)), "Rows accounted for")
    return [fate[at] for at in range(events.num_rows)]


def _check_shape(decoded: Decoded, rows: int) -> None:
    for name in ("rows", "failed"):
        index = getattr(decoded, name)
        check(index.type == pa.int32(), f"Decoded.{name} is int32.")
        values = index.to_pylist()
        check(values == sorted(set(values)), f"Decoded.{name} ascends strictly.")
        check(all(0 <= value < rows for value in values), f"Decoded.{name} points into the batch.")
    for name, index in (
        ("payload_type", "rows"),
        ("payload", "rows"),
        ("error_code", "failed"),
        ("error_message", "failed"),
    ):
        column = getattr(decoded, name)
        check(column.type == pa.string(), f"Decoded.{name} is string.")
        check(column.null_count == 0, f"Decoded.{name} has nulls.")
        check(len(column) == len(getattr(decoded, index)), f"Decoded.{name} is aligned with Decoded.{index}.")
        column.validate(full=True)


class CodecSuite(ABC):
    """Batch independence, accounting, determinism, hostile input.

    Attributes:
        failures_min: how many of your events are meant to fail; the suite insists on them.
        mutations: how many mutated payloads are tried.
    """

    failures_min: ClassVar[int] = 1
    mutations: ClassVar[int] = 300

    @abstractmethod
    def make_codec(self) -> Codec:
        """A new codec, the same each time."""

    @abstractmethod
    def make_events(self) -> pa.RecordBatch:
        """5 to 200 rows of `EVENT_SCHEMA`: good ones of each type, and some that must fail."""

    def test_accounts_for_every_row(self) -> None:
        fates = outcome(self.make_codec(), self._events())
        failed = sum(fate[0] == "failed" for fate in fates)
        check(failed >= self.failures_min, f"{failed} rows failed, {self.failures_min} were due.")
        check(failed < len(fates), "Every row failed; the suite needs good ones too.")

    def test_payloads_are_strict_json(self) -> None:
        for kind, payload_type, text in outcome(self.make_codec(), self._events()):
            if kind == "row":
                check(payload_type, "A decoded row has a payload type.")
                json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)

    def test_error_codes_are_words_and_messages_say_something(self) -> None:
        for kind, code, message in outcome(self.make_codec(), self._events()):
            if kind == "failed":
                check(
                    code.isascii() and code.replace("_", "").isalnum() and code == code.lower(),
                    f"{code!r}: snake_case",
                )
                check(message, f"{code} has no message.")

    def test_batch_size_has_no_influence(self) -> None:
        codec, events = self.make_codec(), self._events()
        expected = outcome(codec, events)
        for rows in (1, 2, 3, 7):
            parts = [events.slice(at, rows) for at in range(0, events.num_rows, rows)]
            check_equal(
                [fate for part in parts for fate in outcome(codec, part)], expected, f"Batches of {rows}"
            )

    def test_neighbours_have_no_influence(self) -> None:
        codec, events = self.make_codec(), self._events()
        expected = outcome(codec, events)
        order = list(range(events.num_rows))
        Random(7).shuffle(order)  # noqa: S311 - reproducible, not secret
        found = outcome(codec, events.take(pa.array(order)))
        check_equal(found, [expected[at] for at in order], "Rows in another order")
        doubled = outcome(codec, events.take(pa.array([at for at in order for _ in range(2)])))
        check_equal(doubled, [expected[at] for at in order for _ in range(2)], "Rows given twice")

    def test_empty_batch(self) -> None:
        check_equal(outcome(self.make_codec(), self._events().slice(0, 0)), [], "An empty batch")

    def test_decoding_again_is_equal(self) -> None:
        codec, events = self.make_codec(), self._events()
        check_equal(outcome(codec, events), outcome(codec, events), "The same batch again")
        check_equal(
            outcome(self.make_codec(), events), outcome(codec, events), "The same batch by a new codec"
        )

    def test_fingerprint_is_stable_and_codec_pickles(self) -> None:
        codec = self.make_codec()
        check(
            codec.fingerprint and codec.fingerprint == self.make_codec().fingerprint,
            "The fingerprint is stable.",
        )
        again = pickle.loads(pickle.dumps(codec))  # noqa: S301 - our own bytes
        check_equal(again.fingerprint, codec.fingerprint, "The fingerprint of a pickled codec")
        check_equal(
            outcome(again, self._events()), outcome(codec, self._events()), "Output of a pickled codec"
        )

    def test_other_processes_and_environments_agree(self) -> None:
        codec, events = self.make_codec(), self._events()
        expected = (codec.fingerprint, outcome(codec, events))
        given = base64.b64encode(pickle.dumps((codec, events))).decode()
        for environment in (
            {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
            {"PYTHONHASHSEED": "4242", "TZ": "America/St_Johns", "LC_ALL": "C.UTF-8"},
        ):
            child = subprocess.run(  # noqa: S603 - our own interpreter and text
                [sys.executable, "-c", _CHILD],
                input=given,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
                env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            check(child.returncode == 0, f"The codec failed in another process: {child.stderr[-500:]}")
            found = pickle.loads(base64.b64decode(child.stdout))  # noqa: S301 - our own bytes
            check_equal(found, expected, f"Fingerprint and output under {environment}")

    def test_mutated_payloads_never_raise_and_never_touch_neighbours(self) -> None:
        codec, events = self.make_codec(), self._events()
        expected = outcome(codec, events)
        random = Random(11)  # noqa: S311 - reproducible, not secret
        payloads = [value for value in events.column("payload").to_pylist() if value is not None]
        for _ in range(max(1, self.mutations // events.num_rows)):
            hostile = [mutated(payloads[at % len(payloads)], random) for at in range(events.num_rows)]
            mixed = _with_payloads(events, hostile)
            both = pa.Table.from_batches([events, mixed]).combine_chunks().to_batches()[0]
            order = [at + half * events.num_rows for at in range(events.num_rows) for half in (0, 1)]
            fates = outcome(codec, both.take(pa.array(order)))
            check_equal(fates[0::2], expected, "Good rows beside mutated ones")

    def test_messages_show_no_payload(self) -> None:
        canary, codec, events = b"CANARY-7c1f", self.make_codec(), self._events()
        given = [value or b"" for value in events.column("payload").to_pylist()]
        for payloads in (
            [canary + value for value in given],
            [value + canary for value in given],
            [value[: len(value) // 2] + canary + value[len(value) // 2 :] for value in given],
            [canary] * len(given),
        ):
            for kind, _, message in outcome(codec, _with_payloads(events, payloads)):
                check(kind == "row" or "CANARY" not in message, "An error message shows the payload.")

    def _events(self) -> pa.RecordBatch:
        events = self.make_events()
        check(events.schema.equals(EVENT_SCHEMA), "make_events() returns EVENT_SCHEMA.")
        check(events.num_rows >= _ROWS_MIN, f"The suite needs at least {_ROWS_MIN} rows.")
        return events


def _with_payloads(events: pa.RecordBatch, payloads: list[bytes]) -> pa.RecordBatch:
    at = events.schema.get_field_index("payload")
    return events.set_column(at, EVENT_SCHEMA.field("payload"), pa.array(payloads, pa.binary()))


def _refuse(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    check(len(made) == len(pairs), "A key stands twice in a JSON object.")
    return made
