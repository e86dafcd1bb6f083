"""Every guide's code is run as a reader would run it: block after block, in an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).resolve().parents[3]
BLOCK = re.compile(
    r"^```(?P<kind>\w+)(?: title=(?P<title>\S+))?\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)


@frozen
class Block:
    """A fenced block: `python` runs, `python title=…` becomes a file, `console` runs its `$` lines."""

    kind: str
    title: str | None
    code: str


def blocks(path: Path) -> list[Block]:
    found = BLOCK.finditer(path.read_text("utf-8"))
    return [Block(match["kind"], match["title"], match["code"]) for match in found]


def guides() -> list[Path]:
    pages = sorted((ROOT / "docs").glob("*.md"))
    return [page for page in pages if any(block.kind in {"python", "console"} for block in blocks(page))]


def run(command: list[str], folder: Path) -> None:
    bin_folder = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": bin_folder + os.pathsep + os.environ["PATH"],
        "PYTHONPATH": str(folder),
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, (
        f"{shlex.join(command[:4])} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    )


@pytest.mark.parametrize("page", guides(), ids=lambda page: page.name)
def test_the_code_of_a_guide_runs(page: Path, tmp_path: Path) -> None:
    script: list[str] = []
    for block in blocks(page):
        if block.kind == "python" and block.title is not None:
            (tmp_path / block.title).write_text(block.code, "utf-8")
        elif block.kind == "python":
            script.append(block.code)
        elif block.kind == "console":
            for line in block.code.splitlines():
                if line.startswith("$ "):
                    run(shlex.split(line[2:]), tmp_path)
    if script:
        (tmp_path / "guide.py").write_text("\n".join(script), "utf-8")
        run([sys.executable, "guide.py"], tmp_path)


def test_the_source_of_the_guide_is_short() -> None:
    code = next(
        block.code for block in blocks(ROOT / "docs" / "writing-a-source.md") if block.title is not None
    )
    assert len([line for line in code.splitlines() if line.strip()]) < 30


def test_links_between_pages_lead_somewhere() -> None:
    pages = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("dbt/*.md"),
        *ROOT.glob("plugins/*.md"),
    ]
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert dead == []
