"""What receivers over HTTP have in common: who may send, how much, and how many at once."""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from pydantic import SecretStr
from starlette.requests import ClientDisconnect, Request

from purposewatch_connect.pipeline import SpoolError
from purposewatch_connect.settings import ReceiverSettings
from purposewatch_runtime.http import (
    ACCEPT_ENCODING,
    BodyRefusedError,
    CorruptBodyError,
    ExpansionError,
    UnknownEncodingError,
    client_names,
    content_encoding,
    decompress,
)

_RETRY_SECONDS = "5"


class RefusedRequestError(Exception):
    """The request can't be read; it must not be sent again unchanged."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def expand(body: bytes, header: str | None, *, max_bytes: int) -> bytes:
    """Return the body uncompressed. Raises `RefusedRequestError` if it is larger than that."""
    try:
        encoding = content_encoding(header)
        return body if encoding is None else decompress(encoding, body, max_bytes=max_bytes)
    except UnknownEncodingError:
        detail = f"use one of {ACCEPT_ENCODING}, or no `Content-Encoding`"
        raise RefusedRequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail) from None
    except CorruptBodyError:
        detail = "the content is not what its `Content-Encoding` says"
        raise RefusedRequestError(HTTPStatus.BAD_REQUEST, detail) from None
    except ExpansionError:
        detail = f"the content exceeds {max_bytes} bytes; send smaller batches"
        raise RefusedRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail) from None


def is_authorised(header: str, token: SecretStr | None) -> bool:
    """Whether the field `Authorization` has the token; without a token it need not."""
    if token is None:
        return True
    scheme, _, given = header.partition(" ")
    expected = token.get_secret_value().encode()
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), expected)


class ReceivingEdge:
    """Admits requests."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._token = settings.connect_token
        self._needs_certificate = settings.connect_tls_client_cafile is not None
        self._max_bytes = settings.connect_max_request_bytes
        self._slots = asyncio.Semaphore(settings.connect_max_in_flight)
        self._wait = settings.connect_wait_timeout_seconds

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """Give the content of a request that is admitted, as it was sent.

        Raises `RefusedRequestError` for one that is not, and in place of what its handling raises
        because of the content or the spool.
        """
        self._authorise(request)
        try:
            async with self._slot():
                yield await request.body()
        except BodyRefusedError as error:
            # Exporters drop what gets a 408; it can be sent again.
            is_slow = error.status_code == HTTPStatus.REQUEST_TIMEOUT
            status = HTTPStatus.SERVICE_UNAVAILABLE if is_slow else HTTPStatus(error.status_code)
            raise RefusedRequestError(status, error.detail) from None
        except ClientDisconnect:
            detail = "the content ended too early"
            raise RefusedRequestError(HTTPStatus.BAD_REQUEST, detail) from None
        except SpoolError as error:
            raise RefusedRequestError(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None

    def expand(self, body: bytes, request: Request) -> bytes:
        """Return the content uncompressed. Raises `RefusedRequestError` if it is too large."""
        return expand(body, request.headers.get("content-encoding"), max_bytes=self._max_bytes)

    def _authorise(self, request: Request) -> None:
        if self._needs_certificate and not client_names(request.scope):
            raise RefusedRequestError(HTTPStatus.UNAUTHORIZED, "present a client certificate")
        if not is_authorised(request.headers.get("authorization", ""), self._token):
            raise RefusedRequestError(HTTPStatus.UNAUTHORIZED, "send the token as a bearer")

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Bound how many bodies are held at once; a request waits for its turn, but not long."""
        try:
            async with asyncio.timeout(self._wait):
                await self._slots.acquire()
        except TimeoutError:
            detail = "too many requests at once"
            raise RefusedRequestError(HTTPStatus.SERVICE_UNAVAILABLE, detail) from None
        try:
            yield
        finally:
            self._slots.release()


def refusal_headers(status: HTTPStatus) -> dict[str, str]:
    """Return the headers that a refusal needs beside its content."""
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": _RETRY_SECONDS}
    if status is HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer realm="purposewatch"'}
    return {}
