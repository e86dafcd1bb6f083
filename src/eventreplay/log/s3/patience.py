"""How often and how long one operation of the store is tried, and what its end is called."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

from attrs import field, frozen

from eventreplay.errors import LogError, LogUnavailableError
from eventreplay.log.s3.client import S3Client, StoreError
from eventreplay.log.s3.settings import S3Settings

Result = TypeVar("Result")

RIGHTS = {
    "get_object": "s3:GetObject",
    "put_object": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "upload_part": "s3:PutObject",
    "complete_multipart_upload": "s3:PutObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "delete_object": "s3:DeleteObject",
    "list_objects_v2": "s3:ListBucket",
}
"""Which right an operation needs; the first on the bucket's objects, `s3:ListBucket` on the bucket."""

_KEYS = (
    "it does not know these credentials",
    "See with `eventreplay doctor` which are in use, and renew them.",
)
_REGION = "its bucket is in another region", "Set the bucket's own region."
_CODES = {
    "NoCredentials": ("no credentials are found any more", "See `eventreplay doctor`, then start again."),
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "InvalidToken": _KEYS,
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "Set the clock, then start again."),
    "NoSuchBucket": ("its bucket does not exist", "Create the bucket, or correct the log's URL."),
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
}
"""What a code of the store means, and what to do about it."""


def _meaning(failure: StoreError, right: str) -> tuple[str, str]:
    if failure.code.startswith("AssumeRole."):
        return "the role cannot be assumed", "Grant sts:AssumeRole, and trust in the role's own policy."
    if failure.expired:
        return "the credentials have expired", "Renew them (`aws sso login`, a new token), then start again."
    if failure.code.startswith("KMS."):
        return "the KMS key cannot be used", "Enable it, and grant kms:GenerateDataKey and kms:Decrypt."
    if failure.code in _CODES:
        return _CODES[failure.code]
    if failure.status in _DENIED:
        return (
            f"permission denied; {right} is needed",
            f"Grant {right} (deploy/s3 has policies), start again.",
        )
    if failure.status == _NOT_IMPLEMENTED:
        return "it does not know this operation", "Use a store with conditional puts."
    return f"it answered {failure.status}", "Check the endpoint and the settings of S3."


_DENIED = frozenset({401, 403})
_NOT_IMPLEMENTED = 501


@frozen(kw_only=True)
class Patience:
    """Tries an operation until it succeeds, cannot, or has had its time.

    Attributes:
        settings: the bounds.
        label: how messages call the log; never contains a secret.
        sleep: waits, seconds.
        clock: seconds that only ever grow.
        jitter: a number in [0, 1), so that writers that failed together do not come back together.
    """

    settings: S3Settings
    label: str
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = field(default=random.random)

    def run(self, client: S3Client, operation: str, key: str, attempt: Callable[[], Result]) -> Result:
        """Call `attempt` until it returns.

        It raises `StoreError`; only transient ones are tried again, and expired credentials once, renewed.

        Raises:
            LogUnavailableError: all attempts, or all time, are used up.
            LogError: trying again will not help.
        """
        begun = self.clock()
        renewed = False
        number = 1
        while True:
            try:
                return attempt()
            except StoreError as error:
                failure = error
            if failure.expired and not renewed:
                renewed = True
                try:
                    client.renew()
                except StoreError as error:
                    self.stop(operation, key, error)
                continue
            if not failure.transient:
                self.stop(operation, key, failure)
            wait_s = self._wait_s(number)
            spent_s = self.clock() - begun
            if number >= self.settings.attempts_max or spent_s + wait_s > self.settings.retry_time_s:
                self.give_up(operation, key, failure, number)
            self.sleep(wait_s)
            number += 1

    def stop(self, operation: str, key: str, failure: StoreError) -> NoReturn:
        """Raise the error that a refusal of the store is to its caller."""
        where = self.where(key)
        right = RIGHTS[operation]
        code = failure.code
        what, hint = _meaning(failure, right)
        if code == "AccessDenied" and self.settings.sse in ("aws:kms", "aws:kms:dsse"):
            hint += " With KMS, also kms:GenerateDataKey and kms:Decrypt on its key."
        raise LogError(
            f"The store refuses {operation} of {where}: {what} ({code}).",
            hint=hint,
            key=key,
            operation=operation,
            right=right,
            status=failure.status,
            code=code,
        ) from None

    def where(self, key: str) -> str:
        """A key with its log, for messages."""
        return f"{self.label.rstrip('/')}/{key}"

    def _wait_s(self, number: int) -> float:
        grown_s = self.settings.wait_min_s * float(2 ** min(number - 1, 30))
        longest = min(self.settings.wait_max_s, grown_s)
        return longest * (0.5 + self.jitter() / 2)

    def give_up(self, operation: str, key: str, failure: StoreError, number: int) -> NoReturn:
        raise LogUnavailableError(
            f"The store did not do {operation} of {self.where(key)} in {number} attempts"
            f" (the last: {failure.status or 'no answer'}, {failure.code}).",
            hint="Check the network, the endpoint and the store's own state; starting again resumes where the"
            " log ends.",
            key=key,
            operation=operation,
            attempts=number,
            status=failure.status,
            code=failure.code,
        ) from None
