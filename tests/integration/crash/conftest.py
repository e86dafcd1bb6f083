from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from tests.integration.crash.harness import Left, Trace, Tracer, Zygote, fresh
from tests.strace import provide


@frozen
class Stage:
    """What every crash test needs: children, a tracer, a folder, and what an undisturbed run does and
    leaves.
    """

    zygote: Zygote
    tracer: Tracer
    scratch: Path
    trace: Trace
    left: Left


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    strace = provide()
    scratch = tmp_path_factory.mktemp("crash")
    with Zygote(scratch) as zygote:
        tracer = Tracer(strace, zygote, scratch)
        with fresh(scratch) as folder:
            zygote.run(folder).see_done()
            left = Left.of(folder)
        with fresh(scratch) as folder:
            ended, trace = tracer.run(folder)
            ended.see_done()
            assert Left.of(folder) == left, "Two undisturbed runs differ."
        yield Stage(zygote, tracer, scratch, trace, left)
