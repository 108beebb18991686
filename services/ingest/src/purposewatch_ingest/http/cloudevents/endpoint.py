"""CloudEvents in, 202 once Kafka has acknowledged every one of them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from purposewatch_contract import ErrorClass
from purposewatch_contract.submission import RefusedError
from purposewatch_ingest.admission import (
    MAX_EVENTS_WITH_SUGGESTIONS,
    AdmissionBatch,
    Admitted,
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
from purposewatch_ingest.http.cloudevents.partial_success import (
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
from purposewatch_runtime.service import TRACE_ID

_OWN_BATCHES = 20
"""From this many events on, a request's events are sent apart from those of other requests."""
_SLICE = 20
"""So many events are admitted, in well under a millisecond, before others have the event loop."""


A_co = TypeVar("A_co", bound=Admitted, covariant=True)
A = TypeVar("A", bound=Admitted)


class Admit(Protocol[A_co]):
    """Admits or refuses one event or fact; see `AdmissionBatch.admit`."""

    def __call__(
        self,
        text: bytes,
        *,
        origin: str,
        traceparent: str | None = None,
        publisher: Publisher | None = None,
        suggest: bool = True,
    ) -> A_co | RefusedEvent: ...


@dataclass(frozen=True, slots=True)
class _Admission(Generic[A]):
    """What became of the events of one request."""

    admitted: list[A]
    refused: dict[int, RefusedError]
    """By index."""


@dataclass(frozen=True, slots=True)
class RequestProducers:
    """Two producers, so that a few events never wait for batches of many to leave the client."""

    few: AcknowledgedProducer
    many: AcknowledgedProducer


class CloudEventsEndpoint(ABC, Generic[A]):
    """Handles requests with CloudEvents of one type in any of the three content modes.

    INVARIANT: 202 is answered only after every event that it counts as accepted is acknowledged.
    One event that is refused refuses the whole request, before anything is published, unless the
    publisher prefers partial success.
    """

    noun: ClassVar[Literal["event", "fact"]]
    """What one of them is called in errors."""

    def __init__(self, handling: RequestHandling, producers: RequestProducers) -> None:
        self.handling = handling
        self._ingest = handling.ingest
        self._limiter = handling.limiter
        self._producers = producers
        self.max_batch_events = handling.limits.max_batch_events
        """How many of them one request may hold."""

    @staticmethod
    @abstractmethod
    def admits(batch: AdmissionBatch) -> Admit[A]:
        """What admits one of them."""

    async def advise(
        self,
        admitted: Sequence[A],
        refused: Mapping[int, RefusedError],
        publisher: Publisher,
    ) -> dict[str, Any]:
        """What else to answer to a request that is accepted."""
        del admitted, refused, publisher
        return {}

    @answering_defects
    async def publish(self, request: Request) -> Response:
        """Handle one request."""
        traceparent = traceparent_of(request.headers.items())
        with self._ingest.traces.request(f"POST {request.url.path}", traceparent) as span:
            if span is not None:
                traceparent = span.traceparent
                request.scope[TRACE_ID] = span.trace_id
            return await self._handle(request, traceparent)

    async def _handle(self, request: Request, traceparent: str | None) -> Response:
        publisher = await self.handling.authenticator.publisher_of(request)
        self._limiter.ensure_allowed(publisher)
        mode = mode_of_request(request.headers)
        binary = mode is ContentMode.BINARY
        if mode is None or (binary and "ce-specversion" not in request.headers):
            detail = f"send `{STRUCTURED}`, `{BATCHED}`, or `{BINARY}` with `ce-` headers"
            raise ProblemError(ProblemKind.UNSUPPORTED_MEDIA_TYPE, detail)
        async with self.handling.bodies.receive(request, publisher.name) as body:
            result = await self._admit(request, mode, body, publisher, traceparent)
            await self._publish(result.admitted, publisher)
            self._ingest.count_accepted(result.admitted, "http")
            advice = await self.advise(result.admitted, result.refused, publisher)
        lenient = is_partial_success_preferred(request)
        answer: dict[str, Any] = {"accepted": len(result.admitted)}
        if lenient:
            answer = partial_success(len(result.admitted), result.refused)
        headers = {**self._limiter.headers(publisher), **(APPLIED if lenient else {})}
        return JSONResponse(answer | advice, status_code=202, headers=headers)

    async def _admit(
        self,
        request: Request,
        mode: ContentMode,
        body: bytes,
        publisher: Publisher,
        traceparent: str | None,
    ) -> _Admission[A]:
        """Admit the events of the request, or raise the problem of those that are refused.

        With partial success, some are admitted and some refused; if all are refused, it raises.
        """
        try:
            texts = events_in_request(mode, request.headers.raw, body)
        except RefusedError as error:
            self._ingest.count_refused([(publisher.name, error.error_class)], "http")
            raise refusal_problem({0: error}, 1, noun=self.noun) from None
        most = self.max_batch_events
        if len(texts) > most:
            self._ingest.count_refused([(publisher.name, ErrorClass.TOO_LARGE)], "http")
            detail = f"the batch has {len(texts)} {self.noun}s; send at most {most} in one request"
            raise ProblemError(ProblemKind.TOO_LARGE, detail)
        self._limiter.charge(publisher, len(texts))
        results = await self._admit_in_slices(texts, traceparent, publisher)
        refused = {
            index: result.error
            for index, result in enumerate(results)
            if isinstance(result, RefusedEvent)
        }
        if refused:
            classes = [(publisher.name, error.error_class) for error in refused.values()]
            self._ingest.count_refused(classes, "http")
        admitted = [result for result in results if not isinstance(result, RefusedEvent)]
        if refused and not (admitted and is_partial_success_preferred(request)):
            raise refusal_problem(refused, len(texts), noun=self.noun)
        return _Admission(admitted, refused)

    async def _admit_in_slices(
        self, texts: Sequence[bytes], traceparent: str | None, publisher: Publisher
    ) -> list[A | RefusedEvent]:
        """Admit events under one set of rules, and let other requests run between slices."""
        batch = self._ingest.begin_batch()
        admits = self.admits(batch)
        admit = partial(admits, origin="http", traceparent=traceparent, publisher=publisher)
        results = await self._admit_all(texts, admit, publisher)
        if await self.handling.resolve_subjects(batch):
            results = await self._admit_all(texts, admit, publisher)
        return results

    async def _admit_all(
        self,
        texts: Sequence[bytes],
        admit: "partial[A | RefusedEvent]",
        publisher: Publisher,
    ) -> list[A | RefusedEvent]:
        if len(texts) <= _SLICE:
            results = [admit(text, suggest=False) for text in texts]
        else:
            results = []
            for start in range(0, len(texts), _SLICE):
                async with self.handling.shares.turn(publisher.name):
                    results += [
                        admit(text, suggest=False) for text in texts[start : start + _SLICE]
                    ]
        refused = [index for index, each in enumerate(results) if isinstance(each, RefusedEvent)]
        for index in refused[:MAX_EVENTS_WITH_SUGGESTIONS]:
            async with self.handling.shares.turn(publisher.name):
                results[index] = admit(texts[index], suggest=True)
        return results

    async def _publish(self, admitted: Sequence[A], publisher: Publisher) -> None:
        # a few events each from many requests share a batch; many from one make their own
        joins = len(admitted) < _OWN_BATCHES
        producer = self._producers.few if joins else self._producers.many
        with self._ingest.tracing(admitted) as spans:
            records = [
                self._ingest.outgoing(each, joins=joins, trace=spans.headers(number))
                for number, each in enumerate(admitted)
            ]
            await self.handling.publish(producer, records, publisher, self.noun)
