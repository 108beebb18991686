"""Serve an ASGI application until the process is asked to end."""

import errno
import gc
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from purposewatch_runtime.http.limits import FileLimitError, HttpLimits, ensure_file_limit
from purposewatch_runtime.http.tls_protocol import TlsConfig
from purposewatch_runtime.http.uvicorn_protocol import BoundedConfig
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.service.supervisor import Supervisor

_NOT_SERVING = 3
_COLLECT_EVERY = 100_000

_log = get_logger(__name__)


def _tune_garbage_collector() -> None:
    """Keep the garbage collector from scanning long-lived objects, and from running often.

    A batch creates thousands of short-lived objects that form no cycles; with Python's default
    threshold the collector would scan them every 700 allocations.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY)


def run(  # noqa: PLR0913 - what a service is served with
    app: ASGIApp,
    supervisor: Supervisor,
    *,
    host: str,
    port: int,
    limits: HttpLimits,
    trusted_proxies: str | None = None,
    tls: Callable[[], ssl.SSLContext] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; with `tls`, which is asked for each connection, only TLS.

    Exits with status 1 after a `FatalError` or when the process may not open enough files for the
    limits, and with 3 when nothing can listen at the port.
    """
    try:
        ensure_file_limit(limits)
    except FileLimitError as error:
        _log.critical("cannot run", error=str(error))
        raise SystemExit(1) from None
    listener = _listener(host, port)

    # uvicorn raises the signal again once it has shut down: a clean stop must not end by a signal.
    def end(*_: object) -> None:
        raise SystemExit(1 if supervisor.failed is not None else 0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    _tune_garbage_collector()
    options: dict[str, Any] = {
        "trusted_proxies": trusted_proxies,
        "loop": "asyncio" if sys.platform == "win32" else "uvloop",
        "timeout_graceful_shutdown": 20,
    }
    config = (
        BoundedConfig(app, limits, **options)
        if tls is None
        else TlsConfig(app, limits, context=tls, **options)
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
    if not server.started:
        raise SystemExit(_NOT_SERVING)
    if supervisor.failed is not None:
        raise SystemExit(1)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            what = f"port {port} of {host} is taken; end what listens there"
        else:
            reason = (error.strerror or type(error).__name__).lower()
            what = f"can't listen at port {port} of {host}: {reason}; correct the host"
        _log.critical(
            "cannot run", error=f"{what}, or set another port in PURPOSEWATCH_…_HTTP_PORT"
        )
        raise SystemExit(_NOT_SERVING) from None
    return listener
