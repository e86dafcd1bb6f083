"""What S3 refuses and most stand-ins accept: unsigned requests, wrong checksums, keys that climb."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from urllib.parse import unquote

_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/,]+/[0-9]{8}/[a-z0-9-]+/s3/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[a-z0-9;-]+), ?Signature=[0-9a-f]{64}"
)
_SIGNED_ALWAYS = {"host", "x-amz-content-sha256", "x-amz-date"}

_DIGESTS: Mapping[str, Callable[[bytes], bytes]] = {
    "content-md5": lambda body: hashlib.md5(body, usedforsecurity=False).digest(),
    "x-amz-checksum-sha256": lambda body: hashlib.sha256(body).digest(),
    "x-amz-checksum-sha1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "x-amz-checksum-crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
}


def complaint(method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str] | None:
    """Status and code with which S3 refuses a request; None if it may pass.

    Args:
        method: of HTTP.
        target: path and query, as sent.
        headers: names in lower case.
        body: all of it.
    """
    found = _SIGNED.fullmatch(headers.get("authorization", ""))
    if found is None:
        return 403, "AccessDenied"
    signed = set(found["headers"].split(";"))
    said = {name for name in headers if name.startswith("x-amz-")}
    if not _SIGNED_ALWAYS | said <= signed:
        return 403, "AccessDenied"
    if any(part in (".", "..") for part in unquote(target.partition("?")[0]).split("/")):
        return 400, "InvalidRequest"
    digest = headers.get("x-amz-content-sha256", "")
    if digest != "UNSIGNED-PAYLOAD" and digest != hashlib.sha256(body).hexdigest():
        return 400, "XAmzContentSHA256Mismatch"
    for name, of in _DIGESTS.items():
        # On a GET the store says what its checksums are; nothing is checked.
        if method in ("PUT", "POST") and headers.get(name, "") not in (
            "",
            base64.b64encode(of(body)).decode(),
        ):
            return 400, "BadDigest"
    return None
