"""A process that imports the stand-in leaves no folder behind, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def test_importing_the_stand_in_leaves_nothing_in_the_temporary_folder(tmp_path: Path) -> None:
    code = (
        "import os, eventreplay.testing.standin.statements, fakesnow.transforms.stage;"
        f" os.kill(os.getpid(), {int(signal.SIGKILL)})"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False, timeout=60
    )
    assert ended.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []
