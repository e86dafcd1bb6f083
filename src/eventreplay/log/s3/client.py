"""The one door to boto3: a request at a time, sent once, answered by a value or a `StoreError`.

Repeating is not done here: whether a request may be sent again depends on what it asks (see `storage`). A
`StoreError` carries status and code only; texts of the driver and of the store end here, since they may
quote signatures, keys of the account or tokens.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from typing import Any, NoReturn

from eventreplay.errors import ConfigError
from eventreplay.log.s3.settings import S3Settings

CONNECTIONS_MAX = 32
"""Open at once to one store, by all threads of a handle."""

_SERVER, _NOT_IMPLEMENTED, _TOO_MANY = 500, 501, 429

_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")

_TRANSIENT_CODES = frozenset(
    {
        "BadDigest",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "PriorRequestNotComplete",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "XAmzContentSHA256Mismatch",
    }
)
_NOT_DONE_CODES = _TRANSIENT_CODES - {"InternalError", "RequestTimeout"}
_EXPIRED_CODES = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
)


class StoreError(Exception):
    """A request that did not do what it asked, as the store said it or as no answer came.

    Attributes:
        status: of HTTP; 0 where no answer came.
        code: the store's word for it, or the kind of silence.
    """

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code

    @property
    def expired(self) -> bool:
        """Whether other credentials may help."""
        return self.code in _EXPIRED_CODES

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed a little later."""
        if self.status == _NOT_IMPLEMENTED:
            return False
        return self.status in (0, _TOO_MANY) or self.status >= _SERVER or self.code in _TRANSIENT_CODES

    @property
    def conflict(self) -> bool:
        """Whether another request for the same key was under way (409)."""
        return self.code in {"ConditionalRequestConflict", "OperationAborted"}

    @property
    def unknown(self) -> bool:
        """Whether the request may have been carried out all the same."""
        return self.transient and self.code not in _NOT_DONE_CODES


class S3Client:
    """One bucket of one store. Any thread may call.

    Raises:
        ConfigError: boto3 is missing, finds no credentials, or refuses the settings.
    """

    def __init__(self, bucket: str, settings: S3Settings) -> None:
        self.bucket = bucket
        self._settings = settings
        self._lock = threading.Lock()
        self._client, self.provider, self.region = _connect(bucket, settings)

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Send one request once. The content of an object comes whole, as `Content`.

        Raises:
            StoreError: see there.
        """
        from botocore import exceptions  # noqa: PLC0415 - an optional driver
        from botocore.parsers import ResponseParserError  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            reply: dict[str, Any] = getattr(self._client, operation)(Bucket=self.bucket, **parameters)
            if operation == "get_object":
                reply["Content"] = reply["Body"].read()
        except exceptions.ClientError as error:
            _refused(error)
        except exceptions.ParamValidationError:
            raise StoreError(400, "ParamValidation") from None
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
            raise StoreError(403, "NoCredentials") from None
        except (exceptions.BotoCoreError, ResponseParserError, HTTPError) as error:
            # Connections, timeouts, cut bodies (boto3 wraps not all of them); and credentials that
            # cannot be fetched just now.
            raise StoreError(0, type(error).__name__) from None
        except OSError as error:
            raise StoreError(0, type(error).__name__) from None
        return reply

    def renew(self) -> None:
        """Look for credentials again, from the beginning of the chain: a file may hold newer ones.

        Raises:
            StoreError: there are none any more.
        """
        with self._lock:
            try:
                self._client, self.provider, self.region = _connect(self.bucket, self._settings)
            except ConfigError:
                raise StoreError(403, "NoCredentials") from None

    def close(self) -> None:
        """Close the connections that no request uses."""
        self._client.close()


def _refused(error: Any) -> NoReturn:
    response: Mapping[str, Any] = error.response
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
    code = str(response.get("Error", {}).get("Code", ""))
    if getattr(error, "operation_name", "").startswith("AssumeRole"):
        code = f"AssumeRole.{code}"
    raise StoreError(status, code if _CODE.fullmatch(code) else "Unnamed") from None


def _connect(bucket: str, settings: S3Settings) -> tuple[Any, str, str]:
    """boto3's client, the name of the provider of its credentials, and its region."""
    try:
        import boto3  # noqa: PLC0415 - an optional driver
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            "A log on S3 needs boto3.", hint="Install it: pip install 'eventreplay[s3]'."
        ) from error
    try:
        session = boto3.Session(profile_name=settings.profile, **_given(settings))
        # boto3 knows AWS_DEFAULT_REGION; every other driver, AWS_REGION.
        region = settings.region or os.environ.get("AWS_REGION") or session.region_name or "us-east-1"
        credentials: Any = session.get_credentials()
        if credentials is not None and settings.role_arn is not None:
            credentials = _role(session, credentials, settings, region)
        if credentials is None:
            raise ConfigError(
                f"The bucket {bucket} cannot be opened: no credentials were found.",
                hint="Set AWS_PROFILE or `profile`, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or settings"
                " of these names), or give this machine a role.",
                bucket=bucket,
            )
        session._session._credentials = credentials  # noqa: SLF001 - boto3 has no other way in
        client = session.client(
            "s3",
            region_name=region,
            endpoint_url=settings.endpoint,
            verify=settings.ca_file,
            config=Config(
                connect_timeout=settings.connect_timeout_s,
                read_timeout=settings.request_timeout_s,
                max_pool_connections=CONNECTIONS_MAX,
                # Once: a request whose reply is lost must not be repeated where nobody sees it.
                retries={"total_max_attempts": 1, "mode": "standard"},
                # Checksums are ours, and the body is part of the signature, so that every store that
                # checks signatures checks the body too, whichever checksums it knows.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": settings.addressing, "payload_signing_enabled": True},
            ),
        )
    except (BotoCoreError, ValueError, OSError) as error:
        raise ConfigError(
            f"The bucket {bucket} cannot be opened: {type(error).__name__}.",
            hint="Check the settings of S3, the profile, and ~/.aws/config.",
            bucket=bucket,
        ) from None
    return client, str(credentials.method), region


def _given(settings: S3Settings) -> dict[str, str]:
    """Credentials of the settings, in boto3's words; none: its chain finds them."""
    if settings.access_key_id is None or settings.secret_access_key is None:
        return {}
    given = {
        "aws_access_key_id": settings.access_key_id,
        "aws_secret_access_key": settings.secret_access_key.reveal(),
    }
    if settings.session_token is not None:
        given["aws_session_token"] = settings.session_token.reveal()
    return given


def _role(session: Any, source: Any, settings: S3Settings, region: str) -> Any:
    """Credentials of the role, renewed by themselves before they expire."""
    from botocore.credentials import (  # noqa: PLC0415 - an optional driver
        AssumeRoleCredentialFetcher,
        DeferredRefreshableCredentials,
    )

    def sts(*arguments: Any, **keywords: Any) -> Any:
        # Beside the name of the service it is told whose keys to use. STS has regions, too.
        return session._session.create_client(*arguments, **{"region_name": region, **keywords})  # noqa: SLF001

    extra = {"RoleSessionName": "eventreplay"}
    if settings.role_external_id is not None:
        extra["ExternalId"] = settings.role_external_id
    fetcher = AssumeRoleCredentialFetcher(sts, source, settings.role_arn, extra_args=extra)
    return DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)
