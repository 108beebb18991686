"""Secrets stand neither in settings that are shown, nor in files, nor in arguments of commands."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr
from pydantic_settings import BaseSettings
from typer.main import get_command

from purposewatch_auditor.settings import AuditorSettings
from purposewatch_cli.main import app as command_line
from purposewatch_ingest.settings import IngestSettings
from purposewatch_reporter.settings import ReporterSettings

ROOT = Path(__file__).resolve().parents[3]
SERVICES: tuple[type[BaseSettings], ...] = (IngestSettings, AuditorSettings, ReporterSettings)
SECRET_NAME = re.compile(r"(^|_)(password|passphrase|secret|token|key)$")


def secrets_of(settings: type[BaseSettings]) -> set[str]:
    """The settings whose values are hidden."""
    return {
        name
        for name, field in settings.model_fields.items()
        if field.annotation in {SecretStr, SecretStr | None}
    }


@pytest.mark.parametrize("settings", SERVICES, ids=lambda settings: settings.__name__)
def test_every_setting_that_is_named_like_a_secret_is_hidden(settings: type[BaseSettings]) -> None:
    """Whoever logs settings, or an error with them in it, shows none of these."""
    named = {name for name in settings.model_fields if SECRET_NAME.search(name)}
    assert named
    assert named <= secrets_of(settings)


def test_the_compose_file_holds_no_secret() -> None:
    """Those come from files that are generated; a database's address has no password in it."""
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    hidden = {f"PURPOSEWATCH_{name.upper()}" for each in SERVICES for name in secrets_of(each)}
    for name, service in compose["services"].items():
        environment = service.get("environment", {})
        assert environment.keys() & hidden <= {"PURPOSEWATCH_DATABASE_URL"}, name
        assert not any(SECRET_NAME.search(variable.lower()) for variable in environment), name
        assert re.search(r"//[^/@\s\"]*:[^/@\s\"]*@", json.dumps(service)) is None, name


def test_no_command_takes_a_secret_as_an_argument() -> None:
    """Everybody on the machine can read the arguments of a process."""
    commands, options = [get_command(command_line)], set()
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        options |= {parameter.name or "" for parameter in command.params}
    assert len(options) > 20
    assert {name for name in options if SECRET_NAME.search(name)} == set()
