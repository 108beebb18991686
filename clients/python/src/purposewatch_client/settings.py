"""The client's settings: arguments of `configure`, or variables `PURPOSEWATCH_CLIENT_…`."""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args
from urllib.parse import urlsplit

from purposewatch_client.errors import EventError, SettingsError
from purposewatch_client.form import check_source

__all__ = [
    "ClientSettings",
    "Compression",
    "Fsync",
    "OnError",
    "SettingsFields",
    "WhenFull",
    "from_environment",
]

PREFIX = "PURPOSEWATCH_CLIENT_"

WhenFull = Literal["drop", "block", "raise"]
OnError = Literal["log", "raise"]
Compression = Literal["gzip", "none"]
Fsync = Literal["never", "always"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientSettings:
    """What a client is configured with. Raises `SettingsError` if a value is wrong."""

    source: str
    """`/<publisher>`, the name that ingest's register has, optionally with more segments."""
    ingest_url: str = ""
    """Ingest's address, such as `https://ingest.example`; required unless a sink is given."""
    key: str | Callable[[], str] = field(default="", repr=False)
    """The publisher's key or token, or a function that returns the one to use now."""
    spool: Path | None = None
    """The directory of the spool, on a local file system; a temporary one unless stated."""
    controller: str | None = None
    role: str | None = None
    purpose: str | None = None
    actor: str | None = None
    when_full: WhenFull = "drop"
    """What a call does when the spool is full or can't be written."""
    block_timeout_seconds: float = 10.0
    """How long a call waits with `when_full="block"` before it drops the event."""
    on_error: OnError = "log"
    """Whether a call with a wrong field raises `EventError`, or only counts and logs it."""
    spool_max_bytes: int = 256 * 1024 * 1024
    segment_bytes: int = 4 * 1024 * 1024
    refused_max_bytes: int = 16 * 1024 * 1024
    fsync: Fsync = "never"
    batch_max_events: int = 1000
    batch_max_bytes: int = 1_000_000
    linger_seconds: float = 0.2
    """How long the sender collects events after the first one, for a fuller batch."""
    compression: Compression = "gzip"
    timeout_seconds: float = 15.0
    """Of one request."""
    backoff_max_seconds: float = 60.0
    exit_timeout_seconds: float = 2.0
    """How long the end of the process may wait for what is not sent; the spool keeps the rest."""
    adopt_seconds: float = 60.0
    """How often the sender looks for segments that ended processes left."""
    tls_ca_file: str | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        for name, choices in _CHOICES.items():
            _require(getattr(self, name) in choices, name, f"one of {', '.join(choices)}")
        for name in _POSITIVE:
            _require(getattr(self, name) > 0, name, "more than 0")
        for name in _NOT_NEGATIVE:
            _require(getattr(self, name) >= 0, name, "0 or more")
        try:
            check_source(self.source)
        except EventError as error:
            raise SettingsError(str(error)) from None
        room = self.segment_bytes <= self.spool_max_bytes // 2
        _require(room, "segment_bytes", "at most half of `spool_max_bytes`")
        url = urlsplit(self.ingest_url)
        rule = "an address such as `https://ingest.example`, without a query"
        usable = url.scheme in {"http", "https"} and url.hostname and not url.query
        _require(not self.ingest_url or bool(usable), "ingest_url", rule)

    @property
    def spool_directory(self) -> Path:
        """Where the spool is."""
        if self.spool is not None:
            return self.spool
        name = self.source.strip("/").replace("/", "-")
        return Path(tempfile.gettempdir()) / f"purposewatch-{os.getuid()}-{name}"

    @property
    def defaults(self) -> dict[str, str]:
        """The fields that every event has unless a call or a context names them."""
        named = ("controller", "role", "purpose", "actor")
        return {name: value for name in named if (value := getattr(self, name)) is not None}


class SettingsFields(TypedDict, total=False):
    """The settings as arguments: see `ClientSettings`."""

    source: str
    ingest_url: str
    key: str | Callable[[], str]
    spool: Path | str | None
    controller: str | None
    role: str | None
    purpose: str | None
    actor: str | None
    when_full: WhenFull
    block_timeout_seconds: float
    on_error: OnError
    spool_max_bytes: int
    segment_bytes: int
    refused_max_bytes: int
    fsync: Fsync
    batch_max_events: int
    batch_max_bytes: int
    linger_seconds: float
    compression: Compression
    timeout_seconds: float
    backoff_max_seconds: float
    exit_timeout_seconds: float
    adopt_seconds: float
    tls_ca_file: str | None
    tls_cert_file: str | None
    tls_key_file: str | None


_CHOICES = {
    "when_full": get_args(WhenFull),
    "on_error": get_args(OnError),
    "compression": get_args(Compression),
    "fsync": get_args(Fsync),
}
_POSITIVE = (
    *("spool_max_bytes", "segment_bytes", "batch_max_events", "batch_max_bytes"),
    *("timeout_seconds", "backoff_max_seconds", "adopt_seconds"),
)
_NOT_NEGATIVE = (
    *("block_timeout_seconds", "linger_seconds", "exit_timeout_seconds", "refused_max_bytes"),
)


def _require(holds: bool, name: str, rule: str) -> None:  # noqa: FBT001 - a condition
    if not holds:
        message = f"`{name}` must be {rule}"
        raise SettingsError(message)


def from_environment(
    given: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> ClientSettings:
    """Settings as given; those that are not, from the environment."""
    values = dict(given)
    for each in fields(ClientSettings):
        variable = f"{PREFIX}{each.name.upper()}"
        if each.name not in values and (text := environment.get(variable)):
            values[each.name] = _parse(variable, text, each.default)
    if isinstance(values.get("spool"), str):
        values["spool"] = Path(values["spool"])
    if "source" not in values:
        message = f"name the `source`, or set {PREFIX}SOURCE"
        raise SettingsError(message)
    try:
        return ClientSettings(**values)
    except TypeError as error:
        raise SettingsError(str(error)) from None


def _parse(variable: str, text: str, default: object) -> object:
    kind = type(default) if isinstance(default, (int, float)) else str
    try:
        return kind(text)
    except ValueError:
        message = f"{variable} must be a number"
        raise SettingsError(message) from None
