"""The HTTP edge of every service: what a client may hold, send and get before a route runs."""

from purposewatch_runtime.http.body import BodyRefusedError, BoundedBody
from purposewatch_runtime.http.documentation import documentation_routes
from purposewatch_runtime.http.limits import HttpLimits
from purposewatch_runtime.http.security_headers import PAGE_HEADERS, content_security_policy

__all__ = [
    "PAGE_HEADERS",
    "BodyRefusedError",
    "BoundedBody",
    "HttpLimits",
    "content_security_policy",
    "documentation_routes",
]
