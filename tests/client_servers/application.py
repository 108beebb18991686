"""A WSGI application that publishes with the client. It records an event when it is imported."""

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import purposewatch_client as purposewatch


def record(subject: str) -> None:
    """Record one event."""
    purposewatch.record(
        subject=subject, operation="use", purpose="essential.service", categories="user.name"
    )


record(f"import-{os.getpid()}-{time.time_ns()}")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Record the path, and answer with the process id."""
    record(environ["PATH_INFO"].strip("/"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
