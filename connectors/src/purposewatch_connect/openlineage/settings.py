"""The settings of the OpenLineage receiver."""

from pydantic import Field, SecretStr

from purposewatch_connect.settings import ConnectSettings


class OpenLineageSettings(ConnectSettings):
    """Everything that `purposewatch-connect openlineage` reads from its environment."""

    connect_openlineage_http_host: str = Field(
        default="127.0.0.1", description="Run events, probes and metrics."
    )
    connect_openlineage_http_port: int = Field(default=8604, ge=0, le=65_535)
    connect_openlineage_token: SecretStr | None = Field(
        default=None,
        description="If set, requests need `Authorization: Bearer <token>`.",
    )
    connect_openlineage_max_request_bytes: int = Field(
        default=4_194_304, ge=1_024, description="Of one request, uncompressed."
    )
    connect_openlineage_max_in_flight: int = Field(
        default=16, ge=1, description="Requests that are received at once."
    )
    connect_openlineage_wait_timeout_seconds: float = Field(
        default=5.0, gt=0, description="For a request that waits; then it gets a 503."
    )
    connect_openlineage_body_timeout_seconds: float = Field(
        default=10.0, gt=0, description="For a request's whole content to arrive."
    )
