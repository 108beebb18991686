"""Reading requests within bounds: the key, the content, and how many at once."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect, Request

from purposewatch_ingest.http.problems import ProblemError, ProblemKind
from purposewatch_ingest.publishers import Publisher, PublisherRegister

RETRY_SECONDS = 2

_MAX_DIGITS = 18  # Python refuses to convert texts of thousands of digits


def authenticate(request: Request, register: PublisherRegister) -> Publisher:
    """The publisher whose key the request carries."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    publisher = register.holder_of(key.strip()) if scheme.lower() == "bearer" else None
    if publisher is None:
        raise ProblemError(
            ProblemKind.UNAUTHORIZED,
            "send a registered key as `Authorization: Bearer <key>`",
            headers={"WWW-Authenticate": 'Bearer realm="purposewatch"'},
        )
    return publisher


async def read_body(request: Request, *, max_bytes: int, timeout_seconds: float) -> bytes:
    """The whole content; never holds more than `max_bytes` and one chunk of it."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        detail = "compressed content is not accepted; send it without `Content-Encoding`"
        raise ProblemError(ProblemKind.UNSUPPORTED_MEDIA_TYPE, detail)
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or len(declared) > _MAX_DIGITS or int(declared) > max_bytes:
        raise _too_large(max_bytes)
    chunks = []
    size = 0
    try:
        async with asyncio.timeout(timeout_seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                chunks.append(chunk)
    except TimeoutError:
        detail = f"the content took more than {timeout_seconds:g} s; send smaller batches"
        headers = {"Connection": "close"}
        raise ProblemError(ProblemKind.BODY_TIMEOUT, detail, headers=headers) from None
    except ClientDisconnect:
        detail = "the connection ended before the content did"
        raise ProblemError(ProblemKind.INCOMPLETE, detail) from None
    return b"".join(chunks)


def _too_large(max_bytes: int) -> ProblemError:
    detail = f"the content exceeds {max_bytes} bytes; send the events in several requests"
    return ProblemError(ProblemKind.TOO_LARGE, detail)


class InFlight:
    """Bounds how many requests are handled at once; a request beyond that is refused."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    @contextmanager
    def take(self) -> Iterator[None]:
        """Occupy one slot, or raise the problem that makes the client wait."""
        if self._free == 0:
            raise ProblemError(
                ProblemKind.BUSY,
                "ingest handles as many requests as it can; send the same events again later",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
