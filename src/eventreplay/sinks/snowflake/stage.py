"""Where a transaction's files wait for COPY: Snowflake's own stage, or a bucket of ours.

Every transaction has a folder of its own, `eventreplay/<replay>/<moment>-<sink>-<number>/`: made from
hexadecimal text and digits, so that nothing a user named can become a path. What a run that died left
behind is told by the moment in the name, and removed when it is too old to belong to a run that lives.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from eventreplay.errors import ConfigError, SinkError, SinkUnavailableError
from eventreplay.sinks.snowflake.failures import Doing
from eventreplay.sinks.snowflake.names import literal, quoted, stage_path
from eventreplay.sinks.snowflake.session import Session
from eventreplay.sinks.snowflake.settings import SnowflakeSettings
from eventreplay.sinks.snowflake.tables import Raw

ROOT = "eventreplay"
_FOLDER = re.compile(r"(?P<moment>\d{8}T\d{6}Z)-[0-9a-f]{16}-\d{6}")
_MOMENT = "%Y%m%dT%H%M%SZ"
_DELETE_KEYS_MAX = 1000
_PATH_REFUSED = re.compile(r"[*?\\'\x00-\x1f]")


def owner_of(replay_id: str) -> str:
    """The folder of all transactions of one replay."""
    return hashlib.sha256(replay_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def folder_name(moment: datetime, sink: str, number: int) -> str:
    """The folder of one transaction under its owner's."""
    return f"{moment.astimezone(UTC).strftime(_MOMENT)}-{sink}-{number:06d}"


def age_of(folder: str, now: datetime) -> timedelta | None:
    """How long ago a transaction's folder was made; None if the name is not one of ours."""
    match = _FOLDER.fullmatch(folder)
    if match is None:
        return None
    return now.astimezone(UTC) - datetime.strptime(match["moment"], _MOMENT).replace(tzinfo=UTC)


class Stage(Protocol):
    """Files by folder; each call is idempotent."""

    def upload(self, session: Session, path: Path, owner: str, folder: str) -> None:
        """Put one file under its own name into a transaction's folder."""

    def folders(self, session: Session, owner: str) -> set[str]:
        """Names of the transactions' folders of `owner` that hold files."""

    def remove(self, session: Session, owner: str, folder: str) -> None:
        """Remove a transaction's folder with its files."""


class InternalStage:
    """A stage inside Snowflake; files go up by PUT, which encrypts them and checks their digest."""

    def __init__(self, raw: Raw, name: str) -> None:
        self._name = name
        to = f"TO ROLE {quoted(raw.role)}" if raw.role != "..." else "TO ROLE ..."
        stage = quoted(raw.database, raw.schema, name)
        self._read = (f"GRANT READ ON STAGE {stage} {to}",)
        # READ has to be there before WRITE can be granted.
        self._write = (*self._read, f"GRANT WRITE ON STAGE {stage} {to}")

    def upload(self, session: Session, path: Path, owner: str, folder: str) -> None:
        if _PATH_REFUSED.search(str(path)):
            raise ConfigError(
                "The temporary folder's path has characters that PUT takes for a pattern.",
                hint="Set TMPDIR to a folder without * ? ' or backslashes in its path.",
            )
        target = stage_path(self._name, ROOT, owner, folder)
        doing = Doing("Uploading to the internal stage", self._write)
        rows = session.named(
            f"PUT {literal(f'file://{path}')} {target}"
            " AUTO_COMPRESS=FALSE SOURCE_COMPRESSION=NONE OVERWRITE=TRUE",
            doing=doing,
        )
        if [row.get("status") for row in rows] != ["UPLOADED"]:
            raise SinkUnavailableError(
                "A staged file was not uploaded whole.", hint="Start again.", file=path.name
            )

    def folders(self, session: Session, owner: str) -> set[str]:
        rows = session.named(
            f"LIST {stage_path(self._name, ROOT, owner)}", doing=Doing("Listing the stage", self._read)
        )
        return _folders((str(row["name"]) for row in rows), owner)

    def remove(self, session: Session, owner: str, folder: str) -> None:
        session.named(
            f"REMOVE {stage_path(self._name, ROOT, owner, folder)}",
            doing=Doing("Removing staged files", self._write),
        )


class ExternalStage:
    """A bucket of ours; files go up through S3's API, by the keys given or boto3's chain of credentials."""

    def __init__(self, settings: SnowflakeSettings) -> None:
        self._settings = settings
        self._bucket, self._prefix = settings.bucket_and_prefix
        self._client: Any = None

    def upload(self, session: Session, path: Path, owner: str, folder: str) -> None:  # noqa: ARG002
        key = f"{self._prefix}{ROOT}/{owner}/{folder}/{path.name}"
        # Parts of large files, each checked by the store against the checksum sent with it.
        self._ask("s3:PutObject", lambda s3: s3.upload_file(
            str(path), self._bucket, key, ExtraArgs={"ChecksumAlgorithm": "SHA256"}
        ))  # fmt: skip
        size = self._ask(
            "s3:GetObject", lambda s3: s3.head_object(Bucket=self._bucket, Key=key)["ContentLength"]
        )
        if size != path.stat().st_size:
            raise SinkUnavailableError("A staged file was not uploaded whole.", hint="Start again.", key=key)

    def folders(self, session: Session, owner: str) -> set[str]:  # noqa: ARG002
        return _folders(self._keys(f"{self._prefix}{ROOT}/{owner}/"), owner)

    def remove(self, session: Session, owner: str, folder: str) -> None:  # noqa: ARG002
        keys = self._keys(f"{self._prefix}{ROOT}/{owner}/{folder}/")
        for begin in range(0, len(keys), _DELETE_KEYS_MAX):
            objects = [{"Key": key} for key in keys[begin : begin + _DELETE_KEYS_MAX]]
            found = self._ask("s3:DeleteObject", lambda s3, objects=objects: s3.delete_objects(
                Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True}
            ))  # fmt: skip
            if found.get("Errors"):
                raise SinkError(
                    "Staged files could not be removed.", hint="Grant s3:DeleteObject on the prefix."
                )

    def _keys(self, prefix: str) -> list[str]:
        def listed(s3: Any) -> list[str]:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return [item["Key"] for page in pages for item in page.get("Contents", ())]

        found: list[str] = self._ask("s3:ListBucket", listed)
        return found

    def _ask(self, right: str, call: Any) -> Any:
        """One call of the store; its errors become ours, without what they quote."""
        try:
            import boto3  # noqa: PLC0415 - an optional driver
            from boto3.exceptions import S3UploadFailedError  # noqa: PLC0415
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        except ImportError:
            raise ConfigError(
                "An external stage needs boto3, which is not installed.",
                hint="Install it: pip install 'eventreplay[s3]'.",
            ) from None
        try:
            if self._client is None:
                self._client = boto3.client("s3", **_given(self._settings))
            return call(self._client)
        except (BotoCoreError, ClientError, S3UploadFailedError) as error:
            raise _store_error(error, right, self._bucket, self._prefix) from None


def _given(settings: SnowflakeSettings) -> dict[str, str]:
    """What the settings say of the bucket, in boto3's words."""
    keys, token = settings.stage_secret_access_key, settings.stage_session_token
    given = {
        "region_name": settings.stage_region,
        "endpoint_url": settings.stage_endpoint,
        "aws_access_key_id": settings.stage_access_key_id,
        "aws_secret_access_key": None if keys is None else keys.reveal(),
        "aws_session_token": None if token is None else token.reveal(),
    }
    return {name: value for name, value in given.items() if value is not None}


def _store_error(error: BaseException, right: str, bucket: str, prefix: str) -> SinkError:
    cause = error if hasattr(error, "response") else error.__context__
    code = str(getattr(cause, "response", {}).get("Error", {}).get("Code", ""))
    status = getattr(cause, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status in (401, 403) or code in ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
        return SinkError(
            f"The bucket of the stage refused {right} ({code or status}).",
            hint=f"Give {right} on arn:aws:s3:::{bucket}/{prefix}* to the identity of this process.",
            right=right,
        )
    if code in ("NoSuchBucket", "404") or type(error).__name__ == "NoCredentialsError":
        return SinkError(
            f"The bucket of the stage cannot be used ({code or type(error).__name__}).",
            hint="Check the stage's address and where boto3 finds credentials.",
            right=right,
        )
    return SinkUnavailableError(
        f"The bucket of the stage gave no good answer ({code or type(error).__name__}).",
        hint="Start again: it goes on from the stored checkpoint.",
        right=right,
    )


def _folders(names: Any, owner: str) -> set[str]:
    found = set()
    for name in names:
        _, marker, rest = name.partition(f"{ROOT}/{owner}/")
        folder = rest.partition("/")[0]
        if marker and _FOLDER.fullmatch(folder):
            found.add(folder)
    return found
