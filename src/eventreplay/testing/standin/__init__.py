"""A stand-in for Snowflake: fakesnow's SQL translation behind the real connector, with its gaps closed.

`python -m eventreplay.testing.standin` starts it as a server of its own on 127.0.0.1. Where fakesnow is
laxer than Snowflake or wrong, this package repairs it or refuses with Snowflake's error codes;
docs/guides/snowflake-standin.md lists each point.
"""

from __future__ import annotations

import tempfile
from pathlib import Path


def _import_fakesnow() -> None:
    """Import fakesnow without the folder that it makes as it is imported, and that nobody removes.

    It is for stages of fakesnow's own; ours are below the data folder. Whoever imports a part of this package
    comes by here first, so a process that is killed at any time has left none behind.
    """
    make = tempfile.mkdtemp
    unused = str(Path(tempfile.gettempdir()) / "fakesnow_bucket_unused")  # a name that nobody writes to
    tempfile.mkdtemp = lambda *_args, **_how: unused  # type: ignore[assignment]
    try:
        import fakesnow.transforms.stage  # noqa: F401, PLC0415 - see above
    finally:
        tempfile.mkdtemp = make


_import_fakesnow()
