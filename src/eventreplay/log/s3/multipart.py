"""A large segment in parts: they travel at once, and only a lost one is sent again.

Nothing is visible before the last request. It carries `If-None-Match: *`; where a store ignores that (Ceph
before 20), it may put a segment over the very same bytes, since its name is its content's. See
docs/decisions/018.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from eventreplay.errors import LogError
from eventreplay.log.s3.client import S3Client, StoreError
from eventreplay.log.s3.patience import Patience

PARTS_AT_ONCE_MAX = 4
"""Parts of one object under way; each holds a copy of its bytes."""

RESTARTS_MAX = 3
"""An upload that the store forgot (409, NoSuchUpload) is begun anew so many times."""

_PRECONDITION_FAILED = 412


class _ForgottenError(Exception):
    """The upload is gone, or in conflict with another one: begin it anew."""


def put_in_parts(
    client: S3Client,
    patience: Patience,
    key: str,
    content: bytes,
    *,
    part_bytes: int,
    parameters: Mapping[str, Any],
) -> bool:
    """Create an object whose name is made of its content. False if it exists by now.

    Args:
        client: the bucket.
        patience: how failures are met.
        key: for messages.
        content: all of it.
        part_bytes: size of each part but the last.
        parameters: of the object: its `Key`, metadata, encryption.

    Raises:
        LogUnavailableError: as `Patience.run`; what was uploaded is given up.
        LogError: the same.
    """
    for _ in range(RESTARTS_MAX):
        try:
            return _put_once(client, patience, key, content, part_bytes, parameters)
        except _ForgottenError:
            continue
    return patience.give_up("complete_multipart_upload", key, StoreError(404, "NoSuchUpload"), RESTARTS_MAX)


def _put_once(
    client: S3Client,
    patience: Patience,
    key: str,
    content: bytes,
    part_bytes: int,
    parameters: Mapping[str, Any],
) -> bool:
    # Sent again, it may begin two uploads: the other one is swept by the bucket's lifecycle rule.
    begun = patience.run(
        client,
        "create_multipart_upload",
        key,
        lambda: client.call("create_multipart_upload", ChecksumAlgorithm="SHA256", **parameters),
    )
    place = {"Key": parameters["Key"], "UploadId": begun["UploadId"]}

    def put_part(number: int) -> dict[str, Any]:
        body = content[(number - 1) * part_bytes : number * part_bytes]
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()

        def attempt() -> dict[str, Any]:
            try:
                reply = client.call(
                    "upload_part", PartNumber=number, Body=body, ChecksumSHA256=digest, **place
                )
            except StoreError as error:
                _see_forgotten(error)
                raise
            if reply.get("ChecksumSHA256") != digest and reply["ETag"].strip('"') != etag:
                raise StoreError(0, "DamagedObject")
            part = {"PartNumber": number, "ETag": reply["ETag"]}
            return part | ({"ChecksumSHA256": digest} if reply.get("ChecksumSHA256") else {})

        found: dict[str, Any] = patience.run(client, "upload_part", key, attempt)
        return found

    try:
        count = -(-len(content) // part_bytes)
        with ThreadPoolExecutor(PARTS_AT_ONCE_MAX, thread_name_prefix="eventreplay-part") as threads:
            parts = list(threads.map(put_part, range(1, count + 1)))
        return _complete(client, patience, key, {"Parts": parts}, place)
    except BaseException:
        # Ctrl-C too: parts of an upload that is never completed stay in the bucket, unseen and paid for.
        _abort(client, patience, key, place)
        raise


def _complete(
    client: S3Client, patience: Patience, key: str, parts: dict[str, Any], place: Mapping[str, str]
) -> bool:
    unknown = False

    def attempt() -> bool:
        nonlocal unknown
        try:
            client.call("complete_multipart_upload", MultipartUpload=parts, IfNoneMatch="*", **place)
        except StoreError as error:
            if error.status == _PRECONDITION_FAILED:
                return False
            if unknown and error.code == "NoSuchUpload":
                # Gone because it is done: the caller compares what stands there.
                return False
            _see_forgotten(error)
            unknown = unknown or error.unknown
            raise
        return True

    done: bool = patience.run(client, "complete_multipart_upload", key, attempt)
    if not done:
        _abort(client, patience, key, place)
    return done


def _see_forgotten(error: StoreError) -> None:
    # A conflict on completion ends the upload: S3 wants it begun anew.
    if error.code == "NoSuchUpload" or error.conflict:
        raise _ForgottenError from None


def _abort(client: S3Client, patience: Patience, key: str, place: Mapping[str, str]) -> None:
    """Give the parts up. What is left all the same, the bucket's lifecycle rule removes."""

    def attempt() -> None:
        try:
            client.call("abort_multipart_upload", **place)
        except StoreError as error:
            if error.code != "NoSuchUpload":
                raise

    try:
        patience.run(client, "abort_multipart_upload", key, attempt)
    except LogError:
        return
