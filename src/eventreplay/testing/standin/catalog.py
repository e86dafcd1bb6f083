"""What DuckDB has no place for: users, roles, grants, stages.

Formats. Kept in one JSON file beside the databases.
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_EMPTY: dict[str, dict[str, Any]] = {
    "users": {},
    "roles": {},
    "grants": {},
    "owners": {},
    "stages": {},
    "formats": {},
    "integrations": {},
    "warehouses": {},
    "monitors": {},
    "schemas": {},
    "pipes": {},
    "views": {},
}
SYSTEM_ROLES = ("ACCOUNTADMIN", "SECURITYADMIN", "USERADMIN", "SYSADMIN", "PUBLIC")


class Catalog:
    """Named sections of plain values; `changed()` writes the file atomically.

    So a kill leaves the old or the new.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lock = threading.RLock()
        held = json.loads(path.read_text()) if path.exists() else {}
        self._held: dict[str, dict[str, Any]] = {name: held.get(name, {}) for name in _EMPTY}
        if not self.roles:
            for role in SYSTEM_ROLES:
                self.roles[role] = {"granted": []}
            self.roles["SYSADMIN"]["granted"] = []
            self.roles["ACCOUNTADMIN"]["granted"] = ["SYSADMIN", "SECURITYADMIN"]
            self.roles["SECURITYADMIN"]["granted"] = ["USERADMIN"]
            self.warehouses["COMPUTE_WH"] = {"comment": ""}

    @property
    def users(self) -> dict[str, Any]:
        return self._held["users"]

    @property
    def roles(self) -> dict[str, Any]:
        return self._held["roles"]

    @property
    def grants(self) -> dict[str, Any]:
        """Role -> list of [privilege, kind, object]."""
        return self._held["grants"]

    @property
    def owners(self) -> dict[str, Any]:
        """`KIND NAME` -> the role that owns it."""
        return self._held["owners"]

    @property
    def warehouses(self) -> dict[str, Any]:
        return self._held["warehouses"]

    @property
    def stages(self) -> dict[str, Any]:
        """`DB.SCHEMA.NAME` -> url, credentials, endpoint, integration, file format."""
        return self._held["stages"]

    @property
    def formats(self) -> dict[str, Any]:
        return self._held["formats"]

    @property
    def integrations(self) -> dict[str, Any]:
        return self._held["integrations"]

    def section(self, name: str) -> dict[str, Any]:
        """Any section by name: `monitors`, `integrations`..."""
        return self._held[name]

    @contextmanager
    def changed(self) -> Iterator[None]:
        """Hold the lock, and write the file when the block ends well."""
        with self.lock:
            yield
            fresh = self._path.with_suffix(".new")
            with fresh.open("w") as file:
                json.dump(self._held, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
