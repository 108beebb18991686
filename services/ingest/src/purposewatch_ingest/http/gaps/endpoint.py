"""`POST /v1/gaps`: what a publisher could not state as events; 202 once Kafka has acknowledged it.

Authenticated and limited as events are.
"""

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from purposewatch_contract import Gap
from purposewatch_contract.submission import RefusedError
from purposewatch_ingest.content_modes import BINARY, ContentMode, content_mode
from purposewatch_ingest.gaps import admit_gap, gaps_in
from purposewatch_ingest.http.handling import RequestHandling
from purposewatch_ingest.http.problems import (
    ProblemError,
    ProblemKind,
    answering_defects,
    refusal_problem,
)
from purposewatch_ingest.publishers import Publisher
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord

_SLICE = 50
"""So many gaps are admitted before other requests have the event loop."""


class AcceptedGaps(BaseModel):
    """That every gap of the request is acknowledged."""

    accepted: int


class GapsEndpoint:
    """Handles requests with gaps.

    INVARIANT: 202 is answered only after every gap of the request is acknowledged. One gap that is
    refused refuses the whole request, before anything is published.
    """

    def __init__(
        self, handling: RequestHandling, producer: AcknowledgedProducer, *, topic: str
    ) -> None:
        self._handling = handling
        self._ingest = handling.ingest
        self._limiter = handling.limiter
        self._producer = producer
        self._topic = topic
        self.max_batch = handling.limits.max_batch_events
        """How many gaps one request may hold: as many as events."""

    @answering_defects
    async def publish_gaps(self, request: Request) -> Response:
        """Handle one request."""
        publisher = await self._handling.authenticator.publisher_of(request)
        self._limiter.ensure_allowed(publisher)
        # the media type of binary mode is that of plain JSON
        if content_mode(request.headers.get("content-type", "")) is not ContentMode.BINARY:
            detail = f"send a JSON array of gaps as `{BINARY}`"
            raise ProblemError(ProblemKind.UNSUPPORTED_MEDIA_TYPE, detail)
        async with self._handling.bodies.receive(request, publisher.name) as body:
            records = await self._admit(body, publisher)
            await self._handling.publish(self._producer, records, publisher, "gap")
        headers = dict(self._limiter.headers(publisher))
        return JSONResponse({"accepted": len(records)}, status_code=202, headers=headers)

    async def _admit(self, body: bytes, publisher: Publisher) -> list[OutgoingRecord]:
        """Admit every gap of the request, or raise the problem of those that are refused."""
        try:
            texts = gaps_in(body)
        except RefusedError as error:
            raise refusal_problem({0: error}, 1, noun="gap") from None
        if len(texts) > self.max_batch:
            detail = f"the batch has {len(texts)} gaps; send at most {self.max_batch} at once"
            raise ProblemError(ProblemKind.TOO_LARGE, detail)
        self._limiter.charge(publisher, len(texts))
        now, max_future = self._ingest.clock(), self._ingest.max_future
        admitted: list[OutgoingRecord] = []
        refused: dict[int, RefusedError] = {}
        for start in range(0, len(texts), _SLICE):
            async with self._handling.shares.turn(publisher.name):
                for index, text in enumerate(texts[start : start + _SLICE], start):
                    try:
                        gap = admit_gap(text, publisher, now=now, max_future=max_future)
                        admitted.append(self._outgoing(gap))
                    except RefusedError as error:
                        refused[index] = error
        if refused:
            raise refusal_problem(refused, len(texts), noun="gap")
        return admitted

    def _outgoing(self, gap: Gap) -> OutgoingRecord:
        # INVARIANT: the key is the publisher, so that all its gaps are in one partition, and one
        # reporter at a time counts the names that it has.
        value = gap.model_dump_json(exclude_none=True).encode()
        return OutgoingRecord(self._topic, value, gap.publisher.encode())
