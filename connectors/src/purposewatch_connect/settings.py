"""The settings that the connectors share; the client has its own (`PURPOSEWATCH_CLIENT_…`)."""

from pathlib import Path

from pydantic import Field

from purposewatch_runtime.settings import HttpSettings, LogSettings, PolicySettings


class ConnectSettings(LogSettings, HttpSettings, PolicySettings):
    """Everything that each connector reads from its environment."""

    connect_mapping_file: Path = Field(description="See docs/connectors.md.")
