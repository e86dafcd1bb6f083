"""A log on S3 and on what speaks its protocol. Loading this needs no driver; opening a log does."""

from __future__ import annotations

from eventreplay.log.s3.check import check_s3
from eventreplay.log.s3.opening import open_s3, s3_place
from eventreplay.log.s3.settings import S3Settings
from eventreplay.log.s3.storage import S3Storage

__all__ = ["S3Settings", "S3Storage", "check_s3", "open_s3", "s3_place"]
