"""The program of a run: an interpreter whose surroundings were changed before anything was imported.

Run by its path. The environment has PYTHONHASHSEED, TZ and LC_ALL, and in EVENTREPLAY_PROVE_AMBIENCE what a
process sets for itself. Worker processes import this file as well (under another name), so they have the
same surroundings. One line of JSON comes in; lines of JSON go out, on what was standard output: progress,
then what was done or the error. When standard input ends, nobody waits any more, and the process ends.
"""

from __future__ import annotations

import decimal
import json
import locale
import os
import signal
import sys
import threading
import time
from contextlib import suppress

AMBIENCE = "EVENTREPLAY_PROVE_AMBIENCE"
# What a run has to roll back and to end its workers.
END_S_MAX = 20.0


def become(wanted: dict[str, object]) -> None:
    """Take on the surroundings: locale of the process, and the decimal context of this and of new threads."""
    with suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, "")
    decimals = wanted["decimals"]
    traps = [getattr(decimal, name) for name in decimals["traps"]]  # type: ignore[index]
    # New threads take their context from DefaultContext, this one has its own.
    for context in (decimal.DefaultContext, decimal.getcontext()):
        context.prec = decimals["precision"]  # type: ignore[index]
        context.rounding = decimals["rounding"]  # type: ignore[index]
        for signal_ in context.traps:
            context.traps[signal_] = signal_ in traps


def effects() -> dict[str, object]:
    """What is in effect, as a new thread finds it; what was asked for may not be there on this machine."""
    found: dict[str, object] = {}

    def look() -> None:
        context = decimal.getcontext()
        traps = sorted(kind.__name__ for kind, on in context.traps.items() if on)
        found["decimals"] = [context.prec, context.rounding, *traps]
        found["zone"] = [*time.tzname, time.timezone, time.altzone]
        found["locale"] = [
            locale.setlocale(locale.LC_ALL),
            locale.localeconv()["decimal_point"],
            locale.getpreferredencoding(do_setlocale=False),
        ]
        found["hash_seed"] = hash("eventreplay")
        found["python"] = [sys.executable, sys.version]

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found


def main() -> None:
    """Read what is to be done, do it, and say what came of it."""
    # A codec that prints must not get between the lines; they keep the old output for themselves.
    said = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)

    def say(**facts: object) -> None:
        said.write(json.dumps(facts) + "\n")
        said.flush()

    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_watch, name="watch", daemon=True).start()
    # Whoever runs in the background of a shell has it ignored, and hands that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["path"] is not None:
        sys.path[:] = request["path"]
    from eventreplay.prove.working import work  # noqa: PLC0415 - not before the surroundings are changed

    say(**work(request, effects(), lambda done: say(progress=done)))


def _watch() -> None:
    while os.read(0, 4096):
        continue
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(END_S_MAX)
    os._exit(130)


if __name__ in {"__main__", "__mp_main__"} and AMBIENCE in os.environ:
    become(json.loads(os.environ[AMBIENCE]))

if __name__ == "__main__":
    main()
