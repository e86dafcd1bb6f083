"""Card lists that somebody already has, as a source of events."""

from __future__ import annotations

from eventreplay.demo.cardlists.source import CardListSource

__all__ = ["CardListSource"]
