"""Airflow's own managers find the provider and take its description."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import airflow
import jsonschema  # type: ignore[import-untyped]
from airflow.providers_manager import ProvidersManager
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

import eventreplay_airflow
from eventreplay_airflow.provider import PACKAGE, provider_info

SCHEMA = Path(str(airflow.__file__)).with_name("provider_info.schema.json")


def test_the_description_is_what_the_schema_asks_for() -> None:
    jsonschema.validate(provider_info(), json.loads(SCHEMA.read_text("utf-8")))


def test_every_module_that_it_names_is_there() -> None:
    info = provider_info()
    modules = [
        name
        for kind in ("hooks", "operators", "triggers")
        for each in info[kind]
        for name in each["python-modules"]
    ]
    assert [import_module(name).__name__ for name in modules] == modules


def test_airflow_lists_it_and_knows_its_hook() -> None:
    manager: Any = ProvidersManager
    found = manager().providers[PACKAGE]
    assert found.data["name"] == "eventreplay"
    runtime: Any = ProvidersManagerTaskRuntime
    info = runtime().hooks["amqp"]
    assert info.hook_class_name == "eventreplay_airflow.hook.EventReplayHook"
    assert info.connection_id_attribute_name == "conn_id"


def test_a_dag_is_parsed_without_arrow_or_a_driver() -> None:
    code = (
        "import sys, eventreplay_airflow as e, eventreplay_airflow.assets;"
        "[getattr(e, name) for name in e.__all__ if name != 'EventReplayHook'];"
        "print([m for m in ('pyarrow', 'duckdb', 'boto3', 'psycopg2', 'pika', 'dbt') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


def test_the_package_names_what_it_has() -> None:
    assert {name: getattr(eventreplay_airflow, name).__name__ for name in eventreplay_airflow.__all__} == {
        name: name for name in eventreplay_airflow.__all__
    }
