"""Compiles proto/sportscards and what it imports into the descriptor set that the package ships.

The bytes depend on the .proto files and on protoc, whose version is locked: the same everywhere. Run it by
`make proto` after a change to a .proto file; a test compares what is committed with what this makes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import google.type
import grpc_tools

ROOT = Path(__file__).resolve().parents[1]
DESCRIPTORS = ROOT / "src/eventreplay/demo/schemas/sportscards.binpb"


def build(root: Path = ROOT) -> bytes:
    """The descriptor set of proto/sportscards under `root`, imports included, without comments.

    Raises:
        SystemExit: protoc refused a file; it has said which one and why.
    """
    proto = root / "proto"
    # Sorted: the order of the command line is the order of the files in the set.
    names = sorted(path.relative_to(proto).as_posix() for path in (proto / "sportscards").rglob("*.proto"))
    common = Path(next(iter(google.type.__path__))).parents[1]
    imports = [proto, common, Path(grpc_tools.__file__).parent / "_proto"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set.binpb"
        command = [sys.executable, "-m", "grpc_tools.protoc", *(f"-I{path}" for path in imports)]
        command += ["--include_imports", f"--descriptor_set_out={out}", *names]
        done = subprocess.run(command, check=False)
        if done.returncode:
            raise SystemExit(done.returncode)
        return out.read_bytes()


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the descriptor set, or with --check compare it with the one that is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file would change")
    checking = parser.parse_args(arguments).check
    made = build()
    same = DESCRIPTORS.is_file() and DESCRIPTORS.read_bytes() == made
    name = DESCRIPTORS.relative_to(ROOT)
    if checking and not same:
        raise SystemExit(f"{name} is not what proto/ says. Run: make proto")
    if not same:
        DESCRIPTORS.parent.mkdir(parents=True, exist_ok=True)
        DESCRIPTORS.write_bytes(made)
    print(f"{name}: {len(made):,} bytes, {'unchanged' if same else 'written'}")


if __name__ == "__main__":
    main()
