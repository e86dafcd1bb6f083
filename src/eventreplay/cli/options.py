"""Options that several commands share, and how examples stand in a command's help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Option

from eventreplay.cli.durations import seconds

AsJson = Annotated[bool, Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
ConfigFile = Annotated[
    Path | None,
    Option(
        "--config", metavar="FILE", help="Settings file; default: eventreplay.toml here, if there is one."
    ),
]
LogUrl = Annotated[
    str | None,
    Option("--log", metavar="URL", help="The log: a folder, or s3://bucket/prefix.", show_default=False),
]
SinkUrl = Annotated[
    str | None,
    Option(
        "--sink", metavar="URL", help="Where rows go, e.g. duckdb:///warehouse.duckdb.", show_default=False
    ),
]
Warehouse = Annotated[
    Path | None,
    Option(
        "--warehouse",
        metavar="PATH",
        help="The DuckDB file; default: the sink of the settings.",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    Option(
        "--workers", min=1, help="Work done side by side; no influence on the result.", show_default=False
    ),
]
ReplayId = Annotated[
    str | None,
    Option(
        "--replay-id", metavar="NAME", help="Whose checkpoints to use; default: live.", show_default=False
    ),
]
Schemas = Annotated[
    str | None,
    Option(
        "--schemas",
        metavar="NAME",
        help="Schemas that payloads are written in; default: the only ones that are installed.",
        show_default=False,
    ),
]
PluginOptions = Annotated[
    list[str] | None,
    Option(
        "--option",
        "-o",
        metavar="NAME=VALUE",
        help="An option of the plugin; may be given several times. No secrets: others see a command line.",
        show_default=False,
    ),
]
AcceptCodecChange = Annotated[
    bool,
    Option("--accept-codec-change", help="Go on although another codec made the rows that are there."),
]
MANY_ROWS = 100
"""Rows that a listing shows unless told otherwise."""


def optional(name: str, panel: str | None = None, **more: Any) -> Any:
    """An option without a default to show, under a heading of the help."""
    return Option(name, show_default=False, rich_help_panel=panel, **more)


def duration(name: str, text: str, panel: str | None = None) -> Any:
    """An option that takes a duration, such as 500ms, 30s, 10m, 2h."""
    return optional(name, panel, metavar="DURATION", parser=seconds, help=text)


def examples(*lines: str) -> str:
    """The epilog of a command: its examples, one a paragraph, as the help formatter wants them."""
    shown = [f"[cyan]$ {line}[/cyan]" for line in lines]
    return "\n\n".join(["[bold]Examples[/bold]", *shown])
