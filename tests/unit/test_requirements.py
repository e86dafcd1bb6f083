"""The lock is in step with pyproject.toml, and every bound says why it is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

LOCKED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;]+)(?:\s*;\s*([^\\]*))?")
SUPPORTED = ("3.11", "3.12", "3.13")


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def locked(root: Path) -> list[Requirement]:
    lines = (root / "requirements/dev.txt").read_text("utf-8").splitlines()
    return [Requirement(line.rstrip(" \\")) for line in lines if LOCKED.match(line)]


def wanted(project: dict[str, Any]) -> list[Requirement]:
    """What the lock is made from: the core, the extras `demo`, `s3` and `testing`, the group `dev`."""
    extras = project["project"]["optional-dependencies"]
    named = [*project["project"]["dependencies"], *extras["demo"], *extras["s3"], *extras["testing"]]
    named += [*extras["duckdb"], *extras["dbt"], *project["dependency-groups"]["dev"]]
    return [Requirement(text) for text in named if not text.startswith("eventreplay")]


@pytest.mark.parametrize("python", SUPPORTED)
def test_everything_that_is_wanted_is_locked_within_its_bounds(
    project: dict[str, Any], locked: list[Requirement], python: str
) -> None:
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    versions = {
        canonicalize_name(each.name): Version(str(each.specifier).removeprefix("=="))
        for each in locked
        if each.marker is None or each.marker.evaluate(environment)
    }
    for requirement in wanted(project):
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not locked. Run: make lock"
        assert version in requirement.specifier, f"{requirement} is locked at {version}. Run: make lock"


def test_every_locked_package_has_hashes(root: Path) -> None:
    for name in ("bootstrap", "dev", "plugins"):
        text = (root / f"requirements/{name}.txt").read_text("utf-8")
        blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert len(blocks) > 0
        for block in blocks:
            assert LOCKED.match(block), block[:80]
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block[:80]


def test_every_dependency_is_bounded_on_both_sides(project: dict[str, Any], root: Path) -> None:
    groups = [*project["project"]["optional-dependencies"].values(), project["project"]["dependencies"]]
    groups += [project["dependency-groups"]["dev"], project["build-system"]["requires"]]
    groups.append((root / "requirements/bootstrap.in").read_text("utf-8").split())
    for text in (text for texts in groups for text in texts if not text.startswith("eventreplay")):
        operators = {specifier.operator for specifier in Requirement(text).specifier}
        assert {">=", "<"} <= operators, f"{text} has no lower or no upper bound"


def test_every_dependency_of_users_says_why_it_is_bounded_so(root: Path) -> None:
    text = (root / "pyproject.toml").read_text("utf-8")
    lines = text[text.index("dependencies = [") : text.index("[project.scripts]")].splitlines()
    for line in lines:
        if re.match(r'\s+"[a-z0-9-]+[><=~]', line):
            assert re.search(r'",\s+# \S', line), f"no reason beside: {line.strip()}"


def test_the_supported_versions_are_named_the_same_everywhere(project: dict[str, Any], root: Path) -> None:
    assert project["project"]["requires-python"] == ">=3.11,<3.14"
    named = [line.rpartition(" ")[2] for line in project["project"]["classifiers"] if ":: 3." in line]
    assert tuple(named) == SUPPORTED
    assert "(3, 11) <= sys.version_info[:2] < (3, 14)" in (root / "tools/setup-venv").read_text("utf-8")
