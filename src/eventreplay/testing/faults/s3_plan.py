"""Which request has which fault, and what became of each."""

from __future__ import annotations

import re
from typing import Literal

from attrs import define, frozen

Kind = Literal[
    "500",
    "503",
    "reset",
    "timeout",
    "lost",
    "409",
    "412",
    "403",
    "expired",
    "200-error",
    "damaged-request",
    "damaged-object",
    "damaged-reply",
    "cut-reply",
]
"""What a fault does. `lost`: it happens, the reply is cut. `200-error`: status 200 around an error.
`damaged-request`: a byte changes before the store checks it. `damaged-object`: after; what is kept is wrong.
`damaged-reply`, `cut-reply`: what is read is wrong, or ends early."""

KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]


@frozen
class Call:
    """One request, as it was answered.

    Attributes:
        number: from 1, over all requests.
        operation: as S3 names it: `PutObject`, `ListObjectsV2`, ...
        key: the object's, or empty.
        status: of the reply; 0 if there was none.
        fault: the kind that was done to it, or empty.
    """

    number: int
    operation: str
    key: str
    status: int
    fault: str


@define
class Fault:
    """One plan: what happens to which requests, and how often it has; see `S3Shim.fail`."""

    kind: Kind
    call: int | None
    operation: str | None
    key: re.Pattern[str]
    first: int
    times: int | None
    seen: int = 0
    fired: int = 0

    def due(self, number: int, operation: str, key: str) -> bool:
        """Whether it happens to this request; counts it if so."""
        if self.call is not None:
            if number < self.call or (self.times is not None and self.fired >= self.times):
                return False
        elif self.operation not in (None, operation):
            return False
        if not self.key.search(key):
            return False
        self.seen += 1
        if self.seen < self.first or (self.times is not None and self.seen >= self.first + self.times):
            return False
        self.fired += 1
        return True
