"""The program of the child process: dbt, for as long as somebody waits for it.

Run by its path, without eventreplay. Standard input is a pipe from the process that started it: when that
ends, by a kill -9 as well, the pipe ends. A dbt that nobody waits for would go on beside the run that takes
its place, both changing the same tables.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import sys
import threading

NOT_INSTALLED = 127
# What dbt has to cancel its queries and to close its connections.
CANCEL_S_MAX = 20.0


def main() -> None:
    """Run dbt's command line with this program's arguments."""
    if importlib.util.find_spec("dbt") is None:
        sys.exit(NOT_INSTALLED)
    # Whoever runs in the background of a shell has it ignored, and hands that on to his children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_watch, name="watch", daemon=True).start()
    sys.argv[0] = "dbt"
    importlib.import_module("dbt.cli.main").cli()


def _watch() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(CANCEL_S_MAX)
    os._exit(130)


if __name__ == "__main__":
    main()
