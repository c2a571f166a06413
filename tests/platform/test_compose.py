"""The compose file: valid by the Compose Specification, and safe by our own rules.

No container engine is needed, so what only an engine can show (that the images start) is not shown here.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft7Validator

from models.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
JOBS = {
    name
    for service in SERVICES.values()
    for name, how in service.get("depends_on", {}).items()
    if how["condition"] == "service_completed_successfully"
}
OPTIONAL_SECRETS = {"GATEWORK_ADMIN_PASSWORD", "GATEWORK_SECRET_KEY", "GATEWORK_SMTP_PASSWORD"}
TEMPORALS_OWN = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def example() -> dict[str, str]:
    """Variables in .env.example, commented or not, with their values."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    found = (re.match(r"#?([A-Z][A-Z0-9_]*)=(.*)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def variable(field: str) -> str:
    """Environment variable of a setting."""
    alias = Settings.model_fields[field].validation_alias
    return str(alias) if alias else f"GATEWORK_{field.upper()}"


def test_it_is_valid_by_the_compose_specification() -> None:
    schema = get_builtin_schema("vendor.compose-spec")
    assert [error.message for error in Draft7Validator(schema).iter_errors(COMPOSE)] == []


@each_service
def test_images_are_pinned_to_a_version(name: str) -> None:
    image = SERVICES[name]["image"]
    if "build" in SERVICES[name]:
        assert image.startswith("gatework:")
    else:
        assert re.fullmatch(r"[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z]+)?", image), image
    assert "auto-setup" not in image


def test_the_images_of_temporals_server_have_one_version() -> None:
    images = {service["image"] for service in SERVICES.values() if service["image"].startswith("temporalio/")}
    versions = {image.rsplit(":", 1)[1] for image in images if not image.startswith("temporalio/ui:")}
    assert len(versions) == 1


@each_service
def test_what_runs_on_has_a_health_check_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    if name in JOBS:
        assert service["restart"].startswith("on-failure")
    else:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"


@each_service
def test_ports_are_for_this_machine_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert str(port).startswith("127.0.0.1:"), port


def test_workers_can_be_scaled() -> None:
    assert "ports" not in SERVICES["worker"]
    assert "container_name" not in TEXT


def test_no_secret_has_a_value_here() -> None:
    for key, fallback in re.findall(r"(?<!\$)\$\{(\w*(?:PASSWORD|KEY))(:[-?][^}]*)?\}", TEXT):
        assert fallback == (":-" if key in OPTIONAL_SECRETS else ":?set it in .env")
        assert example()[key] == ""


def test_every_variable_is_in_the_example_file() -> None:
    assert set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT)) <= set(example())


@pytest.mark.parametrize("name", ["prepare", "api", "worker"])
def test_our_services_set_only_variables_that_exist(name: str) -> None:
    known = {variable(field) for field in Settings.model_fields} | TEMPORALS_OWN
    assert set(SERVICES[name]["environment"]) <= known


def test_only_the_preparation_knows_the_owner_of_the_schema() -> None:
    assert [name for name, service in SERVICES.items() if "DATABASE_URL" in service.get("environment", {})] == [
        "prepare"
    ]


@each_service
def test_every_dependency_is_a_service_that_can_meet_its_condition(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[needed]
        else:
            assert SERVICES[needed]["restart"].startswith("on-failure")
