"""Options of the commands that need the code: which dbt project, how it is run, how much memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from eventreplay.cli.options import optional

_DBT = "dbt"

Project = Annotated[
    Path | None,
    optional("--project", _DBT, metavar="DIR", help="The dbt project; default: the packaged one."),
]
Target = Annotated[
    str | None,
    optional("--target", _DBT, metavar="NAME", help="Output of its profile; default: as the sink says."),
]
Threads = Annotated[
    int | None,
    optional("--threads", _DBT, min=1, help="Models at a time; default: as the profile says."),
]
Work = Annotated[
    Path | None,
    optional(
        "--work",
        _DBT,
        metavar="DIR",
        help="Folder for dbt's artifacts, kept to save parsing; default: one in the temporary folder.",
    ),
]
Memory = Annotated[
    int | None,
    optional(
        "--memory",
        metavar="MB",
        min=64,
        help="Bound on the memory of a DuckDB warehouse, in this process and in dbt's.",
    ),
]
NoReceipt = Annotated[
    bool, Option("--no-receipt", help="Keep no receipt of this beside the log.", show_default=False)
]
