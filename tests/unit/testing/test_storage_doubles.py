"""The folder and the memory store pass the suite that storage authors inherit."""

from __future__ import annotations

from pathlib import Path

import pytest
from obstore.store import MemoryStore

from eventreplay.log.folder import FolderStorage
from eventreplay.log.storage import ObstoreStorage, Storage
from eventreplay.testing import StorageSuite


class TestFolderStorage(StorageSuite):
    keys_many = 150  # a folder has no pages, and each object is synced

    @pytest.fixture(autouse=True)
    def _root(self, tmp_path: Path) -> None:
        self.root = tmp_path / "log"

    def open_storage(self) -> Storage:
        return FolderStorage(self.root)


class TestMemoryStorage(StorageSuite):
    @pytest.fixture(autouse=True)
    def _store(self) -> None:
        self.store = MemoryStore()

    def open_storage(self) -> Storage:
        return ObstoreStorage(self.store, "memory://")
