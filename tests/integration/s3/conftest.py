"""A bucket behind the strict shim, and handles on it that do not wait between two attempts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eventreplay.log.s3.client import S3Client
from eventreplay.testing.faults.s3 import S3Shim
from eventreplay.testing.services import S3Server
from tests.integration.s3.bucket import Bucket


@pytest.fixture(scope="session")
def shim(s3_server: S3Server) -> Iterator[S3Shim]:
    with S3Shim(s3_server.endpoint) as shim:
        yield shim


@pytest.fixture(scope="session")
def s3_clients() -> Iterator[dict[str, S3Client]]:
    clients: dict[str, S3Client] = {}
    yield clients
    for client in clients.values():
        client.close()


@pytest.fixture
def bucket(
    shim: S3Shim, s3_server: S3Server, s3_bucket: str, s3_clients: dict[str, S3Client]
) -> Iterator[Bucket]:
    shim.reset()
    shim.delay_s = 0
    shim.page_keys_max = None
    yield Bucket(shim, s3_bucket, s3_server.endpoint, s3_clients)
    shim.reset()
