"""Every guide's code is run as a reader would run it: block after block, in an empty folder.

A guide that needs servers names them in its first line, in a comment that readers do not see:

    <!-- services: postgres rabbitmq s3 snowflake -->

Its blocks then find a database, a virtual host, a bucket of their own in these variables, which are those
that a reader would set for a real server:

| name | variables |
|---|---|
| postgres | POSTGRES_URL; POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB, POSTGRES_USER, POSTGRES_PASSWORD |
| rabbitmq | RABBITMQ_URL; RABBITMQ_HOST, RABBITMQ_PORT, RABBITMQ_VHOST, RABBITMQ_USER, RABBITMQ_PASSWORD |
| s3 | S3_BUCKET; AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ALLOW_HTTP |
| snowflake | SNOWFLAKE_ACCOUNT, _HOST, _PORT, _PROTOCOL, _USER, _PASSWORD, _DATABASE, _SCHEMA |

A `console` block runs each of its `$ ` lines with bash; a line that ends in a backslash goes on in the next.
Other lines below a command are what it prints: all of them, in this order, maybe with more between; `…`
stands for any text.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from attrs import frozen

from eventreplay.testing.services import S3Server
from tests.tiers import tiered

ROOT = Path(__file__).resolve().parents[3]
BLOCK = re.compile(
    r"^```(?P<kind>\w+)(?: title=(?P<title>\S+))?\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)
LONG = {"deploy.md", "promotion.md", "rebuild-in-python.md"}
"""Guides that run dbt or migrations many times, of what other tests hold each time."""
OUTSIDE = ("AWS_", "POSTGRES_", "PG", "RABBITMQ_", "SNOWFLAKE_", "EVENTREPLAY_")
"""Variables of whoever runs the tests would lead to servers that are not the guide's."""


def postgres(request: pytest.FixtureRequest) -> dict[str, str]:
    url = request.getfixturevalue("postgres_url")
    return {"POSTGRES_URL": url, "POSTGRES_DB": urlsplit(url).path[1:], **place("POSTGRES", url)}


def rabbitmq(request: pytest.FixtureRequest) -> dict[str, str]:
    url = request.getfixturevalue("rabbitmq_url")
    vhost = unquote(urlsplit(url).path[1:])
    return {"RABBITMQ_URL": url, "RABBITMQ_VHOST": vhost, **place("RABBITMQ", url)}


def place(prefix: str, url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return {
        f"{prefix}_HOST": parts.hostname or "",
        f"{prefix}_PORT": str(parts.port),
        f"{prefix}_USER": unquote(parts.username or ""),
        f"{prefix}_PASSWORD": unquote(parts.password or ""),
    }


def s3(request: pytest.FixtureRequest) -> dict[str, str]:
    bucket = request.getfixturevalue("s3_bucket")
    server: S3Server = request.getfixturevalue("s3_server")
    return {"S3_BUCKET": bucket, **server.environment()}


def snowflake(request: pytest.FixtureRequest) -> dict[str, str]:
    arguments = request.getfixturevalue("snowflake_database")
    return {f"SNOWFLAKE_{name.upper()}": str(value) for name, value in arguments.items()}


VARIABLES: Mapping[str, Callable[[pytest.FixtureRequest], dict[str, str]]] = {
    "postgres": postgres,
    "rabbitmq": rabbitmq,
    "s3": s3,
    "snowflake": snowflake,
}


@frozen
class Block:
    """A fenced block: `python` runs, `python title=…` becomes a file, `console` runs its `$` lines."""

    kind: str
    title: str | None
    code: str


def blocks(path: Path) -> list[Block]:
    found = BLOCK.finditer(path.read_text("utf-8"))
    return [Block(match["kind"], match["title"], match["code"]) for match in found]


def services(path: Path) -> list[str]:
    """The servers that a page names in its first line."""
    first = path.read_text("utf-8").partition("\n")[0]
    found = re.fullmatch(r"<!-- services: ([a-z0-9 ]+) -->", first)
    return [] if found is None else found[1].split()


def commands(block: Block) -> list[tuple[str, list[str]]]:
    """What a reader types at the prompts of a console block, each with what is said to come of it."""
    found: list[tuple[str, list[str]]] = []
    for line in block.code.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip():
            found[-1][1].append(line)
    return found


def unsaid(lines: list[str], printed: str) -> str | None:
    """The first of the lines that was not printed, in their order; None: all were."""
    rest = printed.splitlines()
    for line in lines:
        pattern = re.compile(r"\s*" + ".*".join(map(re.escape, line.strip().split("…"))) + r"\s*")
        place = next((at for at, text in enumerate(rest) if pattern.fullmatch(text)), None)
        if place is None:
            return line
        rest = rest[place + 1 :]
    return None


def guides() -> list[Path]:
    pages = sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / "docs/guides").glob("*.md")])
    return [page for page in pages if any(block.kind in {"python", "console"} for block in blocks(page))]


def run(command: list[str], folder: Path, variables: Mapping[str, str]) -> str:
    """Run it; what it printed, on either stream."""
    bin_folder = str(Path(sys.executable).parent)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(OUTSIDE)},
        **variables,
        "PATH": bin_folder + os.pathsep + os.environ["PATH"],
        "PYTHONPATH": str(folder),
        "COLUMNS": "120",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, (
        f"{shlex.join(command[-2:])} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    )
    return f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize(
    "page", tiered(guides(), short=lambda _, page: page.name not in LONG, name=lambda page: page.name)
)
def test_the_code_of_a_guide_runs(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    variables: dict[str, str] = {}
    for name in services(page):
        variables |= VARIABLES[name](request)
    script: list[str] = []
    for block in blocks(page):
        if block.kind == "python" and block.title is not None:
            (tmp_path / block.title).write_text(block.code, "utf-8")
        elif block.kind == "python":
            script.append(block.code)
        elif block.kind == "console":
            for line, expected in commands(block):
                printed = run(["bash", "-euo", "pipefail", "-c", line], tmp_path, variables)
                missing = unsaid(expected, printed)
                assert missing is None, f"{line!r} does not print {missing!r}, but:\n{printed}"
    if script:
        (tmp_path / "guide.py").write_text("\n".join(script), "utf-8")
        run([sys.executable, "guide.py"], tmp_path, variables)


def test_what_a_guide_says_is_printed_has_to_be_printed() -> None:
    assert unsaid(["a … c", "  last"], "first\na b c\nmore\nlast  \n") is None
    assert unsaid(["last", "a … c"], "a b c\nlast") == "a … c"
    assert unsaid(["1.50"], "1X50") == "1.50"


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
