"""What somebody gets who installs the wheel, without a clone beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_what_the_demo_and_authors_of_schemas_need(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "eventreplay/py.typed",
        "eventreplay/interfaces.py",
        "eventreplay/demo/schemas/sportscards.binpb",
        "eventreplay/demo/_dbt/dbt_project.yml",
        "eventreplay/demo/_dbt/profiles.yml",
        "eventreplay/_proto/eventreplay/v1/options.proto",
    } <= names
    assert any(name.startswith("eventreplay/demo/_dbt/models/") for name in names)


def test_it_holds_every_module_and_nothing_of_the_work_place(wheel: Path, root: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    modules = {path.relative_to(root / "src").as_posix() for path in (root / "src").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == modules
    strangers = ("__pycache__", "/target/", "/logs/", ".user.yml", ".duckdb", "/dbt_packages/")
    assert [name for name in names if any(each in name for each in strangers)] == []
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"eventreplay"}


def test_its_metadata_names_the_licence_the_readme_and_the_versions(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(archive.read(name).decode("utf-8"))
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == "<3.14,>=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    ends = {"amqp", "dbt", "dbt-snowflake", "demo", "duckdb", "postgres", "s3", "snowflake"}
    extras = ends | {"services", "standin", "testing"}
    assert set(metadata.get_all("Provides-Extra") or []) == extras


def test_the_command_and_the_dbt_project_are_found_without_a_clone(wheel: Path, tmp_path: Path) -> None:
    """Unpacked is as good as installed: metadata, entry points and packages are found on the path."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import eventreplay, sys\n"
        "from importlib.metadata import entry_points\n"
        "from eventreplay.transform import project_folder\n"
        "print(eventreplay.__file__)\n"
        "print(project_folder())\n"
        "print(next(iter(entry_points(group='console_scripts', name='eventreplay'))).load().__module__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    package = tmp_path / "site/eventreplay"
    assert done.stdout.splitlines() == [
        str(package / "__init__.py"),
        str(package / "demo/_dbt"),
        "eventreplay.cli",
    ]
