from __future__ import annotations

from pathlib import Path

import pytest

from eventreplay.transform import project_folder
from eventreplay.transform.project import fingerprint


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: p\n", "utf-8")
    (folder / "models" / "a.sql").write_text("select 1", "utf-8")
    return folder


def test_what_dbt_leaves_behind_has_no_part_in_the_fingerprint(project: Path) -> None:
    before = fingerprint(project)
    for name in ("target/manifest.json", "logs/dbt.log", ".user.yml"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("x", "utf-8")
    assert fingerprint(project) == before
    moved = project.rename(project.parent / "elsewhere")
    assert fingerprint(moved) == before


@pytest.mark.parametrize("change", ["content", "name", "more"])
def test_a_change_changes_it(project: Path, change: str) -> None:
    before = fingerprint(project)
    if change == "content":
        (project / "models" / "a.sql").write_text("select 2", "utf-8")
    elif change == "name":
        (project / "models" / "a.sql").rename(project / "models" / "b.sql")
    else:
        (project / "models" / "b.sql").write_text("", "utf-8")
    assert fingerprint(project) != before


def test_the_projects_own_folder_is_found() -> None:
    assert (project_folder() / "dbt_project.yml").is_file()
