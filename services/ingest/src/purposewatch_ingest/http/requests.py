"""Reading the content of requests within bounds of size and time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from purposewatch_ingest.http.problems import ProblemError, ProblemKind
from purposewatch_ingest.http.request_shares import RequestShares

_MAX_DIGITS = 18  # Python refuses to convert texts of thousands of digits


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one request may ask for."""

    max_body_bytes: int
    max_batch_events: int
    body_timeout_seconds: float
    acknowledge_timeout_seconds: float
    max_decided_categories: int
    decide_timeout_seconds: float


class RequestBodies:
    """Receives the content of requests, each within its publisher's share."""

    def __init__(self, limits: RequestLimits, shares: RequestShares) -> None:
        self._limits = limits
        self._shares = shares

    @asynccontextmanager
    async def receive(self, request: Request, publisher: str) -> AsyncIterator[bytes]:
        """Read the whole content, and hold what handling it takes until the block ends."""
        limits = self._limits
        bound = body_bound(request, max_bytes=limits.max_body_bytes)
        async with self._shares.receive(publisher, bound):
            body = await read_body(
                request,
                max_bytes=limits.max_body_bytes,
                timeout_seconds=limits.body_timeout_seconds,
            )
            async with self._shares.handle(publisher, len(body)):
                yield body


def body_bound(request: Request, *, max_bytes: int) -> int:
    """How large the content can be: as declared, or the maximum if its length is not declared.

    Refuses content that is compressed or declared larger than the maximum.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        detail = "compressed content is not accepted; send it without `Content-Encoding`"
        raise ProblemError(ProblemKind.UNSUPPORTED_MEDIA_TYPE, detail)
    declared = request.headers.get("content-length")
    if declared is None:
        return max_bytes
    if not declared.isdecimal() or len(declared) > _MAX_DIGITS or int(declared) > max_bytes:
        raise _too_large(max_bytes)
    return int(declared)


async def read_body(request: Request, *, max_bytes: int, timeout_seconds: float) -> bytes:
    """The whole content; never holds more than `max_bytes` and one chunk of it."""
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
