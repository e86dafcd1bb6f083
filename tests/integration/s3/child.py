"""A capture into a bucket, in a process of its own that a test kills: `child.py URL EVENTS WORKERS`."""

from __future__ import annotations

import sys

from eventreplay.log import Log
from tests.integration.s3.bucket import run


def main(url: str, events: str, workers: str) -> None:
    run(Log.open(url), events=int(events), segment_positions=2, workers=int(workers))


if __name__ == "__main__":
    main(*sys.argv[1:])
