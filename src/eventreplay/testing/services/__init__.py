"""Real servers for tests: found or started, on the loopback, gone when the test process is gone.

`X.start()` starts a server of your own; `X.find()` takes the one that an environment variable names
(EVENTREPLAY_TEST_POSTGRES_URL, _RABBITMQ_URL, _S3_URL, _SNOWFLAKE_URL) if there is one. A server that cannot
be had is an error that says what was tried and what to install; nothing is ever left out silently.
"""

from __future__ import annotations

from eventreplay.testing.services.airflow import AirflowServer
from eventreplay.testing.services.airflow_api import AirflowError, Run, RunState, TaskState
from eventreplay.testing.services.ceph import CephServer
from eventreplay.testing.services.errors import (
    NotOursError,
    ServiceError,
    ServiceMissingError,
    ServiceNotReadyError,
)
from eventreplay.testing.services.postgres import PostgresServer
from eventreplay.testing.services.rabbitmq import RabbitServer
from eventreplay.testing.services.s3 import S3Server
from eventreplay.testing.services.standin import StandInServer

__all__ = [
    "AirflowError",
    "AirflowServer",
    "CephServer",
    "NotOursError",
    "PostgresServer",
    "RabbitServer",
    "Run",
    "RunState",
    "S3Server",
    "ServiceError",
    "ServiceMissingError",
    "ServiceNotReadyError",
    "StandInServer",
    "TaskState",
]
