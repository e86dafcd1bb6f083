"""S3's protocol for tests: moto in a process of its own. It forgets everything when it ends.

It accepts any credentials and does not check checksums: what depends on those needs another
store, named by an override.
"""

from __future__ import annotations

import importlib
import importlib.util
import secrets
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from eventreplay.testing.services import finding
from eventreplay.testing.services.container import MAIN
from eventreplay.testing.services.errors import ServiceError, missing
from eventreplay.testing.services.guarded import Guarded, beginning, started
from eventreplay.testing.services.ports import LOOPBACK, free_port
from eventreplay.testing.services.server import Processes, Server, said_port

REGION = "us-east-1"


@frozen
class Keys:
    """Credentials of a store for tests."""

    access: str
    secret: str


def client(endpoint: str, keys: Keys) -> Any:
    """boto3's client of a store.

    Raises:
        ServiceError: boto3 is not installed.
    """
    try:
        boto3: Any = importlib.import_module("boto3")
        config: Any = importlib.import_module("botocore.config")
    except ImportError as error:
        raise ServiceError("S3 for tests needs boto3.", hint="Install eventreplay[services].") from error
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=keys.access,
        aws_secret_access_key=keys.secret,
        config=config.Config(
            s3={"addressing_style": "path"},
            connect_timeout=5,
            read_timeout=30,
            retries={"max_attempts": 1},
            # Proxies of whoever runs the tests are not for the loopback.
            proxies={},
        ),
    )


class _Moto(Processes):
    """moto as a process of this machine; it keeps nothing."""

    def __init__(self, guarded: Guarded, port: int) -> None:
        super().__init__(guarded)
        self._port = port

    def stop(self) -> None:
        """Kill it: it has nothing to write."""
        self.kill()

    def run(self) -> None:
        self.guarded.log(MAIN).unlink(missing_ok=True)
        command = [sys.executable, "-P", str(Path(__file__).with_name("s3_program.py")), str(self._port)]
        self.guarded.run(MAIN, command, env=finding.clean_environment())


class S3Server(Server[Processes]):
    """One store; a context manager.

    Attributes:
        endpoint: http:// URL.
        host: the loopback's address, or the override's host.
        port: the same after a restart.
        access_key: what it is asked with.
        secret_key: the same.
    """

    what = "S3 store"

    def __init__(self, endpoint: str, keys: Keys, backend: Processes | None) -> None:
        super().__init__(backend)
        parts = urlsplit(endpoint)
        self.endpoint = endpoint
        self.host = parts.hostname or LOOPBACK
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.access_key, self.secret_key = keys.access, keys.secret
        self._client: Any = None
        self._buckets: list[str] = []

    @classmethod
    def find(cls) -> S3Server:
        """The store that EVENTREPLAY_TEST_S3_URL names, if it answers; else one of our own.

        Its credentials come as http://ACCESS:SECRET@host:port.

        Raises:
            ServiceError: the named store does not answer; or as `start`.
        """
        url = finding.override("S3")
        if url is None:
            return cls.start()
        parts = urlsplit(url)
        host = parts.hostname or LOOPBACK
        place = host if parts.port is None else f"{host}:{parts.port}"
        keys = Keys(parts.username or "testing", parts.password or "testing")
        server = cls(f"{parts.scheme}://{place}", keys, None)
        try:
            server.store().list_buckets()
        except Exception as error:
            problem = f"does not list its buckets: {type(error).__name__}"
            raise finding.unanswered("S3", problem) from error
        return server

    @classmethod
    def start(cls) -> S3Server:
        """Start a store and wait until it answers HTTP.

        Raises:
            ServiceMissingError: moto is not installed.
            ServiceNotReadyError: it was started and did not answer.
        """
        if importlib.util.find_spec("moto") is None:
            tried = [f"{finding.OVERRIDES['S3']} is not set.", "the package moto is not installed."]
            raise missing("S3", tried, "Install eventreplay[services].")
        return started(cls._start_once, "address already in use")

    @classmethod
    def _start_once(cls) -> S3Server:
        port = free_port()
        with beginning("S3") as guarded:
            moto = _Moto(guarded, port)
            moto.run()
        return cls(f"http://{LOOPBACK}:{port}", Keys("testing", "testing"), moto)

    def bucket(self) -> str:
        """Create an empty bucket; its name."""
        name = f"test-{secrets.token_hex(6)}"
        self.store().create_bucket(Bucket=name)
        self._buckets.append(name)
        return name

    def environment(self, bucket: str | None = None) -> dict[str, str]:
        """The variables that clients of S3 read: where the store is, and with what to ask it.

        Args:
            bucket: also name it in AWS_BUCKET.
        """
        found = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
            # Nobody's profile, and no question to the metadata of a cloud's machine.
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return found if bucket is None else {**found, "AWS_BUCKET": bucket}

    def wait_ready(self) -> None:
        """Wait until it listens."""
        backend = self._ours()
        backend.guarded.wait_ready(backend.main, lambda: said_port(backend))

    def close(self) -> None:
        """End the store; an override's store keeps running, our buckets go."""
        super().close()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _leave(self) -> None:
        for name in self._buckets:
            empty_bucket(self.store(), name)
        self._buckets.clear()

    def store(self) -> Any:
        """boto3's client of the store, closed with the server."""
        if self._client is None:
            self._client = client(self.endpoint, Keys(self.access_key, self.secret_key))
        return self._client


def empty_bucket(store: Any, name: str) -> None:
    """Remove a bucket with all that is in it, halves of multipart uploads too."""
    for page in store.get_paginator("list_multipart_uploads").paginate(Bucket=name):
        for upload in page.get("Uploads", []):
            store.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in store.get_paginator("list_objects_v2").paginate(Bucket=name):
        for found in page.get("Contents", []):
            store.delete_object(Bucket=name, Key=found["Key"])
    store.delete_bucket(Bucket=name)
