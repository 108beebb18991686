"""The HTTP edge of every service: what a client may hold, send and get before a route runs."""

from purposewatch_runtime.http.body import (
    BodyRefusedError,
    BoundedBody,
    bounded_receive,
    declared_size,
)
from purposewatch_runtime.http.content_encoding import (
    ACCEPT_ENCODING,
    ContentEncoding,
    CorruptBodyError,
    ExpansionError,
    UnknownEncodingError,
    content_encoding,
    decompress,
)
from purposewatch_runtime.http.documentation import documentation_routes
from purposewatch_runtime.http.limits import HttpLimits
from purposewatch_runtime.http.security_headers import PAGE_HEADERS, content_security_policy
from purposewatch_runtime.http.tls import TlsError, TlsFiles, client_names, server_context

__all__ = [
    "ACCEPT_ENCODING",
    "PAGE_HEADERS",
    "BodyRefusedError",
    "BoundedBody",
    "ContentEncoding",
    "CorruptBodyError",
    "ExpansionError",
    "HttpLimits",
    "TlsError",
    "TlsFiles",
    "UnknownEncodingError",
    "bounded_receive",
    "client_names",
    "content_encoding",
    "content_security_policy",
    "declared_size",
    "decompress",
    "documentation_routes",
    "server_context",
]
