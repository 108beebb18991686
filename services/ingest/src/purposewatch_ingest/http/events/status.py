"""`GET /v1/events/{id}`: what became of an event, for its own publisher."""

from typing import Any

from starlette.requests import Request

from purposewatch_contract import EventStatus
from purposewatch_ingest.http.handling import RequestHandling
from purposewatch_ingest.http.problems import ProblemError, ProblemKind
from purposewatch_ingest.http.reporter import asking_reporter, known_reporter
from purposewatch_ingest.reporter import StatusSource

MAX_ID = 128
MAX_SOURCE = 256

EVENT_STATUS_EXAMPLE: dict[str, Any] = {
    "status": "recorded",
    "outcome": "violation",
    "kind": "undeclared_source",
    "summary": "`member_employee` data in `user.contact.email` was collected; the source was not "
    "stated, and `member_employees.contact.collect` names `employer` as source.",
    "position": {"topic": "data-access.events", "partition": 3, "offset": 4711},
    "recorded_time": "2026-03-02T08:15:01Z",
    "conflicts": 0,
    "dead_letters": [],
}


class EventStatusEndpoint:
    """Asks the reporter on behalf of publishers, each about its own events alone."""

    def __init__(self, handling: RequestHandling, reporter: StatusSource | None) -> None:
        self._handling = handling
        self._reporter = reporter

    async def show(self, request: Request) -> EventStatus:
        """Return what became of the event that the path names."""
        publisher = (await self._handling.authenticator.publisher_of(request)).name
        source = request.query_params.get("source", f"/{publisher}")
        if source != f"/{publisher}" and not source.startswith(f"/{publisher}/"):
            detail = (
                f"`source` is not the publisher's own; make it `/{publisher}` or a path below it"
            )
            raise ProblemError(ProblemKind.FORBIDDEN, detail)
        reporter = known_reporter(self._reporter)
        event_id = request.path_params["id"]
        found = None
        if len(event_id) <= MAX_ID and len(source) <= MAX_SOURCE:
            async with self._handling.shares.handle(publisher, 1):
                found = await self._ask(reporter, source, event_id)
        if found is None:
            detail = (
                "nothing is recorded about an event with this id and source: it was not accepted, "
                "its verdict is not recorded yet, or ids are not remembered for that long"
            )
            raise ProblemError(ProblemKind.NOT_FOUND, detail)
        return found

    async def _ask(self, reporter: StatusSource, source: str, event_id: str) -> EventStatus | None:
        with asking_reporter("event status"):
            status = await reporter.status_of(source, event_id)
            return None if status is None else EventStatus.model_validate_json(status)
