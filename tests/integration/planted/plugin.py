"""Loaded into pytest by `test_planted`: says which package was tested, and stops at the first failing
example.
"""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import Phase, settings

# A planted bug has to be found, not explained: without shrinking, a red test ends at once.
settings.register_profile(
    "planted",
    derandomize=True,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
)


def pytest_sessionfinish() -> None:
    import eventreplay  # noqa: PLC0415 - what the tests have imported, not what this file would

    Path(os.environ["PLANTED_WITNESS"]).write_text(str(eventreplay.__file__), "utf-8")
