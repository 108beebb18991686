"""The health check of an image: `python -m purposewatch_runtime.probe PORT…`.

Exit status 0 if the service that listens at one of the ports is ready, else 1. Asks over TLS where
the environment names a certificate to serve (`PURPOSEWATCH_…_TLS_CERTFILE`).
"""

import http.client
import os
import ssl
import sys
from collections.abc import Iterable

_HOST = "127.0.0.1"
_TIMEOUT_SECONDS = 4.0


def is_ready(port: int) -> bool:
    """Whether `/readyz` answers 200 at the port of this machine."""
    connection = _connection(port)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connection(port: int) -> http.client.HTTPConnection:
    if not any(name.endswith("_TLS_CERTFILE") for name in os.environ):
        return http.client.HTTPConnection(_HOST, port, timeout=_TIMEOUT_SECONDS)
    # The certificate is for the name under which others know the service.
    unverified = ssl._create_unverified_context()  # noqa: S323, SLF001
    return http.client.HTTPSConnection(_HOST, port, timeout=_TIMEOUT_SECONDS, context=unverified)


def main(ports: Iterable[str]) -> int:
    """Return the exit status."""
    return 0 if any(is_ready(int(port)) for port in ports) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
