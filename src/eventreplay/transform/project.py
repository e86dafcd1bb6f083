"""Where a dbt project lies, and what it is: a fingerprint of its files."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path

from eventreplay.errors import ConfigError

# What dbt and its users leave in a project; none of it changes what is built.
_LEFT = frozenset({"target", "logs", ".user.yml", "__pycache__"})


def project_folder() -> Path:
    """The sports-card project: inside an installed wheel, else beside the source tree.

    Raises:
        ConfigError: it is in neither place.
    """
    packaged = Path(str(files("eventreplay"))) / "demo" / "_dbt"
    for candidate in (packaged, Path(__file__).resolve().parents[3] / "dbt"):
        if (candidate / "dbt_project.yml").is_file():
            return candidate
    raise ConfigError(
        "The dbt project of the demo is not there.",
        hint="Install eventreplay from its wheel, or run from a clone of the repository.",
    )


def fingerprint(project: Path) -> str:
    """SHA-256 over names and bytes of the project's files, hexadecimal; the same wherever it lies.

    Raises:
        ConfigError: the folder holds no dbt project.
    """
    if not (project / "dbt_project.yml").is_file():
        raise ConfigError(
            f"{project} holds no dbt project.", hint="Give a folder that has a dbt_project.yml."
        )
    digest = hashlib.sha256()
    for path in sorted(project.rglob("*")):
        name = path.relative_to(project)
        if not _LEFT.isdisjoint(name.parts) or not path.is_file():
            continue
        content = path.read_bytes()
        digest.update(f"{name.as_posix()}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
        digest.update(content)
    return digest.hexdigest()
