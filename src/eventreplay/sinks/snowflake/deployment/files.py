"""The migrations as files: `sql/NNN_name.sql`, whose first lines say who runs it and whether it is optional.

    -- scope: account            (or database)
    -- option: external-stage    (only run where that was asked for)
    -- needs: storage_url        (values that have no default)

`&{name}` stands for a value of `Deployment`, as SnowSQL and the Snowflake CLI write it: the files can be run
by hand too. A statement ends with a semicolon at the end of a line. Snowflake commits every definition by
itself, so each statement has to bear being run again after a crash.
"""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal

from attrs import frozen

from eventreplay.sinks.snowflake.deployment.names import Deployment

Scope = Literal["account", "database"]
_NAME = re.compile(r"(?P<number>\d{3})_(?P<name>[a-z0-9_]+)\.sql")
_HEADER = re.compile(r"^-- (scope|option|needs): (.+)$", re.MULTILINE)
_VARIABLE = re.compile(r"&\{(\w+)\}")


@frozen(kw_only=True)
class Migration:
    """One file.

    Attributes:
        number: its place in the order, from 1, without gaps.
        name: the rest of the file's name.
        scope: `account`: an administrator runs it; `database`: the owner of the database's schemas.
        option: run only where this was asked for; None: always.
        needs: values it cannot do without.
        sha256: of the file's bytes, so of what was reviewed, whatever the names are.
        text: of the file.
    """

    number: int
    name: str
    scope: Scope
    option: str | None
    needs: tuple[str, ...]
    sha256: str
    text: str

    @property
    def title(self) -> str:
        """As in the file's name: `002_raw`."""
        return f"{self.number:03d}_{self.name}"

    def statements(self, deployment: Deployment) -> tuple[str, ...]:
        """Its statements for one environment, without comments and final semicolons.

        Raises:
            ConfigError: a value that it needs is not given.
        """
        deployment.require(self.needs)
        texts = deployment.texts()
        lines = [line for line in self.text.splitlines() if not line.startswith("--")]
        parts = re.split(r";[ \t]*(?:\n|$)", "\n".join(lines))
        return tuple(
            _VARIABLE.sub(lambda found: texts[found[1]], part.strip()) for part in parts if part.strip()
        )


def migrations(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """All migrations in order.

    Args:
        folder: where the files are; None: those of this package.

    Raises:
        ValueError: a file's name or head is malformed, or the numbers have a gap.
    """
    place = folder if folder is not None else resources.files(__package__) / "sql"
    found = sorted(
        (_read(file) for file in place.iterdir() if file.name.endswith(".sql")), key=lambda one: one.number
    )
    if [one.number for one in found] != list(range(1, len(found) + 1)):
        raise ValueError("The numbers of the migrations do not run from 1 without a gap.")
    return tuple(found)


def _read(file: Traversable) -> Migration:
    content = file.read_bytes()
    text = content.decode("utf-8")
    name = _NAME.fullmatch(file.name)
    head = dict(_HEADER.findall(text))
    if name is None or head.get("scope") not in ("account", "database"):
        raise ValueError(f"{file.name} has no number or no scope.")
    return Migration(
        number=int(name["number"]),
        name=name["name"],
        scope="account" if head["scope"] == "account" else "database",
        option=head.get("option"),
        needs=tuple(head["needs"].split()) if "needs" in head else (),
        sha256=hashlib.sha256(content).hexdigest(),
        text=text,
    )


def chosen(found: tuple[Migration, ...], options: tuple[str, ...]) -> tuple[Migration, ...]:
    """Those that are always run and those of the options.

    Raises:
        ValueError: there is no such option.
    """
    known = {one.option for one in found if one.option is not None}
    for option in options:
        if option not in known:
            raise ValueError(f"{option!r} is no option; there are: {', '.join(sorted(known))}.")
    return tuple(one for one in found if one.option is None or one.option in options)


def script(wanted: tuple[Migration, ...], deployment: Deployment) -> str:
    """Migrations as one text to read or to run by hand."""
    parts = []
    for one in wanted:
        who = "an administrator" if one.scope == "account" else f'role "{deployment.owner}"'
        option = f", option {one.option}" if one.option is not None else ""
        parts.append(f"-- {one.title}: {who}{option}; SHA-256 {one.sha256}")
        parts += [f"{statement};" for statement in one.statements(deployment)]
        parts.append("")
    return "\n".join(parts)
