"""Only what may succeed is tried again, and only as a whole."""

from __future__ import annotations

import pytest

from eventreplay.errors import EventReplayError, FenceError, LogUnavailableError, SourceUnavailableError
from eventreplay.retrying import retried


class Script:
    """A run that raises these errors in turn, then returns."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.waits_s: list[float] = []
        self.told: list[tuple[str, int]] = []

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    def tell(self, error: EventReplayError, attempt: int) -> None:
        self.told.append((type(error).__name__, attempt))

    def run(self, attempts_max: int = 5) -> str:
        return retried(self, attempts_max=attempts_max, told=self.tell, sleep=self.waits_s.append)


def test_a_retryable_error_is_tried_again_and_told() -> None:
    script = Script(SourceUnavailableError("gone"), LogUnavailableError("gone"))
    assert script.run() == "done"
    assert script.calls == 3
    assert script.told == [("SourceUnavailableError", 1), ("LogUnavailableError", 2)]
    assert len(script.waits_s) == 2
    assert 0 < script.waits_s[0] < script.waits_s[1] <= 30


@pytest.mark.parametrize("error", [FenceError("taken"), ValueError("a defect")])
def test_a_final_error_is_raised_at_once(error: Exception) -> None:
    script = Script(error)
    with pytest.raises(type(error)):
        script.run()
    assert script.calls == 1
    assert script.waits_s == []


def test_the_last_error_comes_out_when_attempts_are_used_up() -> None:
    script = Script(*[SourceUnavailableError(f"gone {n}") for n in range(9)])
    with pytest.raises(SourceUnavailableError, match="gone 2"):
        script.run(attempts_max=3)
    assert script.calls == 3
