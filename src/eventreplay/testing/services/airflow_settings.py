"""The environment of an Airflow for tests: on the loopback, quick to see a change, in touch with nobody."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import field, frozen

from eventreplay.testing.services import finding
from eventreplay.testing.services.ports import LOOPBACK

USER = "admin"
PASSWORDS = "passwords.json"
PARALLEL_TASKS = 6
"""Processes that run tasks; each waits most of its time for a server."""

Connections = Mapping[str, Mapping[str, Any] | str]

_FIXED: Mapping[str, str] = {
    "CORE__EXECUTOR": "LocalExecutor",
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__PARALLELISM": str(PARALLEL_TASKS),
    # The default asks the resolver, which may ask a name server.
    "CORE__HOSTNAME_CALLABLE": "socket.gethostname",
    "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
    # Events of assets reach the database with the run that made them; a changed DAG with its next parse.
    "CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
    # Nothing here is asynchronous; its driver (asyncpg) need not be installed.
    "DATABASE__SQL_ALCHEMY_CONN_ASYNC": "",
    "DATABASE__SQL_ALCHEMY_POOL_SIZE": "3",
    "LOGGING__COLORED_CONSOLE_LOG": "False",
    "LOGGING__UVICORN_LOGGING_LEVEL": "WARNING",
    "API__HOST": LOOPBACK,
    "API__WORKERS": "1",
    "API__ENABLE_SWAGGER_UI": "False",
    # A loaded machine answers late; that is no reason to give a task up.
    "WORKERS__EXECUTION_API_TIMEOUT": "30",
    "WORKERS__MAX_FAILED_HEARTBEATS": "12",
    "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
    "SCHEDULER__PARSING_CLEANUP_INTERVAL": "600",
    "TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    # New files are seen within seconds; those that did not change are not read again and again.
    "DAG_PROCESSOR__REFRESH_INTERVAL": "2",
    "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
    "DAG_PROCESSOR__STALE_DAG_THRESHOLD": "1200",
    "DAG_PROCESSOR__PRINT_STATS_INTERVAL": "600",
    # Our operators have lineage; who wants to see it names a transport in `environment`.
    "OPENLINEAGE__DISABLED": "True",
}


@frozen(kw_only=True)
class Keys:
    """What an installation of Airflow holds secret; made anew for each.

    Attributes:
        password: of the user `admin`.
        fernet: encrypts connections in the metadata database.
        token: signs the tokens of users and tasks.
        session: signs cookies.
    """

    password: str = field(factory=lambda: secrets.token_urlsafe(18), repr=False)
    fernet: str = field(
        factory=lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(), repr=False
    )
    token: str = field(factory=lambda: secrets.token_urlsafe(48), repr=False)
    session: str = field(factory=lambda: secrets.token_urlsafe(24), repr=False)


def given(connections: Connections, variables: Mapping[str, str]) -> dict[str, str]:
    """Connections and variables as Airflow's own environment variables; a connection is JSON or a URI."""
    shown = {
        f"AIRFLOW_CONN_{name.upper()}": value if isinstance(value, str) else json.dumps(dict(value))
        for name, value in connections.items()
    }
    return shown | {f"AIRFLOW_VAR_{name.upper()}": value for name, value in variables.items()}


def settings_of(folder: Path, dags: Path, port: int, database: str, keys: Keys) -> dict[str, str]:
    """The whole environment of Airflow's processes, without what a caller adds.

    Args:
        folder: AIRFLOW_HOME, where logs and the file of passwords are.
        dags: folder of DAG files.
        port: where the API server listens.
        database: postgresql:// URL of the metadata database.
        keys: of this installation.
    """
    url = f"http://{LOOPBACK}:{port}"
    settings = {
        **_FIXED,
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__PLUGINS_FOLDER": str(folder / "plugins"),
        "CORE__FERNET_KEY": keys.fernet,
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / PASSWORDS),
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "DATABASE__SQL_ALCHEMY_CONN": urlsplit(database)._replace(scheme="postgresql+psycopg2").geturl(),
        "LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(folder / "logs" / "dag_processor"),
        "API__PORT": str(port),
        "API__BASE_URL": url,
        "API__SECRET_KEY": keys.session,
        "API_AUTH__JWT_SECRET": keys.token,
    }
    return {
        **finding.clean_environment(),
        # Drivers look for settings in the home folder; a test's come from the test alone.
        "HOME": str(folder),
        "AIRFLOW_HOME": str(folder),
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": "*",
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
        **{f"AIRFLOW__{name}": value for name, value in settings.items()},
    }
