"""S3Storage against a store, behind the strict shim, does what every storage of a log must do."""

from __future__ import annotations

from typing import ClassVar

import pytest

from eventreplay.log import Storage
from eventreplay.testing import StorageSuite
from tests.integration.s3.bucket import Bucket


class TestS3Storage(StorageSuite):
    keys_many: ClassVar[int] = 101

    @pytest.fixture(autouse=True)
    def _bucket(self, bucket: Bucket) -> None:
        self.bucket = bucket
        bucket.shim.page_keys_max = 40  # pages of 1,000, as the store has them, take their time to fill
        self.at = bucket.prefix()

    def open_storage(self) -> Storage:
        return self.bucket.patient(self.at)
