import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eventreplay.testing.services import StandInServer
from tests.integration.standin.client import Client


@pytest.fixture(autouse=True, scope="module")
def no_clouds() -> Iterator[None]:
    """The connector would ask the metadata services of three clouds where it runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
        yield


@pytest.fixture
def connect(snowflake_database: dict[str, Any]) -> Iterator[Callable[..., Client]]:
    """Open sessions in a database of the test's own."""
    clients: list[Client] = []

    def open_session(**more: Any) -> Client:
        client = Client(**{**snowflake_database, **more})
        clients.append(client)
        return client

    yield open_session
    for client in clients:
        client.connection.close()


@pytest.fixture
def client(connect: Callable[..., Client]) -> Client:
    return connect()


@pytest.fixture
def control(snowflake_standin: StandInServer) -> Iterator[Callable[..., dict[str, Any]]]:
    """Order faults; none is left behind."""

    def call(method: str, **order: Any) -> dict[str, Any]:
        url = f"http://{snowflake_standin.host}:{snowflake_standin.port}/standin/control"
        body = json.dumps(order).encode() if order else None
        with urllib.request.urlopen(urllib.request.Request(url, data=body, method=method)) as reply:
            held: dict[str, Any] = json.load(reply)
            return held

    yield call
    call("DELETE")


@pytest.fixture
def staged(client: Client, tmp_path: Path) -> Callable[..., None]:
    """Put a Parquet file of these columns on the stage @FILES."""
    client.run("CREATE STAGE files")

    def put(name: str, columns: dict[str, Any]) -> None:
        pq.write_table(pa.table(columns), tmp_path / name)
        client.run(f"PUT file://{tmp_path / name} @files/in AUTO_COMPRESS=FALSE OVERWRITE=TRUE")

    return put
