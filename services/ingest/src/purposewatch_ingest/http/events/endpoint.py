"""`POST /v1/events`: events in, 202 once Kafka has acknowledged every one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from purposewatch_contract import ErrorClass
from purposewatch_contract.submission import RefusedError
from purposewatch_ingest.admission import (
    MAX_EVENTS_WITH_SUGGESTIONS,
    AdmittedEvent,
    RefusedEvent,
)
from purposewatch_ingest.content_modes import (
    BATCHED,
    BINARY,
    STRUCTURED,
    ContentMode,
    events_in_request,
    mode_of_request,
    traceparent_of,
)
from purposewatch_ingest.http.events.hints import HintFinder
from purposewatch_ingest.http.events.partial_success import (
    APPLIED,
    is_partial_success_preferred,
    partial_success,
)
from purposewatch_ingest.http.handling import RequestHandling
from purposewatch_ingest.http.problems import (
    ProblemError,
    ProblemKind,
    answering_defects,
    refusal_problem,
)
from purposewatch_ingest.publishers import Publisher
from purposewatch_runtime.kafka import AcknowledgedProducer

_OWN_BATCHES = 20
"""From this many events on, a request's events are sent apart from those of other requests."""
_SLICE = 20
"""So many events are admitted, in well under a millisecond, before others have the event loop."""


@dataclass(frozen=True, slots=True)
class _Admission:
    """What became of the events of one request."""

    admitted: list[AdmittedEvent]
    refused: dict[int, RefusedError]
    """By index."""


@dataclass(frozen=True, slots=True)
class RequestProducers:
    """Two producers, so that a few events never wait for batches of many to leave the client."""

    few: AcknowledgedProducer
    many: AcknowledgedProducer


class EventsEndpoint:
    """Handles requests with events in any of the three content modes.

    INVARIANT: 202 is answered only after every event that it counts as accepted is acknowledged.
    One event that is refused refuses the whole request, before anything is published, unless the
    publisher prefers partial success.
    """

    def __init__(self, handling: RequestHandling, producers: RequestProducers) -> None:
        self._handling = handling
        self._ingest = handling.ingest
        self._limiter = handling.limiter
        self._producers = producers
        self._hints = HintFinder(handling.ingest, handling.shares)
        self.max_batch_events = handling.limits.max_batch_events
        """How many events one request may hold."""

    @answering_defects
    async def publish_events(self, request: Request) -> Response:
        """Handle one request."""
        publisher = await self._handling.authenticator.publisher_of(request)
        self._limiter.ensure_allowed(publisher)
        mode = mode_of_request(request.headers)
        binary = mode is ContentMode.BINARY
        if mode is None or (binary and "ce-specversion" not in request.headers):
            detail = f"send `{STRUCTURED}`, `{BATCHED}`, or `{BINARY}` with `ce-` headers"
            raise ProblemError(ProblemKind.UNSUPPORTED_MEDIA_TYPE, detail)
        async with self._handling.bodies.receive(request, publisher.name) as body:
            result = await self._admit(request, mode, body, publisher)
            await self._publish(result.admitted, publisher)
            accepted = len(result.admitted)
            self._ingest.count_accepted([publisher.name] * accepted, "http")
            hints = await self._hints.find(result.admitted, result.refused, publisher.name)
        lenient = is_partial_success_preferred(request)
        answer: dict[str, Any] = {"accepted": accepted}
        if lenient:
            answer = partial_success(accepted, result.refused)
        if hints:
            answer["hints"] = [hint.model_dump() for hint in hints]
        headers = {**self._limiter.headers(publisher), **(APPLIED if lenient else {})}
        return JSONResponse(answer, status_code=202, headers=headers)

    async def _admit(
        self, request: Request, mode: ContentMode, body: bytes, publisher: Publisher
    ) -> _Admission:
        """Admit the events of the request, or raise the problem of those that are refused.

        With partial success, some are admitted and some refused; if all are refused, it raises.
        """
        try:
            texts = events_in_request(mode, request.headers.raw, body)
        except RefusedError as error:
            self._ingest.count_refused([(publisher.name, error.error_class)], "http")
            raise refusal_problem({0: error}, 1) from None
        most = self.max_batch_events
        if len(texts) > most:
            self._ingest.count_refused([(publisher.name, ErrorClass.TOO_LARGE)], "http")
            detail = f"the batch has {len(texts)} events; send at most {most} in one request"
            raise ProblemError(ProblemKind.TOO_LARGE, detail)
        self._limiter.charge(publisher, len(texts))
        traceparent = traceparent_of(request.headers.items())
        results = await self._admit_in_slices(texts, traceparent, publisher)
        refused = {
            index: result.error
            for index, result in enumerate(results)
            if isinstance(result, RefusedEvent)
        }
        if refused:
            classes = [(publisher.name, error.error_class) for error in refused.values()]
            self._ingest.count_refused(classes, "http")
        admitted = [result for result in results if isinstance(result, AdmittedEvent)]
        if refused and not (admitted and is_partial_success_preferred(request)):
            raise refusal_problem(refused, len(texts))
        return _Admission(admitted, refused)

    async def _admit_in_slices(
        self, texts: Sequence[bytes], traceparent: str | None, publisher: Publisher
    ) -> list[AdmittedEvent | RefusedEvent]:
        """Admit events under one set of rules, and let other requests run between slices."""
        batch = self._ingest.begin_batch()
        admit = partial(
            batch.admit, origin="http", traceparent=traceparent, publisher=publisher, suggest=False
        )
        if len(texts) <= _SLICE:
            results = [admit(text) for text in texts]
        else:
            results = []
            for start in range(0, len(texts), _SLICE):
                async with self._handling.shares.turn(publisher.name):
                    results += [admit(text) for text in texts[start : start + _SLICE]]
        refused = [index for index, each in enumerate(results) if isinstance(each, RefusedEvent)]
        for index in refused[:MAX_EVENTS_WITH_SUGGESTIONS]:
            async with self._handling.shares.turn(publisher.name):
                results[index] = admit(texts[index], suggest=True)
        return results

    async def _publish(self, admitted: list[AdmittedEvent], publisher: Publisher) -> None:
        # a few events each from many requests share a batch; many from one make their own
        joins = len(admitted) < _OWN_BATCHES
        producer = self._producers.few if joins else self._producers.many
        records = [self._ingest.outgoing(event, joins=joins) for event in admitted]
        await self._handling.publish(producer, records, publisher, "events")
