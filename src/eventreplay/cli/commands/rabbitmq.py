"""`rabbitmq declare|check`: make a queue that loses nothing, and see whether one can be captured."""

from __future__ import annotations

from typing import Annotated

import typer

from eventreplay.cli.options import AsJson, ConfigFile, PluginOptions, examples

group = typer.Typer(help="Declare and look at a queue of RabbitMQ.", no_args_is_help=True)

Queue = Annotated[
    str | None,
    typer.Argument(metavar="[QUEUE]", help="Default: the one of the settings.", show_default=False),
]


@group.command(
    epilog=examples(
        "eventreplay rabbitmq declare orders -o bind=shop:orders.#",
        "eventreplay rabbitmq declare orders -o queue_type=classic --json",
    )
)
def declare(
    queue: Queue = None, option: PluginOptions = None, config: ConfigFile = None, as_json: AsJson = False
) -> int:
    """Declare a durable queue, its dead-letter exchange and queue, and its bindings. Again does nothing."""
    from eventreplay.cli.jobs import rabbitmq as job  # noqa: PLC0415 - see the package

    return job.declare(queue, option or [], config, as_json=as_json)


@group.command(
    epilog=examples(
        "eventreplay rabbitmq check orders",
        "eventreplay rabbitmq check -o host=mq.example -o tls=true --json || alert",
    )
)
def check(
    queue: Queue = None, option: PluginOptions = None, config: ConfigFile = None, as_json: AsJson = False
) -> int:
    """Say whether the broker, the rights and the queue are as a capture needs them. Takes no message."""
    from eventreplay.cli.jobs import ends as job  # noqa: PLC0415 - see the package

    return job.check("source", "rabbitmq", queue, option or [], config, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(group, name="rabbitmq")
