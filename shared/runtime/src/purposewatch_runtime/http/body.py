"""Bounds the body of every request, in size and in time, before the application reads it."""

import asyncio
import sys
import time
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MAX_DIGITS = 18  # Python refuses to convert texts of thousands of digits


class BodyRefusedError(HTTPException):
    """A request's body is too large or too slow; reading it raises this, with status 413 or 408."""


class BoundedBody:
    """ASGI middleware: whoever reads a body reads at most `max_bytes`, within `timeout_seconds`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        timeout_seconds: float,
        of_paths: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """`of_paths` has the limits of paths that have one of their own."""
        self._app = app
        self._max_bytes = max_bytes
        self._of_paths = of_paths
        self._timeout_seconds = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a bounded way to read it."""
        if scope["type"] == "http":
            receive = bounded_receive(
                scope,
                receive,
                max_bytes=self._of_paths.get(scope["path"], self._max_bytes),
                timeout_seconds=self._timeout_seconds,
            )
        await self._app(scope, receive, send)


def declared_size(scope: Scope) -> int | None:
    """How large the request says that its body is; `None` if it does not."""
    declared = Headers(scope=scope).get("content-length")
    if declared is None:
        return None
    is_number = declared.isdecimal() and len(declared) <= _MAX_DIGITS
    return int(declared) if is_number else sys.maxsize


def bounded_receive(
    scope: Scope, receive: Receive, *, max_bytes: int, timeout_seconds: float
) -> Receive:
    """A way to receive the body, from now on for so many seconds, and at most so many bytes of it.

    Beyond that it raises `BodyRefusedError`. A body whose declared size is too large is refused
    before any of it is read.
    """
    is_too_large = (declared_size(scope) or 0) > max_bytes
    deadline = time.monotonic() + timeout_seconds
    size = 0
    complete = False

    async def receive_bounded() -> Message:
        nonlocal size, complete
        if complete:  # what follows is the end of the connection, which has no deadline
            return await receive()
        if is_too_large:
            raise _too_large(max_bytes)
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                message = await receive()
        except TimeoutError:
            raise _too_slow(timeout_seconds) from None
        size += len(message.get("body", b""))
        if size > max_bytes:
            raise _too_large(max_bytes)
        complete = not message.get("more_body", False)
        return message

    return receive_bounded


def _too_large(max_bytes: int) -> BodyRefusedError:
    detail = f"the body exceeds {max_bytes} bytes; send less"
    return BodyRefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def _too_slow(timeout_seconds: float) -> BodyRefusedError:
    detail = f"the body took more than {timeout_seconds:g} s to arrive; send it at once"
    return BodyRefusedError(HTTPStatus.REQUEST_TIMEOUT, detail)
