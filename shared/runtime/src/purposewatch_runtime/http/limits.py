"""How many connections a service accepts and how long each may take; checked against the system."""

import sys
from dataclasses import dataclass
from typing import Self

from purposewatch_runtime.settings import HttpSettings

RESERVED_CONNECTIONS = 16
"""Connections beyond the maximum, on which only probes and metrics are answered."""

_OTHER_FILES = 240
"""Files and connections that a service opens besides: to Kafka, the database, what it reloads."""


class FileLimitError(Exception):
    """The system does not let the process open as many files as the settings allow connections."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What the HTTP server grants its clients; times in seconds."""

    max_connections: int = 1_024
    header_timeout: float = 10.0
    send_timeout: float = 30.0
    enforces_retry_after: bool = False
    """Whether a client that is told `Retry-After` waits that long on its connection. Else refusing
    a client that repeats its requests in a loop takes all the time there is."""

    @classmethod
    def from_settings(cls, settings: HttpSettings, *, enforces_retry_after: bool = False) -> Self:
        """The limits that the settings state."""
        return cls(
            max_connections=settings.http_max_connections,
            header_timeout=settings.http_header_timeout_seconds,
            send_timeout=settings.http_send_timeout_seconds,
            enforces_retry_after=enforces_retry_after,
        )

    @property
    def files(self) -> int:
        """How many files a process may need at once with so many connections."""
        return self.max_connections + RESERVED_CONNECTIONS + _OTHER_FILES


def ensure_file_limit(limits: HttpLimits) -> None:
    """Let the process open as many files as the limits need; raise `FileLimitError` if it can't.

    At its limit a process can neither accept connections nor reload a file. The soft limit, often
    1,024, is raised as far as the system allows.
    """
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - exists on POSIX only

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= limits.files:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits.files, hard))
    except (OSError, ValueError):
        message = (
            f"{limits.max_connections} connections need {limits.files} open files, but this "
            f"process may open only {hard}; raise that limit (`nofile`), or lower "
            "PURPOSEWATCH_HTTP_MAX_CONNECTIONS"
        )
        raise FileLimitError(message) from None
