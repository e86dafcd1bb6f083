"""S3Storage against a store, behind the strict shim, does what every storage of a log must do."""

from __future__ import annotations

from typing import ClassVar

import pytest

from eventreplay.log import Storage
from eventreplay.testing import StorageSuite
from tests.integration.s3.bucket import Bucket


class TestS3Storage(StorageSuite):
    keys_many: ClassVar[int] = 1_010  # a page has 1,000

    @pytest.fixture(autouse=True)
    def _bucket(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.at = bucket.prefix()

    def open_storage(self) -> Storage:
        return self.bucket.patient(self.at)
