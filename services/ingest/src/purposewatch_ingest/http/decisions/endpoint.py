"""`POST /v1/decisions`: what events would be decided, with the reasons. Publishes nothing."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from purposewatch_contract import EVENT_TYPE
from purposewatch_contract.codec import DecodedFlow, DecodedSubmission
from purposewatch_contract.submission import RefusedError
from purposewatch_ingest.admission import (
    MAX_EVENTS_WITH_SUGGESTIONS,
    AdmissionBatch,
    RefusedEvent,
)
from purposewatch_ingest.content_modes import (
    BATCHED,
    BINARY,
    STRUCTURED,
    ContentMode,
    events_in_request,
    mode_of_request,
)
from purposewatch_ingest.decisions import Answer, Decisions
from purposewatch_ingest.http.handling import RequestHandling
from purposewatch_ingest.http.problems import (
    ProblemError,
    ProblemKind,
    answering_defects,
    refusal_problem,
)
from purposewatch_ingest.http.request_shares import RETRY_SECONDS, RequestShares
from purposewatch_ingest.http.requests import RequestLimits
from purposewatch_ingest.publishers import Publisher
from purposewatch_policy.languages import preferred_language
from purposewatch_runtime import metrics as m

_SLICE = 10
"""So many events are checked, in about a millisecond, before others have the event loop."""


class Deciding:
    """Decides and explains flows beside the event loop, one after the other.

    An explanation takes milliseconds, and longer the more statements a policy has. So there is one
    thread for them, which publishers' requests hold in turns, and what was explained is cached.
    """

    def __init__(
        self, limits: RequestLimits, shares: RequestShares, metric_set: m.MetricSet
    ) -> None:
        self._limits = limits
        self._shares = shares
        self._decided = metric_set.counter(m.INGEST_DECISIONS)

    async def answers(
        self,
        asked: Sequence[tuple[DecodedFlow, datetime]],
        decisions: Decisions,
        publisher: Publisher,
        language: str,
    ) -> AsyncGenerator[Answer, None]:
        """Yield what `Decisions.answer` says of each flow.

        Raises a problem if they have too many data categories or take too long together.
        """
        categories = sum(len(flow.terms.data_categories) for flow, _ in asked)
        if categories > self._limits.max_decided_categories:
            detail = (
                f"the events name {categories} data categories; ask about at most "
                f"{self._limits.max_decided_categories} in one request"
            )
            raise ProblemError(ProblemKind.TOO_LARGE, detail)
        ends = time.monotonic() + self._limits.decide_timeout_seconds
        for flow, at in asked:
            answer = decisions.cached_answer(flow, at, language)
            if answer is None:
                if time.monotonic() > ends:
                    raise _took_too_long(self._limits.decide_timeout_seconds)
                async with self._shares.worker(publisher.name):
                    answer = await asyncio.to_thread(decisions.answer, flow, at, language)
            self._decided.labels(publisher.name, answer.outcome).inc()
            yield answer


class DecisionsEndpoint:
    """Answers what the events of a request would be decided, in any of the content modes.

    INVARIANT: nothing is published, counted as an event or stored.
    """

    def __init__(self, handling: RequestHandling, deciding: Deciding) -> None:
        self._handling = handling
        self._deciding = deciding
        limits = handling.limits
        self.max_batch_events = min(limits.max_batch_events, limits.max_decided_categories)
        """How many events one request may hold; each has at least one data category."""

    @answering_defects
    async def decide_events(self, request: Request) -> Response:
        """Handle one request."""
        publisher = await self._handling.authenticator.publisher_of(request)
        mode = mode_of_request(request.headers)
        if mode is None:
            detail = f"send `{STRUCTURED}`, `{BATCHED}`, or the data alone as `{BINARY}`"
            raise ProblemError(ProblemKind.UNSUPPORTED_MEDIA_TYPE, detail)
        language = preferred_language(request.headers.get("accept-language"))
        async with self._handling.bodies.receive(request, publisher.name) as body:
            decisions = self._handling.ingest.decisions()
            batch = self._handling.ingest.begin_batch(decisions)
            texts = self._texts(request, mode, body, _envelope(publisher, batch.now))
            events = await self._check_in_slices(texts, batch, publisher)
            asked = [(event.flow, event.time) for event in events]
            answers = self._deciding.answers(asked, decisions, publisher, language)
            contents = [answer.content[1:] async for answer in answers]
        content = b",".join(
            b'{"index":%d,%b' % (index, content) for index, content in enumerate(contents)
        )
        return Response(
            b'{"decisions":[' + content + b"]}",
            media_type="application/json",
            headers={"Content-Language": language},
        )

    def _texts(
        self, request: Request, mode: ContentMode, body: bytes, envelope: Mapping[str, str]
    ) -> list[bytes]:
        try:
            texts = events_in_request(mode, request.headers.raw, body, otherwise=envelope)
        except RefusedError as error:
            raise refusal_problem({0: error}, 1) from None
        if len(texts) > self.max_batch_events:
            most = self.max_batch_events
            detail = f"the batch has {len(texts)} events; send at most {most} in one request"
            raise ProblemError(ProblemKind.TOO_LARGE, detail)
        return texts

    async def _check_in_slices(
        self, texts: Sequence[bytes], batch: AdmissionBatch, publisher: Publisher
    ) -> list[DecodedSubmission]:
        """Check all events, or raise the problem of those that are refused."""
        events: list[DecodedSubmission] = []
        refused: dict[int, RefusedError] = {}
        for start in range(0, len(texts), _SLICE):
            async with self._handling.shares.turn(publisher.name):
                for index, text in enumerate(texts[start : start + _SLICE], start):
                    suggest = len(refused) < MAX_EVENTS_WITH_SUGGESTIONS
                    checked = batch.check(text, publisher, suggest=suggest)
                    if isinstance(checked, RefusedEvent):
                        refused[index] = checked.error
                    else:
                        events.append(checked)
        if refused:
            raise refusal_problem(refused, len(texts), done="decided")
        return events


def _envelope(publisher: Publisher, now: datetime) -> dict[str, str]:
    """The context attributes of an event of which only the data is sent."""
    return {
        "specversion": "1.0",
        "id": "decision",
        "source": f"/{publisher.name}",
        "type": EVENT_TYPE,
        "time": now.isoformat(),
    }


def _took_too_long(seconds: float) -> ProblemError:
    return ProblemError(
        ProblemKind.BUSY,
        f"the decisions took more than {seconds:g} s; ask about fewer events in one request",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )
