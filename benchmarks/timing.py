"""Timing of a callable: best of several runs, because noise on a shared machine only ever adds."""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable


def best_s(work: Callable[[], object], repeats: int = 3) -> float:
    """Seconds of the fastest of `repeats` runs; garbage of one run is not paid by the next."""
    fastest = float("inf")
    for _ in range(repeats):
        gc.collect()
        begun = time.perf_counter()
        work()
        fastest = min(fastest, time.perf_counter() - begun)
    return fastest


def peak_mb() -> float:
    """Peak resident memory of this process and of its finished children, whichever is larger, in MB."""
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return max(own, children) / unit
