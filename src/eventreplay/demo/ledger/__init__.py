"""The ledger of truth of the demo: what must come out, found without the library that is on trial."""

from __future__ import annotations

from eventreplay.demo.ledger.compare import Difference, compare
from eventreplay.demo.ledger.write import write_ledger

__all__ = ["Difference", "compare", "write_ledger"]
