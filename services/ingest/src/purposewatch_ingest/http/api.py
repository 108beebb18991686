"""The HTTP application: routes, error handlers and their description in OpenAPI."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from purposewatch_contract import SubmittedData, SubmittedEvent, read_example
from purposewatch_ingest.content_modes import BATCHED, BINARY, STRUCTURED
from purposewatch_ingest.http.events import EventsEndpoint
from purposewatch_ingest.http.problems import (
    MEDIA_TYPE,
    Problem,
    ProblemError,
    ProblemKind,
    answer_http_exception,
    answer_problem,
)
from purposewatch_ingest.http.vocabulary import VocabularyAnswer, VocabularyEndpoint
from purposewatch_runtime.metrics import MetricSet
from purposewatch_runtime.service import RequestTiming

_BEARER = {"bearer": {"type": "http", "scheme": "bearer", "description": "The publisher's key."}}
_SUMMARY = "Publish what a platform service does with personal data."
_PUBLISH = """Answers 202 once Kafka has acknowledged every event. One event that is refused
refuses the whole request. After a 503, or no answer at all, send the same events again with the
same ids: a repeat is recorded once."""


class Lifespan(Protocol):
    """Runs around the application's life."""

    def __call__(self, app: Any, /) -> AbstractAsyncContextManager[None]:
        """Enter before the first request, leave after the last."""


def build_api(  # noqa: PLR0913 - composition happens once, in `app.py`
    events: EventsEndpoint,
    vocabulary: VocabularyEndpoint,
    *,
    routes: Sequence[BaseRoute],
    lifespan: Lifespan,
    metric_set: MetricSet,
    version: str,
) -> FastAPI:
    """Put the application together. Its documentation page loads nothing from other hosts."""
    app: FastAPI = FastAPIOffline(
        redoc_url=None,  # it shows a logo from an outside host
        title="Purposewatch ingest",
        summary=_SUMMARY,
        version=version,
        routes=list(routes),
        lifespan=lifespan,
    )
    app.add_middleware(RequestTiming, metric_set=metric_set)
    app.add_exception_handler(ProblemError, answer_problem)
    app.add_exception_handler(HTTPException, answer_http_exception)
    _add_routes(app, events, vocabulary)
    _describe(app)
    return app


def _add_routes(app: FastAPI, events: EventsEndpoint, vocabulary: VocabularyEndpoint) -> None:
    app.post(
        "/v1/events",
        status_code=202,
        summary="Publish one event or a batch",
        description=_PUBLISH,
        openapi_extra={"requestBody": _request_body(), "security": [{"bearer": []}]},
        responses={
            202: {
                "description": "Every event is acknowledged.",
                "content": {"application/json": {"example": {"accepted": 1}}},
            },
            **_problems(
                ProblemKind.NOT_JSON,
                ProblemKind.UNAUTHORIZED,
                ProblemKind.FORBIDDEN,
                ProblemKind.BODY_TIMEOUT,
                ProblemKind.TOO_LARGE,
                ProblemKind.UNSUPPORTED_MEDIA_TYPE,
                ProblemKind.INVALID_EVENT,
                ProblemKind.INTERNAL,
                ProblemKind.KAFKA_UNAVAILABLE,
            ),
        },
    )(events.publish_events)

    @app.get(
        "/v1/vocabulary/{controller}",
        summary="Look up the terms of a controller",
        openapi_extra={"security": [{"bearer": []}]},
        responses=_problems(ProblemKind.UNAUTHORIZED, ProblemKind.NOT_FOUND),
    )
    async def show_vocabulary(request: Request, controller: str) -> VocabularyAnswer:
        return await vocabulary.show(request, controller)


def _problems(*kinds: ProblemKind) -> dict[int | str, dict[str, Any]]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        kind.status: {"description": kind.title, "content": {MEDIA_TYPE: {"schema": schema}}}
        for kind in kinds
    }


def _request_body() -> dict[str, Any]:
    event = {"$ref": "#/components/schemas/SubmittedEvent"}
    example = read_example("submitted-event")
    return {
        "required": True,
        "content": {
            STRUCTURED: {"schema": event, "example": example},
            BATCHED: {"schema": {"type": "array", "items": event}, "example": [example]},
            BINARY: {
                "schema": {"$ref": "#/components/schemas/SubmittedData"},
                "example": example["data"],
            },
        },
    }


def _describe(app: FastAPI) -> None:
    """Add what the routes do not declare: the contract's schemas and the key."""
    document = app.openapi()
    components = document.setdefault("components", {})
    components["securitySchemes"] = _BEARER
    schemas: dict[str, Mapping[str, Any]] = components.setdefault("schemas", {})
    for model in (SubmittedEvent, SubmittedData, Problem):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    app.openapi_schema = document
