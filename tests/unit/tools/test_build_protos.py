"""What is committed under demo/schemas is what proto/ says, byte for byte."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tools.build_protos import DESCRIPTORS, build


def test_the_committed_descriptors_are_those_of_the_proto_files() -> None:
    assert DESCRIPTORS.read_bytes() == build(), "Run: make proto"


def test_the_set_is_complete_and_has_no_comments() -> None:
    files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file
    names = [file.name for file in files]
    for at, file in enumerate(files):
        assert set(file.dependency) <= set(names[:at]), f"{file.name} stands behind what it imports"
        assert not file.HasField("source_code_info")
    assert {"eventreplay/v1/options.proto", "sportscards/orders/v1/orders.proto"} < set(names)


def test_a_changed_proto_file_changes_the_bytes(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "proto", tmp_path / "proto")
    changed = tmp_path / "proto/sportscards/orders/v2/orders.proto"
    text = changed.read_text("utf-8")
    changed.write_text(text.replace("customer_name = 3", "customer_title = 3"), "utf-8")
    assert text != changed.read_text("utf-8")
    assert build(tmp_path) != DESCRIPTORS.read_bytes()


def test_a_comment_does_not(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "proto", tmp_path / "proto")
    with (tmp_path / "proto/sportscards/orders/v2/orders.proto").open("a", encoding="utf-8") as stream:
        stream.write("\n// Nothing new.\n")
    assert build(tmp_path) == DESCRIPTORS.read_bytes()


def test_a_broken_proto_file_ends_the_build(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "proto", tmp_path / "proto")
    (tmp_path / "proto/sportscards/broken.proto").write_text('syntax = "proto3"; message {', "utf-8")
    with pytest.raises(SystemExit):
        build(tmp_path)


def test_check_writes_nothing_and_agrees(root: Path) -> None:
    before = DESCRIPTORS.stat().st_mtime_ns
    done = subprocess.run(
        [sys.executable, str(root / "tools/build_protos.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("unchanged\n")
    assert DESCRIPTORS.stat().st_mtime_ns == before
