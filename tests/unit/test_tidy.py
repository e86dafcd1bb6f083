"""Rules that a reader would otherwise have to hold in mind; each says why, and each is shown to bite."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).resolve().parents[2]
CODE = ("src", "tests", "tools", "benchmarks", "dags", "plugins")
TEXT = (*CODE, "docs", "proto", "dbt", "deploy", ".ci", "Makefile", "pyproject.toml", ".gitignore")
TEXT_SUFFIXES = {"", ".ini", ".json", ".md", ".proto", ".py", ".sh", ".sql", ".toml", ".txt", ".yaml", ".yml"}
MADE_BY_TOOLS = {"__pycache__", "target", "logs", "dbt_packages", ".venv", "node_modules", ".hypothesis"}

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400
# Written apart, or this file would be the first to break the rule.
LEFTOVERS = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
MONEY = r"amount|price|money|revenue|cost|discount|tax|fee|refund|insured|paid|decimal|nanos"

Check = Callable[[Path, str], Iterator[str]]


@frozen
class Rule:
    """One rule: why it is there, what it looks at, how it finds an offence, and an offender to prove it."""

    name: str
    why: str
    where: tuple[str, ...]
    check: Check
    offender: tuple[str, str]
    innocent: tuple[str, str]


def long_functions(path: Path, text: str) -> Iterator[str]:
    for node in walk(path, text):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.lineno}: {node.name} has {lines} lines, more than {FUNCTION_LINES_MAX}"


def long_files(path: Path, text: str) -> Iterator[str]:
    lines = text.count("\n")
    if path.suffix == ".py" and lines > FILE_LINES_MAX:
        yield f"{lines} lines, more than {FILE_LINES_MAX}"


def names_that_say_nothing(path: Path, _: str) -> Iterator[str]:
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "old", "stuff", "lib"}
    for part in (*path.parts[:-1], path.stem):
        if part.lower() in empty:
            yield f"{part!r} names nothing"


def leftovers(_: Path, text: str) -> Iterator[str]:
    yield from matches(rf"\b({'|'.join(LEFTOVERS)})\b", text)


def sleeps(path: Path, text: str) -> Iterator[str]:
    for node in walk(path, text):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "asyncio.sleep"}:
            yield f"{node.lineno}: sleeps"
        if isinstance(node, ast.ImportFrom) and node.module in {"time", "asyncio"}:
            yield from (f"{node.lineno}: imports sleep" for alias in node.names if alias.name == "sleep")


def unrun_tests(path: Path, text: str) -> Iterator[str]:
    never = {"skip", "skipif", "xfail", "importorskip", "skipTest", "skipIf", "skipUnless", "expectedFailure"}
    for node in walk(path, text):
        if isinstance(node, ast.Attribute) and node.attr in never:
            yield f"{node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.ImportFrom) and node.module in {"pytest", "unittest"}:
            yield from (f"{node.lineno}: imports {alias.name}" for alias in node.names if alias.name in never)


def money_as_float(path: Path, text: str) -> Iterator[str]:
    if "report" in path.parts:
        return  # a bar is drawn to a float's length; the figure written on it comes from the decimal
    if path.suffix == ".sql":
        binary = r"(::\s*|\bas\s+)(double|float|real)"
        yield from (line for line in matches(rf"(?i){binary}", text) if re.search(rf"(?i){MONEY}", line))
    for node in walk(path, text):
        is_float = isinstance(node, ast.Call) and ast.unparse(node.func) in {
            "float",
            "np.float64",
            "numpy.float64",
        }
        if is_float and re.search(rf"(?i){MONEY}", ast.unparse(node)):
            yield ast.unparse(node)


def paths_of_a_machine(_: Path, text: str) -> Iterator[str]:
    yield from matches(r"(?<![\w.~$}])/(?:home|root|Users|work|mnt|opt|private)/\w|[A-Z]:\\\\?Users", text)


def registries(_: Path, text: str) -> Iterator[str]:
    yield from matches(
        r"https?://|file://|--(?:extra-)?index-url|--find-links|--trusted-host|pythonhosted", text
    )


def positions_by_truth(path: Path, text: str) -> Iterator[str]:
    if path.stem.endswith("_bites"):
        return  # plants this very bug, to see a suite catch it
    places = {"position", "offset", "after", "upto", "after_offset", "upto_offset"}
    for node in walk(path, text):
        if (
            isinstance(node, ast.arg)
            and node.annotation is not None
            and ast.unparse(node.annotation) == "str"
        ):
            places.discard(node.arg)  # a key in a listing, not a place in an order
    for node in walk(path, text):
        asked: list[ast.expr] = []
        if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
            asked = [node.test]
        elif isinstance(node, ast.BoolOp):
            asked = node.values
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            asked = [node.operand]
        for each in asked:
            name = (
                each.id
                if isinstance(each, ast.Name)
                else each.attr
                if isinstance(each, ast.Attribute)
                else ""
            )
            if name in places:
                yield f"{each.lineno}: `{name}` is asked for its truth"


def swallowed_errors(path: Path, text: str) -> Iterator[str]:
    for node in walk(path, text):
        if isinstance(node, ast.ExceptHandler):
            caught = "everything" if node.type is None else ast.unparse(node.type)
            silent = all(isinstance(each, ast.Pass | ast.Continue) for each in node.body)
            if silent and caught in {"everything", "Exception", "BaseException"}:
                yield f"{node.lineno}: swallows {caught}"


def walk(path: Path, text: str) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(text, str(path))) if path.suffix == ".py" else iter(())


def matches(pattern: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(pattern, line):
            yield f"{number}: {line.strip()[:100]}"


RULES = [
    Rule(
        "long functions",
        "a function is read in one look: about one screen",
        CODE,
        long_functions,
        ("src/a.py", "def f() -> None:\n" + "    print()\n" * FUNCTION_LINES_MAX),
        ("src/a.py", "def f() -> None:\n" + "    print()\n" * (FUNCTION_LINES_MAX - 1)),
    ),
    Rule(
        "long files",
        "a file has one subject, and fits in a head",
        CODE,
        long_files,
        ("src/a.py", "x = 1\n" * (FILE_LINES_MAX + 1)),
        ("src/a.py", "x = 1\n" * FILE_LINES_MAX),
    ),
    Rule(
        "names that say nothing",
        "a drawer called `utils` fills with what nobody finds again",
        CODE,
        names_that_say_nothing,
        ("src/eventreplay/utils/text.py", ""),
        ("src/eventreplay/hashing.py", ""),
    ),
    Rule(
        "leftovers",
        "work that is open stands in the issue tracker, where somebody sees it",
        TEXT,
        leftovers,
        ("docs/a.md", f"- {LEFTOVERS[0]}: say why\n"),
        ("docs/a.md", "The method of the todos.\n"),
    ),
    Rule(
        "sleeps",
        "a sleep is too short on a slow machine and too long on a fast one: wait for a condition",
        CODE,
        sleeps,
        ("tests/unit/test_a.py", "import time\ntime.sleep(1)\n"),
        ("tests/unit/test_a.py", "import threading\nthreading.Event().wait(timeout=1)\n"),
    ),
    Rule(
        "tests that do not run",
        "a test that is not run proves nothing, and looks as if it did",
        ("tests", "plugins", "src/eventreplay/testing"),
        unrun_tests,
        ("tests/a.py", "import pytest\n@pytest.mark.skip\ndef test_a() -> None: ...\n"),
        ("tests/a.py", "text = 'skip'\n"),
    ),
    Rule(
        "money as float",
        "0.1 + 0.2 is not 0.3: decimals are exact, or in the quarantine (promise P8)",
        ("src", "dbt", "dags", "plugins"),
        money_as_float,
        ("src/a.py", "total = float(row.amount)\n"),
        ("src/a.py", "share = float(seconds)\n"),
    ),
    Rule(
        "paths of a machine",
        "what names a folder of its author's machine works nowhere else",
        TEXT,
        paths_of_a_machine,
        ("docs/a.md", "Run it in /" + "home/ada/eventreplay.\n"),
        ("docs/a.md", "See s3://bucket/home/events and ./work/log.\n"),
    ),
    Rule(
        "registries in a lock",
        "where packages come from is the choice of whoever installs; the hashes say what they must be",
        ("requirements",),
        registries,
        ("requirements/dev.txt", "--index-url https://packages.example/simple\n"),
        ("requirements/dev.txt", "attrs==26.1.0 \\\n    --hash=sha256:00\n"),
    ),
    Rule(
        "positions by truth",
        "position 0 is a position: ask `is None`",
        CODE,
        positions_by_truth,
        ("src/a.py", "start = after or 0\n"),
        ("src/a.py", "start = 0 if after is None else after + 1\n"),
    ),
    Rule(
        "swallowed errors",
        "an error that nobody hears of comes back as wrong data",
        CODE,
        swallowed_errors,
        ("src/a.py", "try:\n    f()\nexcept Exception:\n    pass\n"),
        ("src/a.py", "try:\n    f()\nexcept FileNotFoundError:\n    pass\n"),
    ),
]
by_name = pytest.mark.parametrize("rule", RULES, ids=[rule.name.replace(" ", "-") for rule in RULES])


def texts(where: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    """Every text file under the named folders and files, by its path in the repository."""
    for name in where:
        place = ROOT / name
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            inside = path.relative_to(ROOT)
            if path.is_file() and path.suffix in TEXT_SUFFIXES and not MADE_BY_TOOLS & set(inside.parts):
                yield inside, path.read_text("utf-8")
    for path in sorted(ROOT.glob("*.md")) if "docs" in where else ():
        yield path.relative_to(ROOT), path.read_text("utf-8")


@by_name
def test_the_project_keeps_the_rule(rule: Rule) -> None:
    offences = [f"{path}:{found}" for path, text in texts(rule.where) for found in rule.check(path, text)]
    assert not offences, f"{rule.name} ({rule.why}):\n" + "\n".join(offences)


@by_name
def test_the_rule_looks_at_something(rule: Rule) -> None:
    assert next(texts(rule.where), None) is not None


@by_name
def test_the_rule_bites(rule: Rule) -> None:
    path, text = rule.offender
    assert list(rule.check(Path(path), text))


@by_name
def test_the_rule_lets_the_innocent_pass(rule: Rule) -> None:
    path, text = rule.innocent
    assert not list(rule.check(Path(path), text))


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (sleeps, "from time import sleep\n"),
        (sleeps, "import asyncio\nasyncio.sleep(0)\n"),
        (unrun_tests, "from pytest import skip\n"),
        (unrun_tests, "import pytest\npytest.importorskip('duckdb')\n"),
        (positions_by_truth, "if not checkpoint.position:\n    f()\n"),
        (positions_by_truth, "x = 1 if offset else 2\n"),
        (swallowed_errors, "try:\n    f()\nexcept:\n    pass\n"),
    ],
)
def test_a_rule_sees_other_spellings(check: Check, text: str) -> None:
    assert list(check(Path("tests/a.py"), text))


def test_money_is_not_cast_to_float_in_sql() -> None:
    model = Path("dbt/models/marts/fct_orders.sql")
    assert list(money_as_float(model, "select cast(revenue as double) from orders\n"))
    assert list(money_as_float(model, "select unit_price::float from lines\n"))
    assert not list(money_as_float(model, "select cast(revenue as decimal(38, 4)) from orders\n"))


def numbering(names: list[str]) -> list[str]:
    """What is wrong with the names of decision records: each NNN-title.md, counted from 001 without a gap."""
    wrong = [name for name in names if re.fullmatch(r"[0-9]{3}-[a-z0-9-]+\.md", name) is None]
    numbers = [int(name[:3]) for name in sorted(names) if name not in wrong]
    if numbers != list(range(1, len(numbers) + 1)):
        wrong.append(f"numbers {numbers}")
    return wrong


def test_decisions_are_numbered() -> None:
    """A number is how people refer to a decision: it never changes, and none is missing."""
    records = sorted((ROOT / "docs/decisions").glob("*"))
    assert len(records) > 0
    assert not numbering([record.name for record in records])
    for record in records:
        title = record.read_text("utf-8").splitlines()[0]
        assert title.startswith("# "), f"{record.name} begins with its title"
        lines = record.read_text("utf-8").count("\n")
        assert lines <= 80, f"{record.name} is longer than a decision has to be"


@pytest.mark.parametrize(
    "names", [["001-a.md", "003-b.md"], ["001-a.md", "001-b.md"], ["1-a.md"], ["001-a.md", "notes.md"]]
)
def test_wrong_numbers_of_decisions_are_seen(names: list[str]) -> None:
    assert numbering(names)
