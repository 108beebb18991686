"""`POST /access/v1/evaluation` and `.../evaluations`: decisions as OpenID AuthZEN asks for them."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from purposewatch_contract import ErrorClass
from purposewatch_contract.codec import DecodedSubmission
from purposewatch_contract.submission import RefusedError, parse_json
from purposewatch_ingest.admission import (
    MAX_EVENTS_WITH_SUGGESTIONS,
    AdmissionBatch,
    RefusedEvent,
)
from purposewatch_ingest.content_modes import BINARY, ContentMode, content_mode
from purposewatch_ingest.decisions import Answer
from purposewatch_ingest.evaluations import (
    Semantic,
    event_of,
    named_as_in_request,
    requests_in,
    semantic_of,
)
from purposewatch_ingest.http.decisions.endpoint import Deciding
from purposewatch_ingest.http.handling import RequestHandling
from purposewatch_ingest.http.problems import (
    FieldProblem,
    ProblemError,
    ProblemKind,
    answering_defects,
)
from purposewatch_ingest.publishers import Publisher
from purposewatch_policy import Outcome
from purposewatch_policy.languages import preferred_language

EVALUATION_PATH = "/access/v1/evaluation"
EVALUATIONS_PATH = "/access/v1/evaluations"
REQUEST_ID = "X-Request-ID"

_SLICE = 10


@dataclass(frozen=True, slots=True)
class _Asked:
    """The requests of one HTTP request, each checked or refused, and how to go through them."""

    checked: list[DecodedSubmission | RefusedError]
    semantic: Semantic
    is_single: bool


class AuthzenEndpoint:
    """Answers evaluation requests with the decisions of `POST /v1/decisions`.

    A request that is refused as a whole gets a problem. Within several, a refused one is denied.
    """

    def __init__(
        self, handling: RequestHandling, deciding: Deciding, *, public_url: str | None
    ) -> None:
        self._handling = handling
        self._deciding = deciding
        self._public_url = public_url
        self.max_evaluations = handling.limits.max_decided_categories
        """How many requests one HTTP request may hold."""

    @answering_defects
    async def evaluate(self, request: Request) -> Response:
        """Handle one evaluation request."""
        return await self._identified(request, self._evaluate_single)

    @answering_defects
    async def evaluate_several(self, request: Request) -> Response:
        """Handle several in one."""
        return await self._identified(request, self._evaluate_several)

    async def show_metadata(self, _: Request) -> Response:
        """Return the metadata of the policy decision point, for which its address must be known."""
        url = self._public_url
        if url is None:
            detail = "this ingest has no public address; set PURPOSEWATCH_INGEST_PUBLIC_URL"
            raise ProblemError(ProblemKind.NOT_FOUND, detail)
        return JSONResponse(
            {
                "policy_decision_point": url,
                "access_evaluation_endpoint": url + EVALUATION_PATH,
                "access_evaluations_endpoint": url + EVALUATIONS_PATH,
            }
        )

    async def _identified(
        self, request: Request, handle: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Answer with the identifier that the request has, problems included."""
        try:
            response = await handle(request)
        except ProblemError as error:
            response = error.response()
        if (identifier := request.headers.get(REQUEST_ID)) is not None:
            response.headers[REQUEST_ID] = identifier
        return response

    async def _evaluate_single(self, request: Request) -> Response:
        return await self._evaluate(request, several=False)

    async def _evaluate_several(self, request: Request) -> Response:
        return await self._evaluate(request, several=True)

    async def _evaluate(self, request: Request, *, several: bool) -> Response:
        publisher = await self._handling.authenticator.publisher_of(request)
        if content_mode(request.headers.get("content-type", "")) is not ContentMode.BINARY:
            raise ProblemError(ProblemKind.UNSUPPORTED_MEDIA_TYPE, f"send `{BINARY}`")
        language = preferred_language(request.headers.get("accept-language"))
        async with self._handling.bodies.receive(request, publisher.name) as body:
            decisions = self._handling.ingest.decisions()
            batch = self._handling.ingest.begin_batch(decisions)
            asked = await self._read(body, batch, publisher, several=several)
            flows = [
                (each.flow, each.time)
                for each in asked.checked
                if isinstance(each, DecodedSubmission)
            ]
            answers = self._deciding.answers(flows, decisions, publisher, language)
            results = await _evaluated(asked, answers)
        content = results[0] if asked.is_single else b'{"evaluations":[%b]}' % b",".join(results)
        headers = {"Content-Language": language}
        return Response(content, media_type="application/json", headers=headers)

    async def _read(
        self, body: bytes, batch: AdmissionBatch, publisher: Publisher, *, several: bool
    ) -> _Asked:
        """Check the requests of a body, or raise the problem of the whole."""
        try:
            document = parse_json(body)
            requests = requests_in(document) if several else None
            if requests is None:
                checked = [_check(document, batch, publisher, suggest=True)]
                if isinstance(checked[0], RefusedError):
                    raise checked[0]
                return _Asked(checked, Semantic.EXECUTE_ALL, is_single=True)
            semantic = semantic_of(document if isinstance(document, dict) else {})
        except RefusedError as error:
            raise _problem(error) from None
        if len(requests) > self.max_evaluations:
            detail = f"send at most {self.max_evaluations} evaluations in one request"
            raise ProblemError(ProblemKind.TOO_LARGE, detail)
        checked = []
        for start in range(0, len(requests), _SLICE):
            async with self._handling.shares.turn(publisher.name):
                for each in requests[start : start + _SLICE]:
                    refused = sum(isinstance(one, RefusedError) for one in checked)
                    suggest = refused < MAX_EVENTS_WITH_SUGGESTIONS
                    checked.append(_check(each, batch, publisher, suggest=suggest))
        return _Asked(checked, semantic, is_single=False)


def _check(
    request: object, batch: AdmissionBatch, publisher: Publisher, *, suggest: bool
) -> DecodedSubmission | RefusedError:
    try:
        event = event_of(request, f"/{publisher.name}", batch.now)
    except RefusedError as error:
        return error
    checked = batch.check_parsed(event, publisher, suggest=suggest)
    if isinstance(checked, RefusedEvent):
        errors = map(named_as_in_request, checked.error.errors)
        return RefusedError(checked.error.error_class, *errors)
    return checked


async def _evaluated(asked: _Asked, answers: AsyncGenerator[Answer, None]) -> list[bytes]:
    """The decisions in JSON, up to the one that ends the request."""
    results = []
    for each in asked.checked:
        if isinstance(each, RefusedError):
            decision = False
            status = _kind_of(each).status
            context = msgspec.json.encode({"error": {"status": status, "message": str(each)}})
        else:
            answer = await anext(answers)
            decision, context = answer.outcome is Outcome.PERMITTED, answer.content
        text = b"true" if decision else b"false"
        results.append(b'{"decision":%b,"context":%b}' % (text, context))
        if asked.semantic.ends_with(decision=decision):
            break
    await answers.aclose()
    return results


def _kind_of(error: RefusedError) -> ProblemKind:
    if error.error_class is ErrorClass.FORBIDDEN:
        return ProblemKind.FORBIDDEN
    return ProblemKind.INVALID_EVALUATION


def _problem(error: RefusedError) -> ProblemError:
    if error.error_class in {ErrorClass.NOT_JSON, ErrorClass.EMPTY}:
        return ProblemError(ProblemKind.NOT_JSON, str(error))
    return ProblemError(
        _kind_of(error),
        f"the request was refused: {error}",
        errors=[
            FieldProblem(
                index=0, field=each.field, detail=each.detail, error_class=error.error_class
            )
            for each in error.errors
        ],
    )
