"""Flows: what was observed, each once, with exact counts."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, BaseModel, Field

from purposewatch_policy import Kind, Outcome
from purposewatch_reporter.api.description import problems
from purposewatch_reporter.api.paging import MAX_LIMIT, Page
from purposewatch_reporter.api.parameters import (
    ControllerName,
    HourRange,
    PublisherName,
    TermName,
)
from purposewatch_reporter.api.problems import not_found
from purposewatch_reporter.flows.flow import FlowCount
from purposewatch_reporter.flows.flow_list import (
    FlowFilters,
    FlowRow,
    read_flow_list,
    read_flow_row,
    read_place,
    write_place,
)
from purposewatch_reporter.flows.share import read_share
from purposewatch_reporter.parameters import Id
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.what_if.shown import ShownFlow, shown_flow


def _check_cursor(cursor: str) -> str:
    try:
        read_place(cursor)
    except ValueError:
        message = "not a cursor; take it from `next` of the page before"
        raise ValueError(message) from None
    return cursor


class FlowParameters(HourRange):
    """Which flows; all given filters must match. Times are those of the events, by the hour.

    With a time, `events`, `accesses` and all that follows from them are of that time.
    """

    controller: ControllerName | None = None
    role: TermName | None = None
    operation: TermName | None = None
    purpose: TermName | None = None
    recipient: TermName | None = None
    source: TermName | None = None
    location: TermName | None = None
    legal_basis: TermName | None = None
    category: TermName | None = Field(default=None, description="Among the data categories.")
    outcome: Outcome | None = None
    kind: Kind | None = None
    publisher: PublisherName | None = None
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="Flows on a page.")
    cursor: Annotated[str, AfterValidator(_check_cursor)] | None = Field(
        default=None, max_length=200, description="`next` of the page before."
    )

    def filters(self) -> FlowFilters:
        """What they mean to the flow ledger."""
        given = self.model_dump(exclude={"limit", "cursor"}, exclude_none=True)
        times = {"since", "until"}
        wanted: dict[str, Any] = {k: v if k in times else str(v) for k, v in given.items()}
        return FlowFilters(**wanted)


class CategoryDecided(BaseModel):
    """The decision about one data category of a flow."""

    data_category: str
    outcome: Outcome
    kind: Kind | None
    statement: str | None = Field(description="The deciding statement, or the nearest miss.")
    is_nearest_miss: bool


class FlowDecided(BaseModel):
    """How often one decision was reached about a flow."""

    outcome: Outcome
    kind: Kind | None
    policy_version: str | None
    policy_digest: str | None
    categories: list[CategoryDecided] = Field(description="Empty for `(other)`.")
    events: int
    accesses: int = Field(description="What the events stand for.")
    first_time: datetime
    last_time: datetime
    publishers: list[str]


class ObservedFlow(ShownFlow):
    """A distinct flow, and what was counted of it."""

    id: Id
    is_other: bool = Field(description="Whether it stands for all flows beyond the limit.")
    first_recorded_time: datetime
    events: int
    accesses: int
    first_time: datetime | None = Field(description="Of the earliest event that is counted.")
    last_time: datetime | None = Field(description="Of the latest event that is counted.")
    publishers: list[str]
    decisions: list[FlowDecided] = Field(description="The most frequent first.")


class FlowPage(Page[ObservedFlow]):
    """One page of flows, the newest first."""

    all_events: int = Field(description="Events with a verdict, over all time and controllers.")
    other_events: int = Field(description="How many of these are only known as `(other)`.")


def flows_routes(database: Transactions) -> APIRouter:
    """The routes of /flows."""
    router = APIRouter(tags=["flows"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))

    @router.get("/flows")
    async def list_flows(asked: Annotated[FlowParameters, Query()]) -> FlowPage:
        """Distinct flows, by the time of their first recording, newest first.

        A page can hold fewer flows than `limit`, or none, before the last one: follow `next`.
        """
        after = read_place(asked.cursor) if asked.cursor else None
        async with database.reading() as connection:
            rows, place = await read_flow_list(
                connection, asked.filters(), after=after, size=asked.limit
            )
            share = await read_share(connection)
        return FlowPage(
            items=[_shown(row) for row in rows],
            next=None if place is None else write_place(place),
            all_events=share.events,
            other_events=share.other,
        )

    @router.get("/flows/{id}", responses=problems(HTTPStatus.NOT_FOUND))
    async def get_flow(name: Annotated[Id, Path(alias="id")]) -> ObservedFlow:
        """One flow, with its counts over all time."""
        async with database.reading() as connection:
            row = await read_flow_row(connection, bytes.fromhex(name))
        if row is None:
            raise not_found(name, "flow")
        return _shown(row)

    return router


def _shown(row: FlowRow) -> ObservedFlow:
    return ObservedFlow(
        **dict(shown_flow(row.flow)),
        is_other=row.flow.is_other,
        first_recorded_time=row.first_recorded_time,
        events=row.events,
        accesses=row.accesses,
        first_time=row.first_time,
        last_time=row.last_time,
        publishers=list(row.publishers),
        decisions=[_decided(count) for count in row.counts],
    )


def _decided(count: FlowCount) -> FlowDecided:
    return FlowDecided(
        outcome=Outcome(count.outcome),
        kind=None if count.kind is None else Kind(count.kind),
        policy_version=count.version,
        policy_digest=count.digest,
        categories=[
            CategoryDecided(
                data_category=each.data_category,
                outcome=Outcome(each.outcome),
                kind=None if each.kind is None else Kind(each.kind),
                statement=each.statement,
                is_nearest_miss=each.is_nearest_miss,
            )
            for each in count.categories
        ],
        events=count.events,
        accesses=count.accesses,
        first_time=count.first_time,
        last_time=count.last_time,
        publishers=list(count.publishers),
    )
