from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.dbt.warehouse import Warehouse


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for every warehouse of a session: dbt parses the project once."""
    return tmp_path_factory.mktemp("dbt")


@pytest.fixture
def warehouse(place: Path) -> Warehouse:
    """RAW without a row, nothing built."""
    return Warehouse.create(place)
