"""The settings of the OTLP receivers."""

from pydantic import Field, SecretStr

from purposewatch_connect.settings import ConnectSettings


class OtlpSettings(ConnectSettings):
    """Everything that `purposewatch-connect otlp` reads from its environment."""

    connect_otlp_http_host: str = Field(
        default="127.0.0.1", description="OTLP/HTTP, probes and metrics."
    )
    connect_otlp_http_port: int = Field(default=4318, ge=0, le=65_535)
    connect_otlp_grpc_host: str = Field(default="127.0.0.1", description="OTLP/gRPC.")
    connect_otlp_grpc_port: int = Field(default=4317, ge=1, le=65_535)
    connect_otlp_token: SecretStr | None = Field(
        default=None,
        description="If set, requests need `Authorization: Bearer <token>`.",
    )
    connect_otlp_secret: SecretStr | None = Field(
        default=None,
        description="Identifies log records that have no `log.record.uid`, so that a repeat is "
        "recognised after a restart and by other receivers; random unless set.",
    )
    connect_otlp_max_request_bytes: int = Field(
        default=4_194_304, ge=1_024, description="Of one request, uncompressed."
    )
    connect_otlp_max_in_flight: int = Field(
        default=16, ge=1, description="Requests of each transport that are received at once."
    )
    connect_otlp_wait_timeout_seconds: float = Field(
        default=5.0, gt=0, description="For a request that waits; then it gets a 503."
    )
    connect_otlp_body_timeout_seconds: float = Field(
        default=10.0, gt=0, description="For a request's whole content to arrive."
    )
