"""The settings of the OTLP receivers."""

from pydantic import Field, SecretStr

from purposewatch_connect.settings import AggregationSettings, ReceiverSettings


class OtlpSettings(ReceiverSettings, AggregationSettings):
    """Everything that `purposewatch-connect otlp` reads from its environment."""

    connect_otlp_http_port: int = Field(
        default=4318, ge=0, le=65_535, description="OTLP/HTTP, probes and metrics."
    )
    connect_otlp_grpc_port: int = Field(default=4317, ge=1, le=65_535, description="OTLP/gRPC.")
    connect_otlp_secret: SecretStr | None = Field(
        default=None,
        description="Identifies log records that have no `log.record.uid`, so that a repeat is "
        "recognised after a restart and by other receivers; random unless set.",
    )

    @property
    def http_port(self) -> int:
        """Of OTLP/HTTP."""
        return self.connect_otlp_http_port
