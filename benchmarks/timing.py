"""Timing of a callable: best of several runs, because noise on a shared machine only ever adds."""

from __future__ import annotations

import gc
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
