"""The routes of facts, and what the OpenAPI document says about them."""

from fastapi import FastAPI

from purposewatch_contract import SubmittedFact
from purposewatch_ingest.http.cloudevents.description import accepted, publishing
from purposewatch_ingest.http.cloudevents.partial_success import Accepted
from purposewatch_ingest.http.description import PUBLISHING, problems
from purposewatch_ingest.http.facts.endpoint import FactsEndpoint
from purposewatch_ingest.http.problems import ProblemKind

_STATE = """For systems that know a fact, and may state it. An event is decided with every fact that
was acknowledged before the event was, as of the event's own time. Answers 202 once Kafka has
acknowledged every fact. One that is refused refuses the whole request, unless it has the header
`Prefer: handling=lenient`. After a 503, or no answer at all, send the same facts again with the
same ids: a repeat changes nothing."""


def add_fact_routes(app: FastAPI, facts: FactsEndpoint) -> None:
    """Add the routes that state facts and look them up."""
    app.post(
        "/v1/facts",
        status_code=202,
        summary="State one fact or a batch",
        description=_STATE,
        openapi_extra=publishing(SubmittedFact, "submitted-fact", facts.max_batch_events),
        responses={
            202: accepted("fact", Accepted),
            **problems(*PUBLISHING, ProblemKind.INVALID_FACT),
        },
    )(facts.publish)
