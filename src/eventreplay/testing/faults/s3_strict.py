"""What S3 refuses and most stand-ins accept: unsigned requests, wrong checksums, keys that climb.

And what a request asks, by S3's own name for it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, unquote, urlsplit

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


def operation_of(method: str, target: str) -> tuple[str, str]:
    """S3's name of what a request in path style asks for, and the key."""
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    _, _, key = unquote(parts.path).lstrip("/").partition("/")
    if key and "uploadId" in query:
        names = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
        return names.get(method, "ListParts"), key
    if key and method == "POST" and "uploads" in query:
        return "CreateMultipartUpload", key
    if key:
        return method.capitalize() + "Object", key
    if method == "GET" and "list-type" in query:
        return "ListObjectsV2", query.get("prefix", [""])[0]
    return f"{method} {next(iter(query), 'bucket')}", ""
