"""TLS for a service's own HTTP server: its certificate, and the names in those of its clients."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

_CLIENT_NAMES = "purposewatch.client_names"


class TlsError(Exception):
    """A certificate, a key or a file of certificate authorities can't be used."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files."""

    certfile: Path
    """The server's certificate and those between it and its authority."""
    keyfile: Path | None = None
    """Its key, if it is not in the same file."""
    client_cafile: Path | None = None
    """The authorities of clients' certificates; without it clients are not asked for one."""


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Load the files. A client may present a certificate, and then it must be a valid one.

    Raises `TlsError`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.certfile, files.keyfile)
        if files.client_cafile is not None:
            context.load_verify_locations(files.client_cafile)
            context.verify_mode = ssl.CERT_OPTIONAL
    except OSError as error:  # an `SSLError` is one
        reason = error.strerror or str(error)
        message = f"the certificate, its key or the client authorities can't be loaded: {reason}"
        raise TlsError(message) from None
    return context


def certificate_names(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The names in a verified certificate: `CN:…` of its subject, `DNS:…` and `URI:…`."""
    if not certificate:
        return frozenset()
    subject = (pair for part in certificate.get("subject", ()) for pair in part)
    common = {f"CN:{value}" for name, value in subject if name == "commonName"}
    alternative = certificate.get("subjectAltName", ())
    return frozenset(common | {f"{kind}:{v}" for kind, v in alternative if kind in ("DNS", "URI")})


def client_names(scope: Scope) -> frozenset[str]:
    """The names in the certificate of the client that sent a request; none without one."""
    names: frozenset[str] = scope.get(_CLIENT_NAMES, frozenset())
    return names


class WithClientNames:
    """ASGI application that tells another one the names in the client's certificate."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        scope[_CLIENT_NAMES] = self._names
        await self._app(scope, receive, send)
