"""The demo: a sports-card company's history, made from a seed."""

from __future__ import annotations

from eventreplay.demo.generator.source import GeneratedSource

__all__ = ["GeneratedSource"]
