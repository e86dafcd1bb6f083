"""Runs one command and prints what it cost, as JSON: `python -I -S meter.py COMMAND...`.

A program of its own, and thin on purpose: Linux charges a started process with the peak memory of the one
that started it, so whoever measures memory must not have pyarrow loaded. It therefore imports the standard
library only, and nothing of this project.
"""

import json
import os
import subprocess
import sys
import time

KIB_PER_MB = 1024.0


def main() -> int:
    """Run, wait, print; the command's own output goes through a pipe and is handed on in the report."""
    begun = time.perf_counter()
    with subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
        output = b"" if child.stdout is None else child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
    unit = KIB_PER_MB * KIB_PER_MB if sys.platform == "darwin" else KIB_PER_MB
    report = {
        "exit": child.returncode,
        "wall_s": wall_s,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / unit,
        "output": output.decode("utf-8", "replace")[-100_000:],
    }
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
