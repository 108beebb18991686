"""The compose file and the Dockerfiles, as far as they can be checked without Docker."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from purposewatch_auditor.settings import AuditorSettings
from purposewatch_ingest.settings import IngestSettings
from purposewatch_reporter.settings import ReporterSettings

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SETTINGS: dict[str, type[BaseSettings]] = {
    "auditor": AuditorSettings,
    "ingest": IngestSettings,
    "reporter": ReporterSettings,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_variable_is_a_setting_of_its_service(name: str) -> None:
    """A misspelt one would be ignored without a word."""
    known = {f"PURPOSEWATCH_{field.upper()}" for field in SETTINGS[name].model_fields}
    assert COMPOSE["services"][name]["environment"].keys() - known == set()


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_container_is_hardened(name: str) -> None:
    """No capability, no new privileges, nothing to write to, and limits."""
    service = COMPOSE["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_ports_are_open_to_this_machine_alone(name: str) -> None:
    """Whoever wants more puts a reverse proxy in front."""
    ports = COMPOSE["services"][name].get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", SETTINGS)
def test_an_image_runs_without_privileges_and_probes_its_own_port(name: str) -> None:
    """The port is the setting's default."""
    text = (ROOT / f"services/{name}/Dockerfile").read_text(encoding="utf-8")
    port = SETTINGS[name].model_fields[f"{name}_http_port"].default
    assert "\nUSER 10001:10001\n" in text
    assert f"\nEXPOSE {port}\n" in text
    assert f"http://127.0.0.1:{port}/readyz" in text
    assert f"requirements/{name}.txt" in text
