"""The settings of ingest."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from purposewatch_ingest.pseudonyms.key_file import KEY_ID_PATTERN, MIN_KEY_BYTES, decode_key
from purposewatch_ingest.tokens import ALGORITHMS, TokenPolicy, is_safe_url
from purposewatch_runtime.http import TlsFiles
from purposewatch_runtime.settings import (
    DeadLetterSettings,
    HttpSettings,
    KafkaSettings,
    LogSettings,
    PolicySettings,
    RenamedFrom,
    TraceSettings,
)


class IngestSettings(
    LogSettings, HttpSettings, KafkaSettings, PolicySettings, DeadLetterSettings, TraceSettings
):
    """Everything that ingest reads from its environment."""

    ingest_http_host: str = Field(default="127.0.0.1", description="Events, probes and metrics.")
    ingest_http_port: int = Field(default=8600, ge=0, le=65_535)
    ingest_public_url: str | None = Field(
        default=None,
        description="`https://<host>`, under which others reach ingest; for AuthZEN's metadata.",
    )
    ingest_reporter_url: str | None = Field(
        default=None, description="Where ingest asks what became of an event."
    )
    ingest_reporter_timeout_seconds: float = Field(
        default=2.0, gt=0, description="For the reporter's answer."
    )
    reporter_event_status_token: SecretStr | None = Field(
        default=None, min_length=16, description="The reporter's token for that alone."
    )
    ingest_tls_certfile: Path | None = Field(
        default=None, description="Serve TLS with this certificate; reloaded when it changes."
    )
    ingest_tls_keyfile: Path | None = Field(
        default=None, description="Its key, if it is not in the same file."
    )
    ingest_tls_client_cafile: Path | None = Field(
        default=None, description="Authorities of the client certificates that are accepted."
    )
    publishers_file: Path = Field(description="The register: see docs/publishing-events.md.")
    pseudonym_key: SecretStr | None = Field(
        default=None,
        description="At least 32 random bytes, in hex or base64. Its holder can tell whose "
        "events are whose; without it pseudonyms can't be matched again.",
    )
    pseudonym_key_id: str = Field(
        default="1", pattern=KEY_ID_PATTERN, description="Part of every pseudonym."
    )
    pseudonym_keys_file: Path | None = Field(
        default=None,
        description="Keys by controller, old ones too, instead of the one key; reloaded when it "
        "changes.",
    )
    subject_pseudonyms_url: SecretStr | None = Field(
        default=None,
        description="Keep a random pseudonym for each subject in this database, so that a subject "
        "can be forgotten; the keys only lead to it. Unless stated, keys give the pseudonyms.",
    )
    subject_pseudonyms_cache_seconds: float = Field(
        default=60.0, ge=0, description="How long a process remembers a pseudonym that it read."
    )
    subject_pseudonyms_cache_subjects: int = Field(
        default=100_000, ge=1, description="How many it remembers at most."
    )
    ingest_max_future_seconds: int = Field(
        default=7_200, ge=0, description="How far ahead of ingest's clock an event may be."
    )
    ingest_unknown_term_subjects: int = Field(
        default=20,
        ge=0,
        le=1_000,
        description="A refused term is named once refused for so many data subjects; 0: never.",
    )
    ingest_max_fact_future_days: int = Field(
        default=366, ge=0, description="How far ahead of it a fact may become effective."
    )
    ingest_max_body_bytes: int = Field(default=1_048_576, ge=1_024)
    ingest_max_expansion: int = Field(
        default=200, ge=1, description="How many times larger a body may be than compressed."
    )
    ingest_max_batch_events: int = Field(default=1_000, ge=1)
    ingest_max_in_flight: int = Field(
        default=128,
        ge=1,
        description="Slots. A request takes one for each 64 KiB of its body, once it has arrived.",
    )
    ingest_max_in_flight_per_publisher: int = Field(
        default=16, ge=1, description="Slots that one publisher holds at once."
    )
    ingest_max_bodies_bytes: int = Field(
        default=67_108_864, ge=1_024, description="Bodies received or handled at once, in bytes."
    )
    ingest_max_bodies_bytes_per_publisher: int = Field(
        default=16_777_216, ge=1_024, description="Of that, bodies of one publisher."
    )
    ingest_max_waiting_per_publisher: int = Field(
        default=256, ge=1, description="Requests of one publisher that wait; more get a 503."
    )
    ingest_wait_timeout_seconds: float = Field(
        default=5.0, gt=0, description="For a waiting request; then it gets a 503."
    )
    ingest_body_timeout_seconds: float = Field(
        default=10.0, gt=0, description="For a request's whole content to arrive."
    )
    ingest_acknowledge_timeout_seconds: Annotated[
        float, RenamedFrom("ingest_confirm_timeout_seconds")
    ] = Field(default=10.0, gt=0, description="For Kafka to acknowledge a request's events.")

    ingest_max_decided_categories: int = Field(
        default=500, ge=1, description="Data categories that one request for decisions may name."
    )
    ingest_decide_timeout_seconds: float = Field(
        default=10.0, gt=0, description="For the decisions of one request; then it gets a 503."
    )

    @field_validator("ingest_public_url")
    @classmethod
    def _public_url_is_an_origin(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or url != f"https://{parts.netloc}":
            message = "must be `https://<host>` or `https://<host>:<port>`, with nothing behind it"
            raise ValueError(message)
        return url

    ingest_oidc_issuer: str | None = Field(
        default=None, description="The identity provider whose tokens are accepted."
    )
    ingest_oidc_audience: str | None = Field(
        default=None, min_length=1, description="What tokens must be for; required with an issuer."
    )
    ingest_oidc_jwks_url: str | None = Field(
        default=None, description="The provider's keys; by default its metadata says where."
    )
    ingest_oidc_subject_claim: str = Field(
        default="sub", min_length=1, description="The claim that the register knows publishers by."
    )
    ingest_oidc_algorithms: str = Field(
        default="RS256,ES256", description="Signatures that are accepted, separated by commas."
    )
    ingest_oidc_leeway_seconds: float = Field(
        default=30.0, ge=0, le=300, description="How far the provider's clock may be off."
    )

    @field_validator("ingest_oidc_issuer", "ingest_oidc_jwks_url")
    @classmethod
    def _address_is_safe(cls, address: str | None) -> str | None:
        if address is not None and not is_safe_url(address):
            message = "must be an address with https (http only for this machine)"
            raise ValueError(message)
        return address

    @field_validator("ingest_oidc_algorithms")
    @classmethod
    def _algorithms_are_known(cls, algorithms: str) -> str:
        if not set(algorithms.split(",")) <= set(ALGORITHMS):
            message = f"must be some of {', '.join(ALGORITHMS)}, separated by commas"
            raise ValueError(message)
        return algorithms

    @model_validator(mode="after")
    def _issuer_has_audience(self) -> Self:
        if self.ingest_oidc_issuer and not self.ingest_oidc_audience:
            message = "an issuer needs an audience; set PURPOSEWATCH_INGEST_OIDC_AUDIENCE"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _tls_has_certificate(self) -> Self:
        if (
            self.ingest_tls_keyfile or self.ingest_tls_client_cafile
        ) and not self.ingest_tls_certfile:
            message = "TLS needs a certificate; set PURPOSEWATCH_INGEST_TLS_CERTFILE"
            raise ValueError(message)
        return self

    def tls_files(self) -> TlsFiles | None:
        """The files that TLS is served with; `None` to serve plain HTTP."""
        if self.ingest_tls_certfile is None:
            return None
        return TlsFiles(
            self.ingest_tls_certfile, self.ingest_tls_keyfile, self.ingest_tls_client_cafile
        )

    def token_policy(self) -> TokenPolicy | None:
        """Which tokens are accepted; `None` if there is no identity provider."""
        if self.ingest_oidc_issuer is None or self.ingest_oidc_audience is None:
            return None
        return TokenPolicy(
            issuer=self.ingest_oidc_issuer,
            audience=self.ingest_oidc_audience,
            algorithms=tuple(self.ingest_oidc_algorithms.split(",")),
            leeway_seconds=self.ingest_oidc_leeway_seconds,
            subject_claim=self.ingest_oidc_subject_claim,
        )

    @field_validator("ingest_reporter_url")
    @classmethod
    def _reporter_url_is_http(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            message = "must be an address that begins with `https://` or `http://`"
            raise ValueError(message)
        return url

    @field_validator("pseudonym_key")
    @classmethod
    def _key_is_long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(decode_key(key.get_secret_value())) < MIN_KEY_BYTES:
            message = (
                f"must be at least {MIN_KEY_BYTES} bytes in hex or base64; make one with "
                "`openssl rand -hex 32`"
            )
            raise ValueError(message)
        return key

    @model_validator(mode="after")
    def _has_keys(self) -> Self:
        if (self.pseudonym_key is None) == (self.pseudonym_keys_file is None):
            message = (
                "pseudonyms need keys; set either PURPOSEWATCH_PSEUDONYM_KEY or "
                "PURPOSEWATCH_PSEUDONYM_KEYS_FILE"
            )
            raise ValueError(message)
        return self
