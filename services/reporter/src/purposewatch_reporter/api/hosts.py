"""Under which names a reporter without a token may be reached."""

from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from purposewatch_reporter.api.problems import ProblemError, render


class AllowedHosts:
    """ASGI middleware that refuses requests whose `Host` is not one of the allowed names.

    A site whose name is made to resolve to this machine (DNS rebinding) can send requests from a
    visitor's browser and read the responses; only the `Host` tells. The port does not matter.
    """

    def __init__(self, app: ASGIApp, *, names: Collection[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 421."""
        is_allowed = scope["type"] != "http" or host_name(scope) in self._names
        await (self._app if is_allowed else _MISDIRECTED)(scope, receive, send)


def host_name(scope: Scope) -> str:
    """The name that a request is addressed to, in lower case, without port and brackets."""
    host = Headers(scope=scope).get("host", "").lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


_MISDIRECTED = render(
    ProblemError(
        HTTPStatus.MISDIRECTED_REQUEST,
        "unknown-host",
        "this reporter has no API token, so it answers only under its own names; set "
        "PURPOSEWATCH_REPORTER_API_TOKEN, or add the name to PURPOSEWATCH_REPORTER_ALLOWED_HOSTS",
    )
)
