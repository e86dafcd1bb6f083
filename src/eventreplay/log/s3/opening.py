"""From `s3://bucket/prefix` to a storage."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from eventreplay.errors import ConfigError, LogError
from eventreplay.log import layout
from eventreplay.log.s3.client import S3Client
from eventreplay.log.s3.patience import Patience
from eventreplay.log.s3.settings import S3Settings
from eventreplay.log.s3.storage import S3Storage

PREFIX_BYTES_MAX = 700
"""S3 allows keys of 1024 bytes; the longest that a log makes below its prefix has 200."""

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}")


def s3_place(url: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix`; the prefix may be empty.

    Raises:
        ConfigError: it is no such URL, or leaves its bucket.
    """
    parts = urlsplit(url)
    prefix = parts.path.strip("/")
    if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc) or parts.query or parts.fragment:
        raise ConfigError(
            "That is no URL of a bucket.", hint="Give s3://bucket/prefix; credentials do not belong into it."
        )
    try:
        if prefix:
            layout.check_key(prefix)
        fits = len(prefix.encode("utf-8")) <= PREFIX_BYTES_MAX and prefix.isprintable()
    except (LogError, UnicodeEncodeError):
        fits = False
    if not fits:
        raise ConfigError(
            "The prefix of the log's URL cannot be used.",
            hint=f"Give names between single '/', none '.' or '..', {PREFIX_BYTES_MAX} bytes at most.",
        )
    return parts.netloc, prefix


def open_s3(
    url: str, settings: S3Settings | None = None, *, sleep: Callable[[float], None] = time.sleep
) -> S3Storage:
    """The storage at `s3://bucket/prefix`; nothing is asked of it yet.

    Raises:
        ConfigError: the URL is malformed, or boto3 is missing or finds no credentials.
    """
    bucket, prefix = s3_place(url)
    settings = settings or S3Settings()
    client = S3Client(bucket, settings)
    return S3Storage(client, prefix, settings, Patience(settings=settings, label=url, sleep=sleep))
