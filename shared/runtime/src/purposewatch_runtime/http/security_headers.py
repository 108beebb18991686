"""The headers that protect pages which a browser shows."""

from collections.abc import Mapping

PAGE_HEADERS: Mapping[str, str] = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What every page has besides a content security policy."""


def content_security_policy(*, style: str = "'self'", images: str = "'self'") -> str:
    """A policy under which a page loads files of its own host only, and runs no inline script."""
    return (
        f"default-src 'none'; script-src 'self'; style-src {style}; img-src {images}; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
