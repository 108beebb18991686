"""Kafka as docker-compose.yml configures it, for a broker of a test."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import yaml

ROOT = Path(__file__).resolve().parents[2]
_SECURITY = ("authorizer.", "listener.name.", "sasl.", "ssl.", "super.")


def secrets_script() -> ModuleType:
    """`deploy/generate_secrets.py` as a module."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "deploy/generate_secrets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def security_settings(deploy: Path) -> Mapping[str, str]:
    """Who comes in, and with which certificate: the container's environment as properties.

    The secrets are generated below `deploy`.
    """
    secrets_script().generate(deploy, ROOT / "policies")
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    kafka = compose["services"]["kafka"]
    variables = {name: str(value) for name, value in kafka["environment"].items()}
    for file in kafka["env_file"]:
        variables |= read_env_file(deploy.joinpath(*Path(file).parts[1:]))
    found = {property_name(name): value for name, value in variables.items()}
    return {name: value for name, value in found.items() if name.startswith(_SECURITY)}


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a file, as Compose reads it: without quotes and comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value.strip("'") for name, _, value in pairs}


def property_name(variable: str) -> str:
    """The property that the image of Apache Kafka makes of a variable."""
    name = variable.removeprefix("KAFKA_").lower().replace("_", ".")
    return name.replace("...", "-").replace("..", "_")
