"""A second broker, for the tests that the first one is not for: it may be killed, and speaks TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eventreplay.testing.services import RabbitServer


@pytest.fixture(scope="session")
def own_server() -> Iterator[RabbitServer]:
    """May be killed and restarted; lets nothing stay unsettled for more than 3 s; listens with TLS too."""
    with RabbitServer.start(config="consumer_timeout = 3000\n", tls=True) as server:
        yield server
