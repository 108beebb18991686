"""The settings of the OpenLineage receiver."""

from pydantic import Field

from purposewatch_connect.settings import ReceiverSettings


class OpenLineageSettings(ReceiverSettings):
    """Everything that `purposewatch-connect openlineage` reads from its environment."""

    connect_openlineage_http_port: int = Field(
        default=8604, ge=0, le=65_535, description="Run events, probes and metrics."
    )

    @property
    def http_port(self) -> int:
        """Of run events."""
        return self.connect_openlineage_http_port
