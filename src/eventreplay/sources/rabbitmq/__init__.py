"""Queues of RabbitMQ: classic, quorum and stream. The class loads the driver, the settings do not."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from eventreplay.sources.rabbitmq.settings import RabbitSettings

if TYPE_CHECKING:
    from eventreplay.sources.rabbitmq.source import RabbitSource

__all__ = ["RabbitSettings", "RabbitSource"]


def __getattr__(name: str) -> object:
    if name == "RabbitSource":
        return import_module("eventreplay.sources.rabbitmq.source").RabbitSource
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
