"""deploy/compose.yaml, as far as it can be looked at without an engine: everything it refers to is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
SECRET = re.compile(r"PASSWORD|SECRET|KEY|TOKEN")
FLOWING = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")


@pytest.fixture
def text(root: Path) -> str:
    return (root / "deploy/compose.yaml").read_text("utf-8")


@pytest.fixture
def services(text: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return found


def test_what_a_service_waits_for_can_happen(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, (name, other)
            assert how["condition"] in CONDITIONS
            if how["condition"] == "service_healthy":
                assert services[other]["healthcheck"]["test"][0] == "CMD", other
            if how["condition"] == "service_completed_successfully":
                assert services[other].get("restart", "no") == "no", f"{other} never completes"
                assert "profiles" not in services[other]


def test_every_image_is_named_or_built_from_a_stage_that_is_there(
    root: Path, services: dict[str, dict[str, Any]]
) -> None:
    stages = re.findall(r"^FROM \S+ AS (\w+)$", (root / "deploy/Dockerfile").read_text("utf-8"), re.MULTILINE)
    for name, service in services.items():
        assert ("image" in service) != ("build" in service), name
        if "build" in service:
            assert service["build"]["target"] in stages
            assert (root / "deploy" / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_every_place_that_is_mounted_is_there(
    root: Path, text: str, services: dict[str, dict[str, Any]]
) -> None:
    volumes = yaml.safe_load(text)["volumes"].keys()
    used = set()
    for service in services.values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (root / "deploy" / source).exists(), source
            else:
                used.add(source)
    assert used == volumes


def test_nothing_listens_for_other_machines(services: dict[str, dict[str, Any]]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_value_from_outside_is_explained_and_no_secret_has_a_default(root: Path, text: str) -> None:
    explained = re.findall(r"^([A-Z][A-Z0-9_]*)=", (root / ".env.example").read_text("utf-8"), re.MULTILINE)
    for found in FLOWING.finditer(text.replace("$$", "")):
        assert found["name"] in explained, found[0]
        assert found["kind"], f"{found[0]} may be missing without a word"
        if SECRET.search(found["name"]) and not found["name"].startswith("SNOWFLAKE_"):
            assert found["kind"] == "?", f"{found[0]} has a default"
        elif SECRET.search(found["name"]):
            assert found["text"] == ""


def test_the_connections_are_those_that_the_operators_look_for(services: dict[str, dict[str, Any]]) -> None:
    """Each is JSON once the values are put in."""
    for name in ("airflow-api", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"):
        environment = services[name]["environment"]
        for end, kind in {"JOURNAL": "postgres", "QUEUE": "amqp", "LOG": "aws"}.items():
            filled = FLOWING.sub("x", environment[f"AIRFLOW_CONN_EVENTREPLAY_{end}"])
            assert json.loads(filled)["conn_type"] == kind
