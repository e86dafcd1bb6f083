"""Stages: internal ones are folders of the stand-in.

External ones are S3 under the credentials of the stage.
"""

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

import boto3
import botocore.exceptions

from eventreplay.testing.standin.failures import SqlError, not_found
from eventreplay.testing.standin.session import Session

_REFERENCE = re.compile(
    r"""@(?P<quote>')?(?P<name>~|%?(?:"(?:[^"]|"")+"|[\w$]+)(?:\.%?(?:"(?:[^"]|"")+"|[\w$]+)){0,2})(?P<path>/[^\s'()]*)?"""
)


@dataclass(frozen=True)
class Staged:
    """One file of a stage: its name there, its size, what tells its content apart."""

    name: str
    size: int
    etag: str
    modified: float


def _plain(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part.upper()


class Stage:
    """Files under a prefix of a stage."""

    def __init__(self, session: Session, reference: str) -> None:
        found = _REFERENCE.fullmatch(reference.strip().strip("'"))
        if found is None:
            raise SqlError(f"SQL compilation error:\ninvalid stage reference '{reference}'", 1003, "42000")
        self.path = (found["path"] or "").lstrip("/")
        if ".." in PurePosixPath(self.path).parts:
            raise SqlError("SQL compilation error:\na stage path cannot leave its stage", 1003, "42000")
        self._session = session
        self.settings: dict[str, Any] = {}
        self.key, self.label = self._resolve(found["name"])

    def _resolve(self, name: str) -> tuple[str, str]:
        session = self._session
        if name == "~":
            return f"~/{session.user}", "~"
        parts = re.findall(r'%?"(?:[^"]|"")+"|%?[\w$]+', name)
        last = parts[-1]
        places = [_plain(part) for part in parts[:-1]]
        database = places[0] if len(places) == 2 else session.database  # noqa: PLR2004 - database.schema
        schema = places[-1] if places else session.schema
        if database is None or schema is None:
            raise SqlError("This session does not have a current schema. Call 'USE SCHEMA'.", 90106, "22000")
        if last.startswith("%"):
            return f"{database}/{schema}/%{_plain(last[1:])}", f"%{_plain(last[1:])}"
        key = f"{database}.{schema}.{_plain(last)}"
        held = session.engine.catalog.stages.get(key)
        if held is None:
            raise not_found("Stage", key)
        self.settings = held
        return key.replace(".", "/"), _plain(last).lower()

    @property
    def url(self) -> str:
        """`s3://bucket/prefix/` of an external stage; empty for an internal one."""
        url = str(self.settings.get("url", ""))
        return url if not url or url.endswith("/") else f"{url}/"

    @property
    def folder(self) -> Path:
        """Where the files of an internal stage are."""
        folder = self._session.engine.stage_root / self.key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def files(self) -> list[Staged]:
        """Files whose name starts with the reference's path, by name."""
        return self._remote() if self.url else self._local()

    def _local(self) -> list[Staged]:
        found = []
        for file in sorted(self.folder.rglob("*")):
            name = file.relative_to(self.folder).as_posix()
            if file.is_file() and name.startswith(self.path):
                status = file.stat()
                digest = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
                found.append(Staged(name, status.st_size, digest, status.st_mtime))
        return found

    def _client(self) -> Any:
        held = self.settings
        given = {
            "aws_access_key_id": held.get("key_id"),
            "aws_secret_access_key": held.get("secret"),
            "aws_session_token": held.get("token"),
        }
        endpoint = held.get("endpoint") or os.environ.get("AWS_ENDPOINT_URL_S3")
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        return boto3.client(
            "s3", endpoint_url=endpoint, region_name=region, **{k: v for k, v in given.items() if v}
        )

    def _remote(self) -> list[Staged]:
        place = urlparse(self.url)
        base = place.path.lstrip("/")
        try:
            pages = (
                self._client()
                .get_paginator("list_objects_v2")
                .paginate(Bucket=place.netloc, Prefix=base + self.path)
            )
            objects = [item for page in pages for item in page.get("Contents", [])]
        except botocore.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            raise SqlError(
                f"Failure using stage area. Cause: [{code} (Status Code: 403)]", 1111, "57000"
            ) from error
        return [
            Staged(
                item["Key"][len(base) :],
                item["Size"],
                item["ETag"].strip('"'),
                item["LastModified"].timestamp(),
            )
            for item in objects
        ]

    def fetch(self, name: str) -> tuple[Path, bool]:
        """A file as a path on this machine, and whether it is a temporary copy.

        Raises:
            SqlError: 091016, the file is not there.
        """
        missing = SqlError(
            f"Remote file '{name}' was not found. There are several potential causes. The file might not "
            "exist.",
            91016,
            "22000",
        )
        if not self.url:
            file = self.folder / name
            if not file.is_file():
                raise missing
            return file, False
        place = urlparse(self.url)
        handle, path = tempfile.mkstemp(prefix="standin-", suffix=".stage")
        os.close(handle)
        try:
            self._client().download_file(place.netloc, place.path.lstrip("/") + name, path)
        except botocore.exceptions.ClientError as error:
            Path(path).unlink()
            raise missing from error
        return Path(path), True

    def remove(self, name: str) -> None:
        """Delete one file."""
        if not self.url:
            (self.folder / name).unlink(missing_ok=True)
            return
        place = urlparse(self.url)
        self._client().delete_object(Bucket=place.netloc, Key=place.path.lstrip("/") + name)

    def shown(self, name: str) -> str:
        """A file's name as LIST and COPY show it."""
        if self.url:
            return self.url + name
        return name if self.label.startswith(("~", "%")) else f"{self.label}/{name}"

    def listing(self) -> list[dict[str, Any]]:
        """Rows of LIST."""
        return [
            {
                "name": self.shown(file.name),
                "size": file.size,
                "md5": file.etag,
                "last_modified": formatdate(file.modified, usegmt=True),
            }
            for file in self.files()
        ]
