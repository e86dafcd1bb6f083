"""The work of `plugins`."""

from __future__ import annotations

from attrs import asdict

from eventreplay import registry
from eventreplay.cli.screen import print_json, print_table


def run(*, as_json: bool) -> int:
    """List what is registered, and what keeps it from being used."""
    found = registry.plugins()
    if as_json:
        print_json({"plugins": [asdict(plugin) for plugin in found]})
        return 0
    rows = [
        (plugin.kind, plugin.name, plugin.distribution, plugin.version, plugin.problem or "ready")
        for plugin in found
    ]
    print_table("Plugins", ("kind", "name", "from", "version", "state"), rows)
    return 0
