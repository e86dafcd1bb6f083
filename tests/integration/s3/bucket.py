"""A small capture into a bucket, and what must be there afterwards."""

from __future__ import annotations

import copy
import hashlib
import itertools

from eventreplay.capture import CaptureOptions, CaptureReceipt, capture
from eventreplay.log import Log, Storage
from eventreplay.log.s3 import S3Settings, S3Storage
from eventreplay.log.s3.client import S3Client
from eventreplay.log.s3.patience import Patience
from eventreplay.testing import MemorySource
from eventreplay.testing.faults.s3 import S3Shim
from tests.records import Record

PARTITION = "journal"
TIMEOUT_S = 0.5
ATTEMPTS_MAX = 4


class Bucket:
    """One bucket, asked through the shim (`storage`) or past it (`plain`); prefixes keep cases apart."""

    def __init__(self, shim: S3Shim, name: str, direct: str, clients: dict[str, S3Client]) -> None:
        self.shim = shim
        self.name = name
        self.settings = S3Settings(
            endpoint=shim.endpoint, region="us-east-1", request_timeout_s=TIMEOUT_S, attempts_max=ATTEMPTS_MAX
        )
        self._client = self._asked(clients, self.settings)
        self.direct = direct
        self._direct = self._asked(clients, S3Settings(endpoint=direct, region="us-east-1"))
        self._numbers = itertools.count()
        self._tokens = itertools.count()
        self.waits_s: list[float] = []

    def storage(self, prefix: str) -> S3Storage:
        """A new handle, as another process has it."""
        url = f"s3://{self.name}/{prefix}"
        patience = Patience(settings=self.settings, label=url, sleep=self.waits_s.append)
        return S3Storage(self._client, prefix, self.settings, patience)

    def patient(self, prefix: str) -> S3Storage:
        """A handle that waits between attempts, as those of real runs do: others are at work, too."""
        settings = S3Settings(endpoint=self.shim.endpoint, attempts_max=50, wait_min_s=0.01, wait_max_s=0.2)
        patience = Patience(settings=settings, label=f"s3://{self.name}/{prefix}")
        return S3Storage(self._client, prefix, settings, patience)

    def plain(self, prefix: str) -> S3Storage:
        settings = S3Settings(region="us-east-1")
        patience = Patience(settings=settings, label="plain")
        return S3Storage(self._direct, prefix, settings, patience)

    def prefix(self) -> str:
        """One that nothing stands under."""
        return f"case/{next(self._numbers)}"

    def log(self, prefix: str) -> Log:
        return self._open(self.storage(prefix), prefix)

    def plain_log(self, prefix: str) -> Log:
        return self._open(self.plain(prefix), prefix)

    def files(self, prefix: str) -> dict[str, str]:
        return tree(self.plain(prefix))

    def uploads(self) -> list[str]:
        """Keys of multipart uploads that nobody finished."""
        found = self._direct.call("list_multipart_uploads").get("Uploads", [])
        return [str(one["Key"]) for one in found]

    def _asked(self, clients: dict[str, S3Client], settings: S3Settings) -> S3Client:
        """A client of this bucket; making boto3's takes longer than most tests, so all share one."""
        endpoint = str(settings.endpoint)
        if endpoint not in clients:
            clients[endpoint] = S3Client(self.name, settings)
        found = copy.copy(clients[endpoint])
        found.bucket = self.name
        return found

    def _open(self, storage: Storage, prefix: str) -> Log:
        return Log.open(
            f"s3://{self.name}/{prefix}",
            storage=storage,
            token_source=lambda: f"writer-{next(self._tokens)}",
        )


def run(log: Log, *, events: int = 5, segment_positions: int = 3, workers: int = 1) -> CaptureReceipt:
    """Two commits by default, one of them with a reject."""
    kinds = ["event" if number != 1 else "refused" for number in range(events)]
    items = [Record(kind, n, b"payload %d" % n) for n, kind in enumerate(kinds)]  # type: ignore[arg-type]
    source = MemorySource([record.item() for record in items], name="journal")
    return capture(
        source, log, PARTITION, options=CaptureOptions(segment_positions=segment_positions, workers=workers)
    )


def tree(storage: Storage) -> dict[str, str]:
    """SHA-256 by key; a claim that a writer left behind is no part of the log."""
    found: dict[str, str] = {}
    for key in storage.keys(""):
        data = storage.get(key) or b""
        if not data.startswith(b'{"claim":'):
            found[key] = hashlib.sha256(data).hexdigest()
    return found
