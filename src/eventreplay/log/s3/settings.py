"""What is given for a log on S3. Loading this needs no driver."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Literal, NoReturn
from urllib.parse import urlsplit

from attrs import field, frozen

from eventreplay import bounds
from eventreplay.errors import ConfigError
from eventreplay.secret import Secret

Addressing = Literal["auto", "path", "virtual"]
Encryption = Literal["AES256", "aws:kms", "aws:kms:dsse"]

PART_BYTES_MIN = 5 * 1024 * 1024
"""S3's own bound for every part but the last."""

_DAY_S = 86_400
_ATTEMPTS_MAX = 100  # nobody waits longer
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_ROLE = re.compile(r"arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}")


@frozen(kw_only=True)
class S3Settings:
    """Where the store is, as whom it is asked, and how patiently.

    Credentials are those given here, or come from boto3's chain: AWS_ACCESS_KEY_ID and its companions,
    `profile`, a web identity token, or the role of this machine; with `role_arn`, that role is assumed with
    them. Those of the chain are renewed before they expire.

    Attributes:
        access_key_id: whose key; with `secret_access_key`, used instead of the chain.
        secret_access_key: the key itself.
        session_token: of temporary keys; the run has to end before they expire.
        endpoint: the store's URL where it is not AWS; plain http only if it is written out here.
        region: the bucket's region; None: the profile's, or us-east-1.
        profile: a profile of ~/.aws/config.
        role_arn: a role to assume.
        role_external_id: the external id that the role's trust policy asks for.
        ca_file: certificates to trust instead of the system's.
        addressing: whether the bucket stands in the path or the host name; auto: in the path where
            `endpoint` is given.
        sse: encryption to ask for; None: as the bucket does by default.
        kms_key_id: the key of `aws:kms`.
        connect_timeout_s: seconds until a connection stands.
        request_timeout_s: seconds of silence after which a request is given up.
        attempts_max: requests for one operation, at most.
        retry_time_s: seconds after which an operation is tried no more.
        wait_min_s: the first wait between two attempts, at most; doubles each time.
        wait_max_s: the longest one.
        multipart_bytes_min: from this size on segments are put in parts; None: never.
        part_bytes: size of a part.
    """

    ENVIRONMENT: ClassVar[Mapping[str, str]] = {
        "endpoint": "AWS_ENDPOINT_URL_S3",
        "region": "AWS_REGION",
        "profile": "AWS_PROFILE",
        "ca_file": "AWS_CA_BUNDLE",
    }

    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    role_arn: str | None = None
    role_external_id: str | None = None
    ca_file: str | None = None
    addressing: Addressing = "auto"
    sse: Encryption | None = None
    kms_key_id: str | None = None
    connect_timeout_s: float = 10.0
    request_timeout_s: float = 60.0
    attempts_max: int = 8
    retry_time_s: float = 120.0
    wait_min_s: float = 0.1
    wait_max_s: float = 10.0
    multipart_bytes_min: int | None = 64 * 1024 * 1024
    part_bytes: int = 16 * 1024 * 1024

    def __attrs_post_init__(self) -> None:
        self._see_credentials()
        self._see_place()
        self._see_bounds()

    def _see_credentials(self) -> None:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            _refuse(
                "access_key_id", "and secret_access_key go together", "Give both, or none for boto3's chain."
            )
        if self.access_key_id is not None and not _KEY_ID.fullmatch(self.access_key_id):
            _refuse("access_key_id", "is no id of a key", "It has letters, digits and . _ - only.")
        if self.session_token is not None and self.access_key_id is None:
            _refuse("session_token", "has no keys beside it", "Give access_key_id and secret_access_key.")

    def _see_place(self) -> None:
        if self.endpoint is not None:
            _see_endpoint(self.endpoint)
        if self.role_arn is not None and not _ROLE.fullmatch(self.role_arn):
            _refuse("role_arn", "is no role's ARN", "Write arn:aws:iam::123456789012:role/NAME.")
        if self.role_external_id is not None and self.role_arn is None:
            _refuse("role_external_id", "has no role_arn beside it", "Give both, or none.")
        if self.addressing not in ("auto", "path", "virtual"):
            _refuse("addressing", "is unknown", "Write auto, path or virtual.")
        if self.sse not in (None, "AES256", "aws:kms", "aws:kms:dsse"):
            _refuse("sse", "is unknown", "Write AES256, aws:kms or aws:kms:dsse.")
        if self.kms_key_id is not None and self.sse not in ("aws:kms", "aws:kms:dsse"):
            _refuse("kms_key_id", "is given without encryption by KMS", 'Set sse = "aws:kms" as well.')

    def _see_bounds(self) -> None:
        for name in ("connect_timeout_s", "request_timeout_s", "retry_time_s", "wait_min_s", "wait_max_s"):
            bounds.number(self, name, 0, _DAY_S, above=True)
        bounds.whole(self, "attempts_max", 1, _ATTEMPTS_MAX)
        bounds.whole(self, "part_bytes", PART_BYTES_MIN)
        if self.multipart_bytes_min is not None:
            bounds.whole(self, "multipart_bytes_min", PART_BYTES_MIN)


def _see_endpoint(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        _refuse("endpoint", "is no URL of http or https", "Write https://host or https://host:port.")
    # Never repeated in the message: what stands before the @ is a secret.
    if "@" in parts.netloc or parts.query or parts.fragment:
        _refuse(
            "endpoint",
            "holds credentials, a query or a fragment",
            "Write https://host:port alone; credentials come from the environment, a profile or a role.",
        )


def _refuse(name: str, what: str, hint: str) -> NoReturn:
    raise ConfigError(f"The setting {name} {what}.", hint=hint, setting=name)
