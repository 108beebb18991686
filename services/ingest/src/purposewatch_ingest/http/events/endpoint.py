"""`POST /v1/events`: events in, with hints about what they should have stated."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from purposewatch_contract.submission import RefusedError
from purposewatch_ingest.admission import AdmissionBatch, AdmittedEvent
from purposewatch_ingest.http.cloudevents.endpoint import (
    Admit,
    CloudEventsEndpoint,
    RequestProducers,
)
from purposewatch_ingest.http.cloudevents.partial_success import Accepted
from purposewatch_ingest.http.events.hints import EventHint, HintFinder
from purposewatch_ingest.http.handling import RequestHandling
from purposewatch_ingest.publishers import Publisher


class AcceptedEvents(Accepted):
    """How many events are acknowledged, which ones are refused, and what others should state."""

    hints: list[EventHint] = Field(
        default_factory=list, description="Left out if there are none; at most 100."
    )


class EventsEndpoint(CloudEventsEndpoint[AdmittedEvent]):
    """Handles requests with events."""

    noun = "event"

    def __init__(self, handling: RequestHandling, producers: RequestProducers) -> None:
        super().__init__(handling, producers)
        self._hints = HintFinder(handling.ingest, handling.shares)

    @staticmethod
    def admits(batch: AdmissionBatch) -> Admit[AdmittedEvent]:
        """See `CloudEventsEndpoint`."""
        return batch.admit

    async def advise(
        self,
        admitted: Sequence[AdmittedEvent],
        refused: Mapping[int, RefusedError],
        publisher: Publisher,
    ) -> dict[str, Any]:
        """Hints, if there are any."""
        hints = await self._hints.find(admitted, refused, publisher.name)
        return {"hints": [hint.model_dump() for hint in hints]} if hints else {}
