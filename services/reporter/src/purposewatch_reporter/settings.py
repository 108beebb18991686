"""The reporter's settings."""

import ipaddress
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from purposewatch_runtime.settings import (
    HttpSettings,
    KafkaSettings,
    LogSettings,
    PolicySettings,
    RenamedFrom,
    TraceSettings,
)

_DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class DatabaseSettings(LogSettings):
    """Where the ledger is stored."""

    database_url: SecretStr = Field(
        default=SecretStr("sqlite+aiosqlite:///purposewatch.db"),
        description="sqlite+aiosqlite:///<file> or postgresql+asyncpg://<user>@<host>/<database>.",
    )

    @field_validator("database_url")
    @classmethod
    def _driver_is_known(cls, url: SecretStr) -> SecretStr:
        driver, _, rest = url.get_secret_value().partition("://")
        if driver not in _DRIVERS:
            message = f"must begin with {' or '.join(f'`{name}://`' for name in _DRIVERS)}"
            raise ValueError(message)
        if driver == _DRIVERS[0] and rest.partition("?")[0].lstrip("/") in ("", ":memory:"):
            message = "must name a file; what is only in memory could not survive a restart"
            raise ValueError(message)
        return url


class ReporterSettings(
    DatabaseSettings, HttpSettings, KafkaSettings, PolicySettings, TraceSettings
):
    """Everything the reporter reads from its environment."""

    kafka_max_batch_records: int = Field(
        default=10_000, ge=1, le=50_000, description="More than elsewhere: each is a transaction."
    )
    reporter_http_host: str = "127.0.0.1"
    reporter_http_port: int = Field(default=8602, ge=0, le=65_535)
    reporter_api_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Bearer token of the API; required unless the host is a loopback address.",
    )
    reporter_event_status_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Bearer token for `event-status` and `facts` alone, which ingest sends.",
    )
    reporter_allowed_hosts: str | None = Field(
        default=None,
        description="Further names that clients may use without a token, separated by commas.",
    )
    reporter_max_body_bytes: int = Field(default=65_536, ge=1_024)
    reporter_body_timeout_seconds: float = Field(
        default=10.0, gt=0, description="For a request's whole body to arrive."
    )
    reporter_public_url: str | None = Field(
        default=None, description="Where people reach this service; the beginning of links."
    )
    reporter_reconcile_seconds: Annotated[float, RenamedFrom("reporter_books_seconds")] = Field(
        default=2.0, gt=0, description="How often the ledger is reconciled with Kafka."
    )
    reporter_reconcile_alert_seconds: Annotated[
        float, RenamedFrom("reporter_books_alert_seconds")
    ] = Field(default=300, gt=0, description="An event unaccounted for alerts after so long.")
    reporter_event_id_days: float = Field(
        default=30, gt=0, description="How long a repeated event id is recognised."
    )
    reporter_outbox_days: float = Field(
        default=7, gt=0, description="How long delivered alerts stay in the outbox."
    )
    reporter_session_idle_minutes: float = Field(
        default=30, gt=0, description="After so long without a click somebody is signed out."
    )
    reporter_session_hours: float = Field(
        default=12, gt=0, description="After so long everybody has to sign in again."
    )
    reporter_sign_in_failures: int = Field(
        default=5, ge=1, description="Free of a pause, for an account from one address."
    )
    reporter_sign_in_address_failures: int = Field(
        default=50, ge=1, description="Free of a pause, from one address."
    )
    reporter_sign_in_account_failures: int = Field(
        default=100, ge=1, description="Free of a pause, for an account from unknown addresses."
    )
    reporter_totp_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="What the secrets of authenticator apps are derived from; enables them.",
    )
    reporter_totp_required: bool = Field(
        default=False, description="Whether every user must set up a second factor."
    )
    reporter_max_exports: int = Field(
        default=2, ge=1, le=20, description="How many exports may run at once in a process."
    )
    reporter_max_session_exports: int = Field(
        default=1, ge=1, le=20, description="How many exports one session may run at once."
    )
    reporter_export_minutes: float = Field(
        default=60, gt=0, description="An export that takes longer is cut off."
    )
    reporter_max_policy_bytes: int = Field(
        default=262_144,
        ge=1_024,
        le=8_388_608,
        description="The largest policy that is tried on the recorded flows.",
    )
    reporter_max_what_ifs: int = Field(
        default=1, ge=1, le=8, description="How many policies are tried at once in a process."
    )
    reporter_what_if_seconds: float = Field(
        default=30, gt=0, description="Trying a policy that takes longer is given up."
    )
    reporter_records_file: Path | None = Field(
        default=None,
        description="What records of processing say of controllers; docs/records-of-processing.md.",
    )
    reporter_record_rows: int = Field(
        default=500,
        ge=10,
        le=10_000,
        description="Activities, and undeclared flows, that a record lists; the rest is summed.",
    )
    reporter_finding_days: float = Field(
        default=400, gt=0, description="How long a quiet finding is remembered."
    )
    reporter_max_flows: int = Field(
        default=100_000,
        ge=1,
        le=1_000_000,
        description="Distinct flows of a controller; further ones are counted under `(other)`.",
    )
    reporter_flow_hours_days: float = Field(
        default=90, gt=0, description="After so long, hourly counts are summed up to days."
    )
    reporter_gap_names: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Distinct names of gaps, per publisher and kind; further ones are `(other)`.",
    )
    reporter_gap_days: float = Field(
        default=400, gt=0, description="How long daily counts of gaps and unused names are kept."
    )
    reporter_fact_use_days: float = Field(
        default=90,
        gt=0,
        description="How long is known which value of a fact a verdict used; as long as events.",
    )
    reporter_quiet_minutes: float = Field(
        default=60, gt=0, description="A finding is over when it has been quiet for so long."
    )
    reporter_exception_notice_days: float = Field(
        default=14, gt=0, description="So long before an exception to a policy ends, a notice."
    )
    reporter_channel_dead_minutes: float = Field(
        default=5, gt=0, description="A channel that has failed for so long is reported dead."
    )
    reporter_alerting_file: Path | None = Field(
        default=None, description="Which alerts go where; see docs/alerts.md."
    )
    reporter_silent_events: int = Field(
        default=20,
        ge=0,
        description="A publisher is silent when so many events were usual and none came; 0: never.",
    )
    reporter_surge_factor: int = Field(
        default=10, ge=0, description="So many times a publisher's usual rate alerts; 0: never."
    )
    reporter_surge_events: int = Field(
        default=1_000, ge=1, description="An hour with fewer events is no surge."
    )
    reporter_counting_file: Path | None = Field(
        default=None, description="Counting rules; see docs/discovery.md."
    )
    reporter_counting_subjects: int = Field(
        default=10_000,
        ge=100,
        le=1_000_000,
        description="How many data subjects of a window counting rules tell apart.",
    )
    reporter_counting_late_minutes: float = Field(
        default=60,
        gt=0,
        le=7 * 24 * 60,
        description="Counting rules leave out events accepted so long after their own time.",
    )
    webhook_url: SecretStr | None = Field(
        default=None, description="All alerts are posted here, unless there is an alerting file."
    )
    webhook_secret: SecretStr | None = Field(
        default=None, min_length=16, description="Signs every alert."
    )
    webhook_timeout_seconds: float = Field(default=5.0, gt=0, le=60)

    @field_validator("webhook_url")
    @classmethod
    def _webhook_is_http(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parts = urlsplit(url.get_secret_value())
            if parts.scheme not in ("http", "https") or not parts.hostname:
                message = "must be an address that begins with `https://` or `http://`"
                raise ValueError(message)
        return url

    @model_validator(mode="after")
    def _alerts_have_one_way(self) -> Self:
        if self.reporter_alerting_file is not None and self.webhook_url is not None:
            message = (
                "alerts have two ways; move PURPOSEWATCH_WEBHOOK_URL into the alerting file as a "
                "channel of type `webhook`"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _is_protected(self) -> Self:
        if self.reporter_api_token is None and not _is_loopback(self.reporter_http_host):
            message = (
                "the API would be open to everyone who reaches this host; set "
                "PURPOSEWATCH_REPORTER_API_TOKEN, or PURPOSEWATCH_REPORTER_HTTP_HOST to 127.0.0.1"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _second_factor_has_key(self) -> Self:
        if self.reporter_totp_required and self.reporter_totp_key is None:
            message = (
                "a required second factor needs its key; set PURPOSEWATCH_REPORTER_TOTP_KEY to the "
                "output of `openssl rand -hex 32`"
            )
            raise ValueError(message)
        return self

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """The names under which clients may reach a reporter without a token, in lower case."""
        named = (self.reporter_http_host, urlsplit(self.public_url).hostname or "")
        further = (self.reporter_allowed_hosts or "").split(",")
        names = {name.strip().strip("[]").lower() for name in (*_LOCAL_NAMES, *named, *further)}
        return frozenset(names - {""})

    @property
    def public_url(self) -> str:
        """Where people reach this service, without a slash at the end."""
        default = f"http://{self.reporter_http_host}:{self.reporter_http_port}"
        return (self.reporter_public_url or default).rstrip("/")
