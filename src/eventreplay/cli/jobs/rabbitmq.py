"""The work of `rabbitmq declare`."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from eventreplay.cli.screen import print_json, print_line, shown
from eventreplay.config import plugin_settings
from eventreplay.errors import ConfigError
from eventreplay.sources.rabbitmq import RabbitSettings


def declare(queue: str | None, options: list[str], config: Path | None, *, as_json: bool) -> int:
    """Declare what the settings say; tell what is there now."""
    settings = cast(
        "RabbitSettings", plugin_settings("rabbitmq", RabbitSettings, config, None, options, queue)
    )
    try:
        from eventreplay.sources.rabbitmq import topology  # noqa: PLC0415 - an optional driver
    except ModuleNotFoundError as error:
        raise ConfigError(
            "RabbitMQ needs the driver pika.", hint="Install it: pip install 'eventreplay[amqp]'."
        ) from error
    done = topology.declare(settings)
    if as_json:
        print_json(
            {"declared": [{"kind": one.kind, "name": one.name, "arguments": one.arguments} for one in done]}
        )
    else:
        for one in done:
            details = ", ".join(f"{name}={value}" for name, value in one.arguments.items())
            print_line(f"{one.kind} {shown(one.name)} is there{f' ({details})' if details else ''}.")
    return 0
