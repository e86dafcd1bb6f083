"""What people and scripts see: tables or JSON on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

PIPE_CHARACTERS_MAX = 1000
"""Width of a table where the output is no terminal."""

_BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}
_UNSAFE = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    code: f"\\u{code:04x}" for code in (*_BIDI, 0x2028, 0x2029)
}
_UNSAFE |= {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}


def visible(text: object) -> str:
    """`text` with everything spelled out that could steer a terminal: controls, escapes, bidi marks."""
    return str(text).translate(_UNSAFE)


def plain(value: object) -> object:
    """A value as JSON has it: bytes as hex, moments as ISO 8601 in UTC, decimals as their text."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def moment_text(moment: datetime) -> str:
    """A moment in UTC to the microsecond; a naive one is taken for UTC, as RAW stores it."""
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def print_json(facts: object) -> None:
    """One JSON document on stdout, ASCII only: the same bytes whatever the locale."""
    # Not `print` to a rich console: that one wraps lines to the width of the terminal.
    sys.stdout.write(json.dumps(plain(facts), indent=2, ensure_ascii=True, allow_nan=False) + "\n")
    sys.stdout.flush()


def tell(text: str) -> None:
    """One line for a person, on stderr."""
    print(visible(text), file=sys.stderr, flush=True)  # noqa: T201 - this is the program's output


def stdout_console() -> Console:
    """The terminal that results go to."""
    from rich.console import Console  # noqa: PLC0415 - scripts that ask for JSON need none of it

    if sys.stdout.isatty():
        return Console(highlight=False)
    # A file or a pipe has no width: nothing is folded there.
    return Console(highlight=False, soft_wrap=True, width=PIPE_CHARACTERS_MAX)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()
) -> None:
    """A table on stdout; numbers get thousands separators, columns in `right` are aligned to the right."""
    from rich import box  # noqa: PLC0415 - see stdout_console
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(
        title=Text(visible(title), style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    to_right = set(right)
    for at, name in enumerate(columns):
        is_number = at in to_right
        table.add_column(
            Text(name), justify="right" if is_number else "left", no_wrap=is_number, overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(shown(value)) for value in row))
    stdout_console().print(table)


def print_line(text: str = "", *, style: str = "") -> None:
    """One line of a result on stdout."""
    from rich.text import Text  # noqa: PLC0415 - see stdout_console

    stdout_console().print(Text(visible(text), style=style))


def shown(value: Any) -> str:
    """A value in a table cell: 1,234,567; an em dash for what is not there."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return moment_text(value)
    return visible(plain(value))


def size_text(count_bytes: int) -> str:
    """Bytes for people, in units of 1000: 1.2 MB."""
    size = float(count_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004 - the unit's own step
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
