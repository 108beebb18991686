"""Reading the content of requests within bounds of size and time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request

from purposewatch_ingest.http.problems import ProblemError, ProblemKind
from purposewatch_ingest.http.request_shares import SLOT_BYTES, RequestShares
from purposewatch_runtime.http import (
    ACCEPT_ENCODING,
    BodyRefusedError,
    ContentEncoding,
    CorruptBodyError,
    ExpansionError,
    UnknownEncodingError,
    bounded_receive,
    content_encoding,
    declared_size,
    decompress,
)


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one request may ask for."""

    max_body_bytes: int
    """Both as it arrives and decompressed."""
    max_expansion: int
    """How many times larger than compressed a body may be decompressed."""
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
        encoding = _encoding(request)
        bound = self._bound(request, encoding)
        async with self._shares.receive(publisher, bound):
            body = await self._read(request)
            if encoding is not None:
                # Small ones need no turn, so that only so many requests can wait for one.
                if bound <= SLOT_BYTES:
                    body = self._decompress(encoding, body)
                else:
                    async with self._shares.turn(publisher):
                        body = self._decompress(encoding, body)
            async with self._shares.handle(publisher, len(body)):
                yield body

    def _bound(self, request: Request, encoding: ContentEncoding | None) -> int:
        """How large the content can be, decompressed; refuses what is declared too large."""
        most = self._limits.max_body_bytes
        declared = declared_size(request.scope)
        if declared is None:
            return most
        if declared > most:
            raise _too_large(most)
        return declared if encoding is None else min(most, declared * self._limits.max_expansion)

    async def _read(self, request: Request) -> bytes:
        """The content as it arrives; never holds more than the maximum and one chunk of it."""
        limits = self._limits
        bounded = bounded_receive(
            request.scope,
            request.receive,
            max_bytes=limits.max_body_bytes,
            timeout_seconds=limits.body_timeout_seconds,
        )
        try:
            return await Request(request.scope, bounded).body()
        except BodyRefusedError as error:
            if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise _too_large(limits.max_body_bytes) from None
            seconds = limits.body_timeout_seconds
            detail = f"the content took more than {seconds:g} s; send smaller batches"
            raise ProblemError(ProblemKind.BODY_TIMEOUT, detail) from None
        except ClientDisconnect:
            detail = "the connection ended before the content did"
            raise ProblemError(ProblemKind.INCOMPLETE, detail) from None

    def _decompress(self, encoding: ContentEncoding, body: bytes) -> bytes:
        limits = self._limits
        bound = min(limits.max_body_bytes, len(body) * limits.max_expansion)
        try:
            return decompress(encoding, body, max_bytes=bound)
        except CorruptBodyError:
            detail = (
                f"the content is not one complete `{encoding.value}` stream; compress it again, or "
                "send it without `Content-Encoding`"
            )
            raise ProblemError(ProblemKind.CORRUPT, detail) from None
        except ExpansionError:
            if bound == limits.max_body_bytes:
                raise _too_large(bound, "decompressed content") from None
            detail = (
                f"the content is more than {limits.max_expansion} times as large decompressed as "
                "compressed; send it without `Content-Encoding`"
            )
            raise ProblemError(ProblemKind.TOO_LARGE, detail) from None


def _encoding(request: Request) -> ContentEncoding | None:
    try:
        return content_encoding(", ".join(request.headers.getlist("content-encoding")))
    except UnknownEncodingError:
        raise ProblemError(
            ProblemKind.UNSUPPORTED_MEDIA_TYPE,
            "the content's encoding is not accepted; compress it once, with `gzip` or `zstd`, or "
            "send it without `Content-Encoding`",
            headers={"Accept-Encoding": ACCEPT_ENCODING},
        ) from None


def _too_large(max_bytes: int, what: str = "content") -> ProblemError:
    detail = f"the {what} exceeds {max_bytes} bytes; send the events in several requests"
    return ProblemError(ProblemKind.TOO_LARGE, detail)
