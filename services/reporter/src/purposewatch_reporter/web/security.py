"""What protects the page: headers, same-origin checks, and safe redirects."""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from purposewatch_runtime.http import PAGE_HEADERS, content_security_policy

CONTENT_SECURITY_POLICY = content_security_policy()

_HEADERS = {**PAGE_HEADERS, "Content-Security-Policy": CONTENT_SECURITY_POLICY}
_HSTS = "max-age=31536000; includeSubDomains"


def protect(response: Response, *, is_https: bool) -> Response:
    """Add the headers that every answer of the page has, unless it states its own.

    None is kept in a cache unless it says.
    """
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    if is_https:
        response.headers["Strict-Transport-Security"] = _HSTS
    return response


def comes_from_here(request: Request, public_url: str) -> bool:
    """Whether the browser says that a form was sent from a page of this site.

    A request without either header does not come from a browser of today; the token in the form
    decides about it.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return True
    here = {urlsplit(public_url).netloc, request.headers.get("host", "")}
    # compared as it is: an origin has nothing behind its host, and not every text can be parsed
    return origin.partition("://")[2] in here - {""}


def safe_path(path: str | None) -> str:
    """A path within this site to go on to; anything else becomes the first page.

    Browsers read two slashes, backslashes and control characters in ways that lead elsewhere.
    """
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")):
        return "/"
    if any(ord(character) < ord("!") or character == "\\" for character in path):
        return "/"
    parts = urlsplit(path)
    return path if not parts.scheme and not parts.netloc else "/"
