"""Saves a number in a folder, with care or without: what a kill sweep is tried on."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    how, folder = sys.argv[1], Path(sys.argv[2])
    target = folder / "number"
    written = target if how == "carelessly" else folder / "number.new"
    handle = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for digit in b"123":
        os.write(handle, bytes([digit]))
    os.fsync(handle)
    os.close(handle)
    if how == "carefully":
        written.rename(target)


if __name__ == "__main__":
    main()
