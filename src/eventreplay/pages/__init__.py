"""HTML pages that hold all they need and ask the network for nothing; a policy in the page forbids it.

What every page shares: its style, its one script, macros for tables and figures, charts drawn to SVG, and how
figures are worded. The same facts give the same page, byte for byte.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

__all__ = ["rendered"]


def rendered(package: str, template: str, **facts: Any) -> str:
    """A page's text.

    Args:
        package: where its templates lie; those of this package are found by their names too.
        template: name of the one to begin with.
        facts: what it is about. Text is escaped where it is put in; `wording.safe` takes out what no escaping
            makes harmless.
    """
    script = _asset(__name__, "page.js")

    def load(name: str) -> str:
        return _asset(package if (files(package) / name).is_file() else __name__, name)

    environment = Environment(
        loader=FunctionLoader(load),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        **facts,
        style=_asset(__name__, "page.css"),
        script=script,
        # Only this script may run, whatever a name in the data looks like.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _asset(package: str, name: str) -> str:
    return (files(package) / name).read_text("utf-8")
