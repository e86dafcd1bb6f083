"""The fingerprint of each type: it changes with all that decides about that type, and with nothing else."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
from attrs import evolve
from google.protobuf import descriptor_pb2

from eventreplay.codecs import json, protobuf
from eventreplay.codecs.limits import Limits
from eventreplay.codecs.router import Router, codec_for
from eventreplay.codecs.schema import Columns, SchemaSet, Upcaster
from eventreplay.demo.schemas import load
from eventreplay.interfaces import SupportsTypes

V1, V2 = "sportscards.orders.v1.OrderPlaced", "sportscards.orders.v2.OrderPlaced"
BASE = load()


def changed(after: SchemaSet) -> set[str]:
    """Types whose fingerprints differ; one that is new counts."""
    first, second = codec_for(BASE).type_fingerprints(), codec_for(after).type_fingerprints()
    return {name for name in {*first, *second} if first.get(name) != second.get(name)}


def edited(edit: Callable[[descriptor_pb2.FileDescriptorSet], None]) -> SchemaSet:
    files = descriptor_pb2.FileDescriptorSet.FromString(BASE.descriptor_set)
    edit(files)
    return evolve(BASE, descriptor_set=files.SerializeToString())


def _message(files: descriptor_pb2.FileDescriptorSet, name: str) -> descriptor_pb2.DescriptorProto:
    for file in files.file:
        for message in file.message_type:
            if f"{file.package}.{message.name}" == name:
                return message
    raise AssertionError(name)


def _rename(name: str, field: int) -> Callable[[descriptor_pb2.FileDescriptorSet], None]:
    def edit(files: descriptor_pb2.FileDescriptorSet) -> None:
        _message(files, name).field[field].name += "_x"
        _message(files, name).field[field].json_name += "X"

    return edit


def test_the_codec_says_them_and_pickling_keeps_them() -> None:
    codec = codec_for(BASE)
    assert isinstance(codec, SupportsTypes)
    found = codec.type_fingerprints()
    assert {V1, V2, "*"} <= set(found)
    assert not any(name.startswith("google.") for name in found)
    assert len(set(found.values())) == len(found)
    again: Router = pickle.loads(pickle.dumps(codec))  # noqa: S301
    assert again.type_fingerprints() == found == codec_for(load()).type_fingerprints()


def test_a_field_counts_for_the_types_that_reach_it() -> None:
    assert changed(edited(_rename("sportscards.orders.v1.OrderPaid", 0))) == {
        "sportscards.orders.v1.OrderPaid"
    }
    lines = changed(edited(_rename("sportscards.orders.v1.OrderLine", 0)))
    assert {"sportscards.orders.v1.OrderLine", V1} <= lines
    assert "sportscards.orders.v1.OrderPaid" not in lines
    assert "*" not in lines


def test_a_message_that_an_upcaster_leads_to_counts_for_the_older_one() -> None:
    assert changed(edited(_rename(V2, 0))) == {V1, V2}


def test_an_upcaster_counts_for_the_type_that_it_leads_away_from() -> None:
    (step,) = BASE.upcasters
    assert changed(evolve(BASE, upcasters=(evolve(step, version=2),))) == {V1}
    other = evolve(step, convert=Columns(rename={"a": "b"}))
    assert changed(evolve(BASE, upcasters=(other,))) == {V1}
    assert changed(evolve(BASE, upcasters=())) == {V1}
    paid = Upcaster(from_type="sportscards.orders.v1.OrderPaid", to_type=V2, version=1, convert=Columns())
    assert changed(evolve(BASE, upcasters=(step, paid))) == {"sportscards.orders.v1.OrderPaid"}


def test_declared_digits_count_for_the_types_that_reach_the_field() -> None:
    paid = "sportscards.orders.v1.OrderPaid"
    assert changed(evolve(BASE, decimals={f"{paid}.amount": (20, 2)})) == {paid}
    assert changed(evolve(BASE, decimals={"other.Message.amount": (20, 2)})) == set()


def test_a_new_message_and_a_comment_change_no_other_type() -> None:
    def add(files: descriptor_pb2.FileDescriptorSet) -> None:
        files.file[-1].message_type.add(name="Brandnew")

    after = edited(add)
    (name,) = changed(after)
    assert name.endswith(".Brandnew")

    def comment(files: descriptor_pb2.FileDescriptorSet) -> None:
        files.file[0].source_code_info.location.add().leading_comments = "x"

    assert changed(edited(comment)) == set()
    assert codec_for(edited(comment)).fingerprint != codec_for(BASE).fingerprint


@pytest.mark.parametrize("module", [protobuf, json])
def test_limits_and_versions_of_the_code_count_for_all(
    module: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = codec_for(BASE).type_fingerprints()
    limited = codec_for(BASE, Limits(elements_max=7)).type_fingerprints()
    assert all(first[name] != limited[name] for name in first)
    monkeypatch.setattr(module, "CODE_VERSION", 99)
    again = codec_for(BASE).type_fingerprints()
    assert all(first[name] != again[name] for name in first)
