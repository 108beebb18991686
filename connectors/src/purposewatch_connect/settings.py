"""The settings that the connectors share; the client has its own (`PURPOSEWATCH_CLIENT_…`)."""

from abc import abstractmethod
from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from purposewatch_runtime.http import TlsFiles
from purposewatch_runtime.settings import HttpSettings, LogSettings, PolicySettings


class ConnectSettings(LogSettings, HttpSettings, PolicySettings):
    """Everything that each connector reads from its environment."""

    connect_mapping_file: Path = Field(description="See docs/connectors.md.")


class AggregationSettings(ConnectSettings):
    """Of the connectors that publish each access once, so that identical ones can be aggregated."""

    connect_aggregate_seconds: float = Field(
        default=0.0,
        ge=0,
        le=3_600,
        description="Publish identical accesses within so many seconds as one event with a count; "
        "0: each by itself.",
    )

    @property
    def aggregation_window(self) -> timedelta | None:
        """The time within which identical accesses become one event; `None` if they do not."""
        seconds = self.connect_aggregate_seconds
        return timedelta(seconds=seconds) if seconds else None


class ServingSettings(ConnectSettings):
    """Of the connectors that run until they are stopped, and serve at least probes and metrics."""

    connect_host: str = Field(default="127.0.0.1", description="Where the connector listens.")
    connect_tls_certfile: Path | None = Field(
        default=None, description="Serve TLS with this certificate; reloaded when it changes."
    )
    connect_tls_keyfile: Path | None = Field(
        default=None, description="Its key, if it is not in the same file."
    )
    connect_tls_client_cafile: Path | None = Field(
        default=None,
        description="Requests to receivers need a client certificate of one of these authorities.",
    )

    @property
    @abstractmethod
    def http_port(self) -> int:
        """The connector's own setting."""

    @model_validator(mode="after")
    def _tls_has_certificate(self) -> Self:
        others = self.connect_tls_keyfile or self.connect_tls_client_cafile
        if others and not self.connect_tls_certfile:
            message = "TLS needs a certificate; set PURPOSEWATCH_CONNECT_TLS_CERTFILE"
            raise ValueError(message)
        return self

    def tls_files(self) -> TlsFiles | None:
        """The files that TLS is served with; `None` to serve without."""
        if self.connect_tls_certfile is None:
            return None
        return TlsFiles(
            self.connect_tls_certfile, self.connect_tls_keyfile, self.connect_tls_client_cafile
        )


class ReceiverSettings(ServingSettings):
    """Of the connectors to which others send."""

    connect_token: SecretStr | None = Field(
        default=None, description="If set, requests need `Authorization: Bearer <token>`."
    )
    connect_max_request_bytes: int = Field(
        default=4_194_304, ge=1_024, description="Of one request, uncompressed."
    )
    connect_max_in_flight: int = Field(
        default=16, ge=1, description="Requests of each transport that are received at once."
    )
    connect_wait_timeout_seconds: float = Field(
        default=5.0, gt=0, description="For a request over HTTP that waits; then it gets a 503."
    )
    connect_body_timeout_seconds: float = Field(
        default=10.0, gt=0, description="For a request's whole content to arrive over HTTP."
    )
