"""Bounds the body of every request, in size and in time, before the application reads it."""

import asyncio
import time
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyRefusedError(HTTPException):
    """A request's body is too large or too slow; reading it raises this."""


class BoundedBody:
    """ASGI middleware: whoever reads a body reads at most `max_bytes`, within `timeout_seconds`.

    Beyond that, reading raises `BodyRefusedError` with status 413 or 408. A body whose declared
    size is too large is refused before any of it is read.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, timeout_seconds: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a bounded way to read it."""
        if scope["type"] == "http":
            receive = self._bounded(scope, receive)
        await self._app(scope, receive, send)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        declared = int(Headers(scope=scope).get("content-length", "0"))  # the server has checked it
        deadline = time.monotonic() + self._timeout_seconds
        size = 0
        complete = False

        async def receive_bounded() -> Message:
            nonlocal size, complete
            if complete:  # what follows is the end of the connection, which has no deadline
                return await receive()
            if declared > self._max_bytes:
                raise self._too_large()
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                raise self._too_slow() from None
            size += len(message.get("body", b""))
            if size > self._max_bytes:
                raise self._too_large()
            complete = not message.get("more_body", False)
            return message

        return receive_bounded

    def _too_large(self) -> BodyRefusedError:
        detail = f"the body exceeds {self._max_bytes} bytes; send less"
        return BodyRefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)

    def _too_slow(self) -> BodyRefusedError:
        detail = f"the body took more than {self._timeout_seconds:g} s to arrive; send it at once"
        return BodyRefusedError(HTTPStatus.REQUEST_TIMEOUT, detail)
