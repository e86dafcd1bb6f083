"""The Snowflake driver asks the metadata services of three clouds where it runs, unless told not to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_platform_detection() -> Iterator[None]:
    """Tests leave this machine for nobody."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
        yield
