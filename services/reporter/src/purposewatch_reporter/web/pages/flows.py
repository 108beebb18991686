"""The list of flows, and one flow."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from purposewatch_policy import Kind, Outcome
from purposewatch_reporter.findings.queries.filters import Text
from purposewatch_reporter.findings.queries.rows import load_rows
from purposewatch_reporter.flows.flow_list import (
    FlowFilters,
    read_flow_list,
    read_flow_row,
    read_place,
    write_place,
)
from purposewatch_reporter.flows.share import read_share
from purposewatch_reporter.parameters import FormTime
from purposewatch_reporter.store.tables import violations
from purposewatch_reporter.web.pages.violation import requested_id
from purposewatch_reporter.web.pages.violations import is_tidy, read_query
from purposewatch_reporter.web.request_context import PageError, RequestContext

_PAGE_FLOWS = 50
_EXAMPLES = 10
_HOUR = timedelta(hours=1)
_LAST_HOUR = datetime.max.replace(minute=0, second=0, microsecond=0, tzinfo=UTC)


def _check_place(text: str) -> str:
    read_place(text)
    return text


class FlowQuery(BaseModel):
    """A page of the list; all given filters must match."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    controller: Text | None = None
    role: Text | None = None
    operation: Text | None = None
    category: Text | None = None
    purpose: Text | None = None
    recipient: Text | None = None
    publisher: Text | None = None
    outcome: Outcome | None = None
    kind: Kind | None = None
    since: FormTime | None = None
    until: FormTime | None = None
    after: Annotated[str, Field(max_length=200), AfterValidator(_check_place)] | None = None

    def given(self) -> dict[str, str]:
        """The filters that are set, as the address writes them."""
        return {
            name: value.replace(tzinfo=None).isoformat(timespec="seconds")
            if isinstance(value, datetime)
            else str(value)
            for name, value in self
            if value is not None and name != "after"
        }

    def address(self, **changes: str | None) -> str:
        """The address of the list with some values changed or (None) left out."""
        wanted = {**self.given(), **changes}
        query = urlencode({name: value for name, value in wanted.items() if value})
        return f"/flows?{query}" if query else "/flows"

    def filters(self) -> FlowFilters:
        """What they mean to the flow ledger, which counts by the hour: the whole hours."""
        given: dict[str, Any] = dict(self.given())
        if self.since is not None:
            given["since"] = self.since.replace(minute=0, second=0, microsecond=0)
        if self.until is not None:
            whole = self.until.replace(minute=0, second=0, microsecond=0)
            is_whole = whole in (self.until, _LAST_HOUR)
            given["until"] = whole if is_whole else whole + _HOUR
        return FlowFilters(**given)


async def show_flows(context: RequestContext) -> Response:
    """Distinct flows, the newest first, with their counts."""
    asked = read_query(context, FlowQuery)
    if not is_tidy(context):
        return context.redirect(asked.address())
    app = context.app
    after = read_place(asked.after) if asked.after else None
    async with app.database.reading() as connection:
        rows, place = await read_flow_list(
            connection, asked.filters(), after=after, size=_PAGE_FLOWS
        )
        share = await read_share(connection)
    return context.html(
        "flows.html",
        asked=asked,
        rows=rows,
        size=_PAGE_FLOWS,
        after=None if place is None else write_place(place),
        share=share,
        controllers=list(app.declared.current.controllers),
        outcomes=list(Outcome),
        kinds=list(Kind),
    )


async def show_flow(context: RequestContext) -> Response:
    """One flow: its terms, what was decided about it, its latest violations."""
    name = requested_id(context)
    async with context.app.database.reading() as connection:
        row = await read_flow_row(connection, bytes.fromhex(name))
        if row is None:
            raise PageError(HTTPStatus.NOT_FOUND, "not_found")
        examples = await load_rows(connection, await _latest_violations(connection, row.flow.id))
    return context.html(
        "flow.html", row=row, flow=row.flow, terms=row.flow.terms, examples=examples
    )


async def _latest_violations(connection: AsyncConnection, flow_id: bytes) -> list[str]:
    v = violations.c
    query = (
        select(v.id)
        .where(v.flow_id == flow_id)
        .order_by(v.event_time.desc(), v.id.desc())
        .limit(_EXAMPLES)
    )
    return list((await connection.execute(query)).scalars())
