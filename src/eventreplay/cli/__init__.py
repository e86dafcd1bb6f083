"""The command line: `eventreplay ...`. Assembles, runs and prints; it has no logic of its own.

Commands (`commands_*.py`) hold names, options and help; their work stands in `jobs/`, which is imported
only when a command runs, so that `--help` loads neither Arrow nor a driver.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from eventreplay.cli.app import app
from eventreplay.cli.failures import explain, is_debug
from eventreplay.cli.stopping import StoppedEarly

INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; what comes back is the exit code.

    0 done; 1 failed; 2 wrong usage or settings; 3 the log is damaged, or an event came late; 4 another
    writer was first; 130 stopped by Ctrl-C; 143 by SIGTERM. With EVENTREPLAY_DEBUG=1 an error is raised
    with its traceback.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # Names in events may hold anything; a narrow terminal encoding must not end a run.
            reconfigure(errors="backslashreplace")
    try:
        code = app(args=arguments, prog_name="eventreplay", standalone_mode=False)
    except Exception as error:
        if is_debug():
            raise
        return explain(error, as_json="--json" in arguments)
    if code == INTERRUPTED and not isinstance(code, StoppedEarly):
        explain(KeyboardInterrupt(), as_json="--json" in arguments)
    return code if isinstance(code, int) else 0
