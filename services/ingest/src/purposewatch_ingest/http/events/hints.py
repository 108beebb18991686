"""Hints about accepted events: what they should have stated."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field

from purposewatch_ingest.admission import AdmittedEvent
from purposewatch_ingest.decisions import Decisions, Hints
from purposewatch_ingest.http.request_shares import RequestShares
from purposewatch_ingest.ingest import Ingest

MAX_HINTS = 100
_MAX_NEW_CATEGORIES = 200
"""So many data categories of new flows are decided for the hints of one request."""


class EventHint(BaseModel):
    """A field that an accepted event lacks and without which it is a violation."""

    index: int = Field(description="Which event of the batch, from 0; 0 for a single event.")
    field: str = Field(description="JSON pointer to the field to add.")
    detail: str = Field(description="What the policy says, in one sentence.")


class HintFinder:
    """Finds what accepted events should have stated: see `decisions.hints_of`."""

    def __init__(self, ingest: Ingest, shares: RequestShares) -> None:
        self._ingest = ingest
        self._shares = shares

    async def find(
        self, admitted: Sequence[AdmittedEvent], refused: Mapping[int, object], publisher: str
    ) -> list[EventHint]:
        """Return the hints about a request's events, of which those at some indices are refused.

        Almost every flow was decided before. Of others, some are decided here.
        """
        decisions = self._ingest.decisions()
        cached = decisions.hints.cached
        found = [cached(event.flow.terms, event.time, event.flow.text) for event in admitted]
        if None in found:
            await self._decide(decisions, admitted, found, publisher)
        if not any(found):
            return []
        indices = [index for index in range(len(admitted) + len(refused)) if index not in refused]
        return [
            EventHint(index=index, field=field, detail=sentence)
            for index, hints in zip(indices, found, strict=True)
            for field, sentence in hints or ()
        ][:MAX_HINTS]

    async def _decide(
        self,
        decisions: Decisions,
        admitted: Sequence[AdmittedEvent],
        found: list[Hints | None],
        publisher: str,
    ) -> None:
        """Find the hints that are missing, within a number of data categories."""
        left = _MAX_NEW_CATEGORIES
        for index, event in enumerate(admitted):
            if found[index] is None:
                left -= len(event.flow.terms.data_categories)
                if left < 0:
                    return
                async with self._shares.turn(publisher):
                    found[index] = decisions.hints.judge(
                        event.flow.terms, event.time, event.flow.text
                    )
