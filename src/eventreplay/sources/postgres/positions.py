"""Positions and ranges of them as settings and messages write them: `17`, `19-21`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from eventreplay.errors import ConfigError

_RANGE = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")


def parse_positions(texts: Iterable[str]) -> list[tuple[int, int]]:
    """Ranges, both ends inclusive, ascending and apart.

    Raises:
        ConfigError: a text is no position and no range, or ranges overlap.
    """
    ranges: list[tuple[int, int]] = []
    for text in texts:
        found = _RANGE.fullmatch(text.strip())
        if found is None or int(found[2] or found[1]) < int(found[1]):
            raise ConfigError(
                f"Not a position or a range of them: {text[:40]!r}.",
                hint="Write 17 or 19-21.",
                setting="positions",
            )
        ranges.append((int(found[1]), int(found[2] or found[1])))
    ranges.sort()
    if any(before[1] >= after[0] for before, after in pairwise(ranges)):
        raise ConfigError(
            "positions names a position twice.", hint="Leave one of them away.", setting="positions"
        )
    return ranges
