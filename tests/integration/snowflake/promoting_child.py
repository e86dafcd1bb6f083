"""Begins, promotes, rolls back or drops, and is killed before or after its k-th statement by SIGKILL.

    python -m tests.integration.snowflake.promoting_child LOG < settings.json

Each further line of standard input is `VERB K before|after`; how it ended goes to standard output.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from eventreplay.secret import Secret
from eventreplay.sinks.snowflake import SnowflakeSettings
from tests.integration.snowflake import promoting
from tests.integration.snowflake.killed_child import deadly


def main() -> None:
    given = json.loads(sys.stdin.readline())
    settings = SnowflakeSettings(**{**given, "password": Secret(given["password"])})
    verbs = {
        "begin": lambda: promoting.begin(settings, Path(sys.argv[1])),
        "promote": lambda: promoting.promote(settings),
        "rollback": lambda: promoting.rollback(settings),
        "drop": lambda: promoting.drop(settings),
    }
    for line in sys.stdin:
        verb, k, when = line.split()
        child = os.fork()
        if child == 0:
            deadly(int(k), when)
            verbs[verb]()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{-os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
