"""Settings that several services share; each is an environment variable.

The variable's name is the field's in upper case behind `PURPOSEWATCH_`.

A service's own settings class inherits the groups it needs, so that one process reads one
validated object at start and nothing reads the environment later.
"""

import ipaddress
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from purposewatch_policy import InvalidSourceError
from purposewatch_runtime.kafka_certificates import KafkaCertificates, kafka_certificates
from purposewatch_runtime.signing import TrustedKeys, load_signer, load_trusted_keys

__all__ = [
    "DeadLetterSettings",
    "HttpSettings",
    "KafkaSettings",
    "LogSettings",
    "PolicySettings",
    "RenamedFrom",
    "TokenSource",
    "TraceSettings",
    "deprecated",
    "faults",
    "load_settings",
    "misspelt",
]

S = TypeVar("S", bound=BaseSettings)


def faults(error: ValidationError) -> Iterator[str]:
    """Say for each invalid variable what is wrong with it, never what its value is."""
    for problem in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in problem["loc"]).upper()
        message = problem["msg"].removeprefix("Value error, ").replace("Input ", "input ", 1)
        if problem["type"] == "missing":
            message = "is missing; set it"
        yield f"PURPOSEWATCH_{name}: {message}" if name else f"settings: {message}"


_PREFIX = "PURPOSEWATCH_"
_SIMILARITY = 0.86
"""Similarity of a variable and its misspelling; the services' own variables are less similar."""


def misspelt(kind: type[BaseSettings], names: Iterable[str]) -> Iterator[str]:
    """Say for each variable that nothing reads which similar variable may be meant.

    A variable that is similar to none may belong to another service in the same environment.
    """
    known = [field.upper() for field in kind.model_fields]
    renamed = {old.removeprefix(_PREFIX) for _, old in _renamed(kind)}
    for name in names:
        rest = name.upper().removeprefix(_PREFIX)
        if rest != name.upper() and rest not in known and rest not in renamed:
            for near in get_close_matches(rest, known, n=1, cutoff=_SIMILARITY):
                yield f"{name}: is not read; is {_PREFIX}{near} meant?"


@dataclass(frozen=True, slots=True)
class RenamedFrom:
    """Marks a setting that had another name, which still works for one release, with a warning."""

    name: str
    """The old variable's name, in lower case and without the prefix."""


def _renamed(kind: type[BaseSettings]) -> Iterator[tuple[str, str]]:
    """Every renamed field with its old variable."""
    for name, field in kind.model_fields.items():
        for mark in field.metadata:
            if isinstance(mark, RenamedFrom):
                yield name, _PREFIX + mark.name.upper()


def deprecated(kind: type[BaseSettings], names: Iterable[str]) -> Iterator[str]:
    """Say for each variable under its old name which one replaces it, and which of both is used."""
    found = {name.upper() for name in names}
    for field, old in _renamed(kind):
        new = _PREFIX + field.upper()
        if old in found and new in found:
            yield f"{old}: is renamed, and ignored because {new} is set; remove it"
        elif old in found:
            yield f"{old}: is renamed; set {new} instead, the next release ignores the old name"


class _OldNames(PydanticBaseSettingsSource):
    """Reads renamed settings from the variables of their old names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Required by the base; `__call__` reads all fields at once."""
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The value of each renamed field whose old variable is set."""
        values = {name.upper(): value for name, value in os.environ.items()}
        return {field: values[old] for field, old in _renamed(self.settings_cls) if old in values}


def load_settings(kind: type[S]) -> S:
    """Read settings from the environment; on an error, name each variable and exit with status 2.

    Names variables that are renamed, and those that are probably misspelt and have no effect, on
    standard error.
    """
    for warning in (*deprecated(kind, os.environ), *misspelt(kind, os.environ)):
        sys.stderr.write(f"{warning}\n")
    try:
        return kind()
    except ValidationError as error:
        for fault in faults(error):
            sys.stderr.write(f"{fault}\n")
        raise SystemExit(2) from None


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then the environment under old names."""
        del dotenv_settings, file_secret_settings  # nothing configures them
        return init_settings, env_settings, _OldNames(settings_cls)


class LogSettings(_Settings):
    """How a process logs."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="`auto` is console on a terminal and JSON lines elsewhere."
    )


class TraceSettings(_Settings):
    """What is traced, and where the spans go."""

    traces_endpoint: AnyHttpUrl | None = Field(
        default=None,
        description="Where spans are sent by OTLP over HTTP, for example "
        "`http://collector:4318/v1/traces`. None: nothing is traced.",
    )
    traces_ratio: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of requests to trace among those that name no span of their sender. For "
        "the others, the sender decides.",
    )
    traces_spans_per_second: int = Field(
        default=200, ge=1, description="Of one process; no further ones are started."
    )

    @field_validator("traces_endpoint")
    @classmethod
    def _can_export(cls, endpoint: AnyHttpUrl | None) -> AnyHttpUrl | None:
        if endpoint is not None and find_spec("opentelemetry.exporter") is None:
            message = "needs the libraries for traces; install `purposewatch-runtime[traces]`"
            raise ValueError(message)
        return endpoint


class HttpSettings(_Settings):
    """What a service's HTTP server grants its clients, and what it believes of them."""

    http_max_connections: int = Field(
        default=1_024, ge=1, description="Open at once; a few more are kept for probes and metrics."
    )
    http_header_timeout_seconds: float = Field(
        default=10.0, gt=0, description="For a request's headers to arrive."
    )
    http_send_timeout_seconds: float = Field(
        default=30.0, gt=0, description="A client that reads nothing for so long is disconnected."
    )
    trusted_proxies: str | None = Field(
        default=None,
        description="Addresses or networks of proxies, separated by commas: who they say a request "
        "comes from (X-Forwarded-For, X-Forwarded-Proto) is believed.",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_addresses(cls, proxies: str | None) -> str | None:
        for proxy in proxies.split(",") if proxies else ():
            try:
                ipaddress.ip_network(proxy.strip())
            except ValueError:
                message = "must be addresses or networks such as `10.0.0.7` or `10.0.0.0/24`"
                raise ValueError(message) from None
        return proxies


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Where tokens come from: a file that somebody else renews, or a token endpoint."""

    file: Path | None = None
    url: str | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    scope: str | None = None
    cafile: Path | None = None


class KafkaSettings(_Settings):
    """How to reach Kafka, and the shape of the topics."""

    kafka_bootstrap_servers: str = "localhost:9092"
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = (
        "SCRAM-SHA-512"
    )
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_oauth_token_file: Path | None = Field(
        default=None, description="A token that somebody else renews, such as Kubernetes."
    )
    kafka_oauth_token_url: str | None = Field(
        default=None, pattern=r"^https?://", description="The token endpoint."
    )
    kafka_oauth_client_id: str | None = None
    kafka_oauth_client_secret: SecretStr | None = None
    kafka_oauth_scope: str | None = None
    kafka_oauth_cafile: Path | None = Field(
        default=None, description="CA bundle for the token endpoint; default: system."
    )
    kafka_ssl_cafile: Path | None = Field(default=None, description="CA bundle; default: system.")
    kafka_ssl_certfile: Path | None = Field(default=None, description="Client certificate.")
    kafka_ssl_keyfile: Path | None = Field(default=None, description="The certificate's key.")
    kafka_signing_key_file: Path | None = Field(
        default=None,
        description="Ed25519 key that signs what this service publishes. None: unsigned.",
    )
    kafka_trusted_keys_file: Path | None = Field(
        default=None,
        description="Which topics must be signed, and whose signatures count. None: not checked.",
    )
    kafka_enable_idempotence: bool = Field(
        default=True, description="Off only for the embedded broker, which lacks it."
    )
    kafka_compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(
        default="zstd", description="Of what is published. Consumers detect it."
    )
    kafka_request_timeout_ms: int = Field(default=15_000, ge=1_000)
    kafka_session_timeout_ms: int = Field(default=10_000, ge=1_000)
    kafka_max_batch_records: int = Field(default=1_000, ge=1, le=50_000)
    kafka_batch_timeout_ms: int = Field(
        default=20,
        ge=1,
        description="How long a consumer waits for records; bounds the latency that it adds.",
    )
    kafka_fetch_max_wait_ms: int = Field(default=500, ge=1)
    kafka_undecodable_seconds: float = Field(
        default=60.0,
        ge=0,
        description="How long an undecodable record is retried before it is dead-lettered.",
    )
    kafka_poison_max_crashes: Annotated[int, RenamedFrom("kafka_poison_deaths")] = Field(
        default=3,
        ge=1,
        description="Processes in a row that crash with one record alone in flight before it is "
        "dead-lettered.",
    )
    topic_prefix: str = Field(default="data-access", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$")
    topic_partitions: int = Field(
        default=6, ge=1, le=10_000, description="Of every topic; they must be equal."
    )
    topic_replication_factor: int = Field(
        default=-1, ge=-1, description="-1 takes the broker's default."
    )

    @model_validator(mode="after")
    def _credentials_are_complete(self) -> Self:
        by_token = self.token_source() is not None
        if by_token and not self.kafka_oauth_token_file and not self._token_endpoint_is_complete():
            message = (
                "OAUTHBEARER needs PURPOSEWATCH_KAFKA_OAUTH_TOKEN_FILE, or "
                "PURPOSEWATCH_KAFKA_OAUTH_TOKEN_URL with …_CLIENT_ID and …_CLIENT_SECRET; set them"
            )
            raise ValueError(message)
        if (
            self.kafka_security_protocol.startswith("SASL")
            and not by_token
            and not (self.kafka_sasl_username and self.kafka_sasl_password)
        ):
            message = (
                "SASL needs both PURPOSEWATCH_KAFKA_SASL_USERNAME and "
                "PURPOSEWATCH_KAFKA_SASL_PASSWORD; set them"
            )
            raise ValueError(message)
        if self.kafka_ssl_keyfile and not self.kafka_ssl_certfile:
            message = "a client key needs its certificate; set PURPOSEWATCH_KAFKA_SSL_CERTFILE"
            raise ValueError(message)
        self.kafka_certificates()
        return self

    @model_validator(mode="after")
    def _signing_keys_are_readable(self) -> Self:
        for name, path, load in (
            ("SIGNING_KEY", self.kafka_signing_key_file, load_signer),
            ("TRUSTED_KEYS", self.kafka_trusted_keys_file, self._load_trusted_keys),
        ):
            try:
                if path is not None:
                    load(path)
            except (OSError, ValueError, InvalidSourceError) as error:
                message = f"PURPOSEWATCH_KAFKA_{name}_FILE can't be loaded: {error}"
                raise ValueError(message) from None
        return self

    def _load_trusted_keys(self, path: Path) -> TrustedKeys:
        return load_trusted_keys(path, self.topic_prefix)

    def _token_endpoint_is_complete(self) -> bool:
        return bool(
            self.kafka_oauth_token_url
            and self.kafka_oauth_client_id
            and self.kafka_oauth_client_secret
        )

    def token_source(self) -> TokenSource | None:
        """Where the tokens for Kafka come from; `None` if it takes none."""
        if not self.kafka_security_protocol.startswith("SASL"):
            return None
        if self.kafka_sasl_mechanism != "OAUTHBEARER":
            return None
        return TokenSource(
            self.kafka_oauth_token_file,
            self.kafka_oauth_token_url,
            self.kafka_oauth_client_id,
            self.kafka_oauth_client_secret,
            self.kafka_oauth_scope,
            self.kafka_oauth_cafile,
        )

    def kafka_certificates(self) -> KafkaCertificates | None:
        """What the connection is secured with; `None` without TLS. Raises `ValueError`."""
        if not self.kafka_security_protocol.endswith("SSL"):
            return None
        return kafka_certificates(
            self.kafka_ssl_cafile, self.kafka_ssl_certfile, self.kafka_ssl_keyfile
        )


class PolicySettings(_Settings):
    """Where the declared policies and vocabularies are."""

    policies_dir: Path = Field(default=Path("policies"), description="See docs/policy-files.md.")
    policies_reload_seconds: float = Field(default=2.0, gt=0)
    policies_bundle: str | None = Field(
        default=None,
        description="A bundle of policies instead of that directory: its path, or its address "
        "(https://…). See docs/policy-bundles.md.",
    )
    policies_bundle_keys_file: Path | None = Field(
        default=None,
        description="The public keys that bundles are signed with, as minisign writes them. None: "
        "bundles need no signature.",
    )
    policies_bundle_dir: Path = Field(
        default=Path("purposewatch-policies"),
        description="Where this process alone keeps the bundle that it uses.",
    )
    policies_bundle_poll_seconds: float = Field(default=30.0, gt=0)
    policies_bundle_token_file: Path | None = Field(
        default=None, description="Holds the bearer token that the address asks for."
    )
    policies_bundle_refuse_older: bool = Field(
        default=True, description="Whether a bundle with a smaller number is refused."
    )

    @property
    def policies_path(self) -> Path:
        """The directory that policies are loaded from."""
        if self.policies_bundle is None:
            return self.policies_dir
        return self.policies_bundle_dir / "current"

    @model_validator(mode="after")
    def _bundle_cannot_be_forged(self) -> Self:
        unprotected = (self.policies_bundle or "").startswith("http://")
        if unprotected and not (
            self.policies_bundle_keys_file and not self.policies_bundle_token_file
        ):
            message = (
                "PURPOSEWATCH_POLICIES_BUNDLE may begin with http:// only where "
                "PURPOSEWATCH_POLICIES_BUNDLE_KEYS_FILE is set, and no token; use https://"
            )
            raise ValueError(message)
        return self


class DeadLetterSettings(_Settings):
    """When a consumer stops instead of draining its topic into the dead letters.

    A stopped consumer keeps its position: nothing is lost, and it resumes after a restart.
    """

    dead_letter_max_consecutive: int = Field(
        default=1_000, ge=1, description="Bad records in a row in one partition."
    )
    dead_letter_max_ratio: float = Field(
        default=0.5, gt=0, le=1, description="Share of bad records in the last window."
    )
    dead_letter_window: int = Field(default=10_000, ge=1, description="Records in the window.")
