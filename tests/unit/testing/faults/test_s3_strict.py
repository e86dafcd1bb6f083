"""What the shim refuses that a lax stand-in accepts."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest

from eventreplay.testing.faults.s3_strict import complaint, operation_of

BODY = b"content"
NAMES = "host;x-amz-content-sha256;x-amz-date"


def headers(names: str = NAMES, **more: str) -> dict[str, str]:
    signed = f"Credential=key/20260131/us-east-1/s3/aws4_request, SignedHeaders={names}, Signature={'0' * 64}"
    return {
        "authorization": f"AWS4-HMAC-SHA256 {signed}",
        "x-amz-date": "20260131T000000Z",
        "x-amz-content-sha256": hashlib.sha256(BODY).hexdigest(),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


RIGHT = {
    "content_md5": b64(hashlib.md5(BODY, usedforsecurity=False).digest()),
    "x_amz_checksum_sha256": b64(hashlib.sha256(BODY).digest()),
    "x_amz_checksum_sha1": b64(hashlib.sha1(BODY, usedforsecurity=False).digest()),
    "x_amz_checksum_crc32": b64(zlib.crc32(BODY).to_bytes(4, "big")),
}


@pytest.mark.parametrize("name", RIGHT)
def test_checksums_are_compared(name: str) -> None:
    names = NAMES + ";" + name.replace("_", "-")
    right = headers(names, **{name: RIGHT[name]})
    assert complaint("PUT", "/bucket/key", right, BODY) is None
    wrong = headers(names, **{name: b64(b"0" * 16)})
    assert complaint("PUT", "/bucket/key", wrong, BODY) == (400, "BadDigest")


def test_the_body_is_the_signed_one() -> None:
    assert complaint("PUT", "/bucket/key", headers(), BODY) is None
    assert complaint("PUT", "/bucket/key", headers(), b"other") == (400, "XAmzContentSHA256Mismatch")


@pytest.mark.parametrize(
    "wrong", [{"authorization": ""}, {"authorization": "Basic a2V5"}, {"x-amz-meta-unsigned": "1"}]
)
def test_unsigned_is_refused(wrong: dict[str, str]) -> None:
    assert complaint("GET", "/bucket/key", headers() | wrong, BODY) == (403, "AccessDenied")


@pytest.mark.parametrize("path", ["/bucket/a/../b", "/bucket/%2e%2e/b", "/bucket/a/./b?x=1"])
def test_keys_that_climb_are_refused(path: str) -> None:
    assert complaint("PUT", path, headers(), BODY) == (400, "InvalidRequest")


@pytest.mark.parametrize(
    ("method", "target", "operation"),
    [
        ("PUT", "/b/k", ("PutObject", "k")),
        ("GET", "/b/k/%C3%A9", ("GetObject", "k/é")),
        ("DELETE", "/b/k", ("DeleteObject", "k")),
        ("GET", "/b?list-type=2&prefix=a%2F", ("ListObjectsV2", "a/")),
        ("POST", "/b/k?uploads", ("CreateMultipartUpload", "k")),
        ("PUT", "/b/k?uploadId=1&partNumber=1", ("UploadPart", "k")),
        ("POST", "/b/k?uploadId=1", ("CompleteMultipartUpload", "k")),
        ("DELETE", "/b/k?uploadId=1", ("AbortMultipartUpload", "k")),
    ],
)
def test_operations_have_their_names(method: str, target: str, operation: tuple[str, str]) -> None:
    assert operation_of(method, target) == operation
