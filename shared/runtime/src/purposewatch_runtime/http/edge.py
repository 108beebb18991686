"""What every request and response of a service passes, outside of its application."""

from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PROBE_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
"""What answers even while a service has no place for another client."""

_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_RETRY_SECONDS = "2"


class HttpEdge:
    """ASGI application that wraps the whole of another one, its error responses included.

    Browsers must not guess what a response is, so that none can be run as something else. A
    response to a request whose body was not read to its end closes the connection: reading on, only
    to find the next request, would let a client occupy the server with a body of any size.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_unread = _has_body(scope)

        async def receive_noting_end() -> Message:
            nonlocal is_unread
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                is_unread = False
            return message

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = headers = list(message.get("headers", ()))
                if not any(name.lower() == _NO_SNIFFING[0] for name, _ in headers):
                    headers.append(_NO_SNIFFING)
                if is_unread:
                    MutableHeaders(raw=headers)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive_noting_end if is_unread else receive, send_with_headers)


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


class ProbesOnly:
    """ASGI application that passes on probes and scrapes, and answers 503 to all else.

    It closes the connection after each, so that the place becomes free again.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a probe on, or refuse the request."""

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        is_probe = scope["path"] in PROBE_PATHS
        await (self._app if is_probe else _no_place)(scope, receive, send_and_close)


async def _no_place(scope: Scope, receive: Receive, send: Send) -> None:
    response = JSONResponse(
        problem(HTTPStatus.SERVICE_UNAVAILABLE, "too-many-connections", "try again later"),
        HTTPStatus.SERVICE_UNAVAILABLE,
        headers={"Retry-After": _RETRY_SECONDS, "X-Content-Type-Options": "nosniff"},
        media_type="application/problem+json",
    )
    await response(scope, receive, send)


def problem(status: HTTPStatus, name: str, detail: str) -> dict[str, str | int]:
    """An RFC 9457 problem of the server itself."""
    return {
        "type": f"urn:purposewatch:problem:{name}",
        "title": status.phrase,
        "status": status,
        "detail": detail,
    }
