"""`POST /v1/events`: events in, 202 once Kafka has confirmed every one of them."""

import asyncio
import contextlib
import re
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from purposewatch_contract import TRACEPARENT_PATTERN, ErrorClass
from purposewatch_contract.submission import RefusedError, parse_json, read_event
from purposewatch_ingest.acceptance import Gate
from purposewatch_ingest.admission import AdmittedEvent, admit
from purposewatch_ingest.content_modes import (
    BATCHED,
    STRUCTURED,
    ContentMode,
    content_mode,
    http_attributes,
    read_batch,
    read_binary,
)
from purposewatch_ingest.http.problems import ProblemError, ProblemKind, refusal_problem
from purposewatch_ingest.http.requests import RETRY_SECONDS, InFlight, authenticate, read_body
from purposewatch_ingest.publishers import Publisher
from purposewatch_runtime.kafka import AcknowledgedProducer
from purposewatch_runtime.logs import get_logger

_MAX_SUGGESTING = 8
_OWN_BATCHES = 20
"""Events of a request from which it is worth while to send them apart from other requests'."""

_split_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode
_TRACEPARENT = re.compile(TRACEPARENT_PATTERN.removesuffix("$"))

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one request may ask for."""

    max_body_bytes: int
    max_batch_events: int
    body_timeout_seconds: float
    confirm_timeout_seconds: float


class EventsEndpoint:
    """Takes requests with events in any of the three content modes.

    INVARIANT: 202 is answered only after every event of the request is confirmed. One event that
    is refused refuses the whole request, before anything is published.
    """

    def __init__(
        self, gate: Gate, producer: AcknowledgedProducer, limits: RequestLimits, in_flight: InFlight
    ) -> None:
        self._gate = gate
        self._producer = producer
        self._limits = limits
        self._in_flight = in_flight

    async def publish(self, request: Request) -> Response:
        """Handle one request."""
        publisher = authenticate(request, self._gate.register())
        mode = content_mode(request.headers.get("content-type", ""))
        if mode is None or (mode is ContentMode.BINARY and "ce-specversion" not in request.headers):
            detail = f"send `{STRUCTURED}`, `{BATCHED}`, or `application/json` with `ce-` headers"
            raise ProblemError(ProblemKind.UNSUPPORTED_MEDIA_TYPE, detail)
        with self._in_flight.take():
            body = await read_body(
                request,
                max_bytes=self._limits.max_body_bytes,
                timeout_seconds=self._limits.body_timeout_seconds,
            )
            admitted = self._admit(request, mode, body, publisher)
            await self._confirm(admitted)
        self._gate.count_accepted([publisher.name] * len(admitted), "http")
        return JSONResponse({"accepted": len(admitted)}, status_code=202)

    def _read(
        self, request: Request, mode: ContentMode, body: bytes, publisher: Publisher
    ) -> list[object]:
        try:
            if mode is ContentMode.BINARY:
                return [read_binary(http_attributes(request.headers.raw), body)]
            if mode is ContentMode.STRUCTURED:
                return [parse_json(body)]
            documents = read_batch(body)
        except RefusedError as refusal:
            self._gate.count_refused([(publisher.name, refusal.error_class)], "http")
            raise refusal_problem({0: refusal}, 1) from None
        if len(documents) > self._limits.max_batch_events:
            self._gate.count_refused([(publisher.name, ErrorClass.TOO_LARGE)], "http")
            most = self._limits.max_batch_events
            detail = f"the batch has {len(documents)} events; send at most {most} in one request"
            raise ProblemError(ProblemKind.TOO_LARGE, detail)
        return documents

    def _admit(
        self, request: Request, mode: ContentMode, body: bytes, publisher: Publisher
    ) -> list[AdmittedEvent]:
        rules = self._gate.rules()
        now = self._gate.clock()
        traceparent = _traceparent(request)
        familiar = self._gate.familiar
        texts = _texts(mode, body)
        known = [
            familiar.admit(
                text, lambda _: publisher, rules, now=now, origin="http", traceparent=traceparent
            )
            for text in texts[: self._limits.max_batch_events]
        ]
        if known and len(known) == len(texts) and None not in known:
            return [each[1] for each in known if each is not None]
        documents = self._read(request, mode, body, publisher)
        admitted = []
        refusals: dict[int, RefusedError] = {}
        for index, document in enumerate(documents):
            before = known[index] if index < len(known) else None
            if before is not None:
                admitted.append(before[1])
                continue
            try:
                event = read_event(document)
                canonical = admit(
                    event,
                    publisher,
                    rules,
                    now=now,
                    origin="http",
                    traceparent=traceparent,
                    suggest=len(refusals) < _MAX_SUGGESTING,
                )
            except RefusedError as refusal:
                refusals[index] = refusal
            else:
                admitted.append(canonical)
                if index < len(texts):
                    familiar.remember(texts[index], event, rules)
        if refusals:
            classes = [(publisher.name, refusal.error_class) for refusal in refusals.values()]
            self._gate.count_refused(classes, "http")
            raise refusal_problem(refusals, len(documents))
        return admitted

    async def _confirm(self, admitted: list[AdmittedEvent]) -> None:
        try:
            async with asyncio.timeout(self._limits.confirm_timeout_seconds):
                # a few events each from many requests make one batch, many of one make their own
                joins = len(admitted) < _OWN_BATCHES
                await self._producer.publish(
                    [self._gate.outgoing(event, joins=joins) for event in admitted]
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, they are not confirmed
            # Some of the events may have arrived all the same; the same ids make that harmless.
            _log.warning("events not confirmed", events=len(admitted), error=type(error).__name__)
            raise ProblemError(
                ProblemKind.KAFKA_UNAVAILABLE,
                "Kafka did not confirm the events; send the same events again, with the same ids",
                headers={"Retry-After": str(RETRY_SECONDS)},
            ) from None


def _texts(mode: ContentMode, body: bytes) -> list[bytes]:
    """The events' own texts, as far as they can be told apart without reading them."""
    if mode is ContentMode.STRUCTURED:
        return [body]
    if mode is ContentMode.BATCHED:
        with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
            return [bytes(text) for text in _split_batch(body)]
    return []


def _traceparent(request: Request) -> str | None:
    """The request's trace context; W3C has a faulty one ignored."""
    value = request.headers.get("traceparent", "")
    return value if _TRACEPARENT.fullmatch(value) else None
