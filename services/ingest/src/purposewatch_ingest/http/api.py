"""The HTTP application: routes, error handlers and their description in OpenAPI."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from purposewatch_ingest.http.authzen import (
    EVALUATION_PATH,
    EVALUATIONS_PATH,
    AuthzenEndpoint,
)
from purposewatch_ingest.http.decision_answers import (
    ACCEPT_LANGUAGE_HEADER,
    DECISIONS_EXAMPLE,
    Decisions,
    asking,
    language_header,
)
from purposewatch_ingest.http.decisions import DecisionsEndpoint
from purposewatch_ingest.http.description import (
    ACCEPTED,
    ACCEPTED_GAPS,
    ENCODING_HEADER,
    controller_parameter,
    describe,
    problems,
    publishing,
    reporting_gaps,
)
from purposewatch_ingest.http.evaluation_schemas import (
    EVALUATION_EXAMPLE,
    EVALUATIONS_EXAMPLE,
    METADATA_EXAMPLE,
    Evaluation,
    Evaluations,
    evaluating,
)
from purposewatch_ingest.http.event_status import (
    EVENT_STATUS_EXAMPLE,
    EventStatusEndpoint,
    event_status_parameters,
)
from purposewatch_ingest.http.events import EventsEndpoint
from purposewatch_ingest.http.gaps import GapsEndpoint
from purposewatch_ingest.http.problems import (
    ProblemError,
    ProblemKind,
    answer_http_exception,
    answer_problem,
)
from purposewatch_ingest.http.vocabulary import VocabularyEndpoint, search_parameters
from purposewatch_runtime.http import documentation_routes
from purposewatch_runtime.metrics import MetricSet
from purposewatch_runtime.service import RequestTiming

_QUESTION_HEADERS = (ENCODING_HEADER, ACCEPT_LANGUAGE_HEADER)
_TITLE = "Purposewatch ingest"
_SUMMARY = "Publish what a platform service does with personal data."
_DECIDE = """Answers what the events would be decided if they were published, with the reasons and
the smallest change that would permit them. Publishes nothing. `data.subject_id` can be left out.
Without `ce-` headers, `application/json` is the data of one event that happens now."""
_PUBLISH = """Answers 202 once Kafka has acknowledged every event. One event that is refused
refuses the whole request, unless it has the header `Prefer: handling=lenient`. After a 503, or no
answer at all, send the same events again with the same ids: a repeat is recorded once."""
_REPORT_GAPS = """For what you saw and could not state as an event: a dataset without a mapping, a
service without a purpose, a subject that can't be resolved, events that you had to drop. Name
things, never values. Answers 202 once Kafka has acknowledged every gap, all or nothing. After a
503, or no answer at all, send the same gaps again with the same ids: a repeat is counted once."""


class Lifespan(Protocol):
    """Runs around the application's life."""

    def __call__(self, app: Any, /) -> AbstractAsyncContextManager[None]:
        """Enter before the first request, leave after the last."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What handles the requests."""

    events: EventsEndpoint
    decisions: DecisionsEndpoint
    authzen: AuthzenEndpoint
    gaps: GapsEndpoint
    event_status: EventStatusEndpoint
    vocabulary: VocabularyEndpoint


def build_api(
    endpoints: Endpoints,
    *,
    routes: Sequence[BaseRoute],
    lifespan: Lifespan,
    metric_set: MetricSet,
    version: str,
) -> FastAPI:
    """Put the application together. Its documentation page loads nothing from other hosts."""
    app: FastAPI = FastAPIOffline(
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the `Host` that the client named
        title=_TITLE,
        summary=_SUMMARY,
        version=version,
        routes=[*routes, *documentation_routes(_TITLE, assets="/static-offline-docs")],
        lifespan=lifespan,
    )
    app.add_middleware(RequestTiming, metric_set=metric_set)
    app.add_exception_handler(ProblemError, answer_problem)
    app.add_exception_handler(HTTPException, answer_http_exception)
    _add_publishing(app, endpoints.events)
    _add_deciding(app, endpoints.decisions)
    _add_authzen(app, endpoints.authzen)
    _add_gaps(app, endpoints.gaps)
    _add_event_status(app, endpoints.event_status)
    _add_vocabulary(app, endpoints.vocabulary)
    describe(app)
    return app


def _add_publishing(app: FastAPI, events: EventsEndpoint) -> None:
    app.post(
        "/v1/events",
        status_code=202,
        summary="Publish one event or a batch",
        description=_PUBLISH,
        openapi_extra=publishing(events.max_batch_events),
        responses={
            202: dict(ACCEPTED),
            **problems(
                ProblemKind.NOT_JSON,
                ProblemKind.CORRUPT,
                ProblemKind.INCOMPLETE,
                ProblemKind.UNAUTHORIZED,
                ProblemKind.IDENTITY_UNAVAILABLE,
                ProblemKind.FORBIDDEN,
                ProblemKind.METHOD_NOT_ALLOWED,
                ProblemKind.BODY_TIMEOUT,
                ProblemKind.TOO_LARGE,
                ProblemKind.UNSUPPORTED_MEDIA_TYPE,
                ProblemKind.INVALID_EVENT,
                ProblemKind.RATE_LIMITED,
                ProblemKind.QUOTA_EXCEEDED,
                ProblemKind.PAUSED,
                ProblemKind.INTERNAL,
                ProblemKind.BUSY,
                ProblemKind.KAFKA_UNAVAILABLE,
            ),
        },
    )(events.publish_events)


def _add_deciding(app: FastAPI, decisions: DecisionsEndpoint) -> None:
    app.post(
        "/v1/decisions",
        summary="Ask what one event or a batch would be decided",
        description=_DECIDE,
        openapi_extra=asking(_QUESTION_HEADERS, decisions.max_batch_events),
        responses={
            200: {
                "description": "The decisions, in the order of the events.",
                "model": Decisions,
                "headers": {"Content-Language": language_header()},
                "content": {"application/json": {"example": DECISIONS_EXAMPLE}},
            },
            **problems(
                ProblemKind.NOT_JSON,
                ProblemKind.CORRUPT,
                ProblemKind.INCOMPLETE,
                ProblemKind.UNAUTHORIZED,
                ProblemKind.IDENTITY_UNAVAILABLE,
                ProblemKind.FORBIDDEN,
                ProblemKind.METHOD_NOT_ALLOWED,
                ProblemKind.BODY_TIMEOUT,
                ProblemKind.TOO_LARGE,
                ProblemKind.UNSUPPORTED_MEDIA_TYPE,
                ProblemKind.INVALID_EVENT,
                ProblemKind.INTERNAL,
                ProblemKind.BUSY,
            ),
        },
    )(decisions.decide_events)


def _add_authzen(app: FastAPI, authzen: AuthzenEndpoint) -> None:
    refusals = problems(
        ProblemKind.NOT_JSON,
        ProblemKind.INCOMPLETE,
        ProblemKind.INVALID_EVALUATION,
        ProblemKind.UNAUTHORIZED,
        ProblemKind.IDENTITY_UNAVAILABLE,
        ProblemKind.FORBIDDEN,
        ProblemKind.METHOD_NOT_ALLOWED,
        ProblemKind.BODY_TIMEOUT,
        ProblemKind.TOO_LARGE,
        ProblemKind.UNSUPPORTED_MEDIA_TYPE,
        ProblemKind.INTERNAL,
        ProblemKind.BUSY,
    )
    app.post(
        EVALUATION_PATH,
        summary="Evaluate an access (OpenID AuthZEN)",
        openapi_extra=evaluating(_QUESTION_HEADERS),
        responses={
            200: {
                "description": "The decision.",
                "model": Evaluation,
                "content": {"application/json": {"example": EVALUATION_EXAMPLE}},
            },
            **refusals,
        },
    )(authzen.evaluate)
    app.post(
        EVALUATIONS_PATH,
        summary="Evaluate several accesses (OpenID AuthZEN)",
        description="Without `evaluations` it is handled as a single evaluation.",
        openapi_extra=evaluating(_QUESTION_HEADERS, authzen.max_evaluations),
        responses={
            200: {
                "description": "The decisions, in the order of the requests.",
                "model": Evaluations,
                "content": {"application/json": {"example": EVALUATIONS_EXAMPLE}},
            },
            **refusals,
        },
    )(authzen.evaluate_several)
    app.get(
        "/.well-known/authzen-configuration",
        summary="Where to evaluate accesses (OpenID AuthZEN)",
        responses={
            200: {
                "description": "The endpoints of this policy decision point.",
                "content": {"application/json": {"example": METADATA_EXAMPLE}},
            },
            **problems(ProblemKind.NOT_FOUND, ProblemKind.METHOD_NOT_ALLOWED),
        },
    )(authzen.show_metadata)


def _add_event_status(app: FastAPI, event_status: EventStatusEndpoint) -> None:
    app.get(
        "/v1/events/{id}",
        summary="Look up what became of an event",
        description="Of your own events alone. 404 until its verdict is recorded.",
        openapi_extra={
            "security": [{"bearer": []}],
            "parameters": event_status_parameters(),
        },
        responses={
            200: {
                "description": "What became of it.",
                "content": {"application/json": {"example": EVENT_STATUS_EXAMPLE}},
            },
            **problems(
                ProblemKind.UNAUTHORIZED,
                ProblemKind.FORBIDDEN,
                ProblemKind.NOT_FOUND,
                ProblemKind.METHOD_NOT_ALLOWED,
                ProblemKind.BUSY,
                ProblemKind.REPORTER_UNAVAILABLE,
            ),
        },
    )(event_status.show)


def _add_vocabulary(app: FastAPI, vocabulary: VocabularyEndpoint) -> None:
    app.get(
        "/v1/vocabulary/{controller}",
        summary="Look up the terms of a controller",
        openapi_extra={
            "security": [{"bearer": []}],
            "parameters": [controller_parameter()],
        },
        responses=problems(
            ProblemKind.UNAUTHORIZED,
            ProblemKind.IDENTITY_UNAVAILABLE,
            ProblemKind.NOT_FOUND,
            ProblemKind.METHOD_NOT_ALLOWED,
        ),
    )(vocabulary.show)
    app.get(
        "/v1/vocabulary/{controller}/search",
        summary="Find the terms for what you want to state",
        description="Searches terms, labels, synonyms and descriptions in all languages.",
        openapi_extra={
            "security": [{"bearer": []}],
            "parameters": [controller_parameter(), *search_parameters()],
        },
        responses=problems(
            ProblemKind.INVALID_QUERY,
            ProblemKind.UNAUTHORIZED,
            ProblemKind.IDENTITY_UNAVAILABLE,
            ProblemKind.NOT_FOUND,
            ProblemKind.METHOD_NOT_ALLOWED,
        ),
    )(vocabulary.search)


def _add_gaps(app: FastAPI, gaps: GapsEndpoint) -> None:
    app.post(
        "/v1/gaps",
        status_code=202,
        summary="Report what you could not state as events",
        description=_REPORT_GAPS,
        openapi_extra=reporting_gaps(gaps.max_batch),
        responses={
            202: dict(ACCEPTED_GAPS),
            **problems(
                ProblemKind.NOT_JSON,
                ProblemKind.CORRUPT,
                ProblemKind.INCOMPLETE,
                ProblemKind.UNAUTHORIZED,
                ProblemKind.FORBIDDEN,
                ProblemKind.METHOD_NOT_ALLOWED,
                ProblemKind.BODY_TIMEOUT,
                ProblemKind.TOO_LARGE,
                ProblemKind.UNSUPPORTED_MEDIA_TYPE,
                ProblemKind.INVALID_GAP,
                ProblemKind.RATE_LIMITED,
                ProblemKind.QUOTA_EXCEEDED,
                ProblemKind.PAUSED,
                ProblemKind.INTERNAL,
                ProblemKind.BUSY,
                ProblemKind.KAFKA_UNAVAILABLE,
            ),
        },
    )(gaps.publish_gaps)
