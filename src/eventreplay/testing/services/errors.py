"""What goes wrong with servers for tests: loudly, with what was tried and what to install."""

from __future__ import annotations

from eventreplay.errors import EventReplayError


class ServiceError(EventReplayError):
    """A server for tests did not start, did not answer, or cannot do what was asked of it."""


class ServiceMissingError(ServiceError):
    """A server can be had in none of the ways that were tried. Fields: `service`, `tried` (texts)."""


class ServiceNotReadyError(ServiceError):
    """A server was started and ended, or did not answer in time. Fields: `service`, `status`."""


class NotOursError(ServiceError):
    """A server named by an override was started by somebody else: it is not ours to end or to stop."""


def missing(service: str, tried: list[str], install: str) -> ServiceMissingError:
    """The error for a service that cannot be had, with every way that was tried."""
    ways = " ".join(f"({number}) {each}" for number, each in enumerate(tried, 1))
    return ServiceMissingError(
        f"{service} cannot be started here. Tried: {ways}", hint=install, service=service, tried=tuple(tried)
    )
