"""The HTTP application: the routes of all endpoints, and its error handlers."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from purposewatch_ingest.http.authzen.endpoint import AuthzenEndpoint
from purposewatch_ingest.http.authzen.routes import add_authzen_routes, describe_evaluations
from purposewatch_ingest.http.decisions.endpoint import DecisionsEndpoint
from purposewatch_ingest.http.decisions.routes import add_decision_route, describe_asked
from purposewatch_ingest.http.description import describe
from purposewatch_ingest.http.erasures.endpoint import ErasuresEndpoint
from purposewatch_ingest.http.erasures.routes import add_erasure_route, describe_erasure
from purposewatch_ingest.http.events.endpoint import EventsEndpoint
from purposewatch_ingest.http.events.routes import add_event_routes
from purposewatch_ingest.http.events.status import EventStatusEndpoint
from purposewatch_ingest.http.facts.endpoint import FactsEndpoint
from purposewatch_ingest.http.facts.lookup import FactLookupEndpoint
from purposewatch_ingest.http.facts.routes import add_fact_routes
from purposewatch_ingest.http.gaps.endpoint import GapsEndpoint
from purposewatch_ingest.http.gaps.routes import add_gap_route
from purposewatch_ingest.http.problems import (
    ProblemError,
    answer_http_exception,
    answer_problem,
)
from purposewatch_ingest.http.vocabulary.endpoint import VocabularyEndpoint
from purposewatch_ingest.http.vocabulary.routes import add_vocabulary_routes
from purposewatch_runtime.http import documentation_routes
from purposewatch_runtime.metrics import MetricSet
from purposewatch_runtime.service import RequestTiming

_TITLE = "Purposewatch ingest"
_SUMMARY = "Publish what a platform service does with personal data."


class Lifespan(Protocol):
    """Runs around the application's life."""

    def __call__(self, app: Any, /) -> AbstractAsyncContextManager[None]:
        """Enter before the first request, leave after the last."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What handles the requests."""

    events: EventsEndpoint
    facts: FactsEndpoint
    fact_lookup: FactLookupEndpoint
    decisions: DecisionsEndpoint
    authzen: AuthzenEndpoint
    gaps: GapsEndpoint
    event_status: EventStatusEndpoint
    erasures: ErasuresEndpoint
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
    add_event_routes(app, endpoints.events, endpoints.event_status)
    add_fact_routes(app, endpoints.facts, endpoints.fact_lookup)
    add_decision_route(app, endpoints.decisions)
    add_authzen_routes(app, endpoints.authzen)
    add_gap_route(app, endpoints.gaps)
    add_vocabulary_routes(app, endpoints.vocabulary)
    add_erasure_route(app, endpoints.erasures)
    describe(app, describe_asked, describe_evaluations, describe_erasure)
    return app
