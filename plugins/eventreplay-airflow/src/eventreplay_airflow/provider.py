"""What Airflow is told of this provider."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

PACKAGE = "eventreplay-airflow"
HOOK = "eventreplay_airflow.hook.EventReplayHook"


def provider_info() -> dict[str, Any]:
    """The description that Airflow's provider manager reads, by the schema of Airflow 3."""
    return {
        "package-name": PACKAGE,
        "name": "eventreplay",
        "description": "Capture events into an immutable log, replay it into a warehouse, exactly.",
        "versions": [version(PACKAGE)],
        "integrations": [
            {
                "integration-name": "eventreplay",
                "external-doc-url": "https://pypi.org/project/eventreplay-airflow/",
                "tags": ["software"],
            }
        ],
        "hooks": [{"integration-name": "eventreplay", "python-modules": ["eventreplay_airflow.hook"]}],
        "operators": [
            {
                "integration-name": "eventreplay",
                "python-modules": [
                    "eventreplay_airflow.operators.approval",
                    "eventreplay_airflow.operators.capture",
                    "eventreplay_airflow.operators.dbt",
                    "eventreplay_airflow.operators.rebuild",
                    "eventreplay_airflow.operators.replay",
                    "eventreplay_airflow.operators.verify",
                    "eventreplay_airflow.operators.wait",
                ],
            }
        ],
        "triggers": [
            {"integration-name": "eventreplay", "python-modules": ["eventreplay_airflow.triggers"]},
        ],
        # Of the four kinds of connections, this is the one that no provider of Airflow's own brings.
        "connection-types": [
            {
                "connection-type": "amqp",
                "hook-class-name": HOOK,
                "hook-name": "AMQP (RabbitMQ)",
            }
        ],
    }
