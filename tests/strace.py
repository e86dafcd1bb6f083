"""strace for tests; see `eventreplay.testing.services.tracing`."""

from __future__ import annotations

from eventreplay.testing.services.tracing import StraceMissingError, attached
from eventreplay.testing.services.tracing import provide_strace as provide

__all__ = ["StraceMissingError", "attached", "provide"]
