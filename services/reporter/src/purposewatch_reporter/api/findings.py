"""Findings: violations and unknown flows, grouped by everything but the person."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, computed_field
from sqlalchemy import Row, select

from purposewatch_policy import Kind, Outcome
from purposewatch_reporter.api.description import problems
from purposewatch_reporter.api.paging import Page, PageRange, filtered, next_cursor, page_query
from purposewatch_reporter.api.parameters import ControllerName, PublisherName, TermName
from purposewatch_reporter.api.problems import not_found
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.parameters import Id
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.store.tables import findings

_f = findings.c
_FILTERS = {
    "category": _f.data_category,
    **{
        name: _f[name]
        for name in (
            "controller",
            "role",
            "kind",
            "purpose",
            "recipient",
            "publisher",
            "severity",
            "state",
        )
    },
}
_INTERNAL = frozenset({"routed_episode", "active_time"})


class FindingFilters(PageRange):
    """Which findings; all given filters must match. Times are those of the latest recording."""

    controller: ControllerName | None = None
    role: TermName | None = None
    kind: Kind | Literal["unknown"] | None = None
    category: TermName | None = None
    purpose: TermName | None = None
    recipient: TermName | None = None
    publisher: PublisherName | None = None
    severity: Severity | None = None
    state: Literal["firing", "quiet"] | None = None


class Finding(BaseModel):
    """A group of equal violations, or of flows that could not be judged."""

    fingerprint: str
    controller: str
    role: str
    kind: str = Field(description="The data category's kind, or `unknown`.")
    data_category: str
    purpose: str
    recipient: str
    publisher: str
    outcome: Outcome
    severity: Severity
    state: Literal["firing", "quiet"]
    count: int = Field(description="Violations, including silenced ones.")
    silenced_count: int
    accesses: int = Field(description="What the violations stand for; likewise the next two.")
    silenced_accesses: int
    episode_accesses: int
    suppressed_count: int = Field(deprecated=True, description="Use `silenced_count`.")
    episode: int = Field(description="How often it began to alert; 0 when all of it was silenced.")
    episode_started_time: datetime | None
    episode_count: int = Field(description="Violations of the latest episode that alerted.")
    quiet_time: datetime | None = Field(description="When the latest episode ended.")
    first_event_time: datetime
    last_event_time: datetime
    first_recorded_time: datetime
    last_recorded_time: datetime
    last_violation_id: str
    summary: str = Field(description="The reason, as given for the latest violation.")
    statement: str | None
    clause: str | None
    policy_version: str | None

    @computed_field(json_schema_extra={"deprecated": True})  # type: ignore[prop-decorator]  # pydantic's way
    @property
    def first_booked_time(self) -> datetime:
        """The name of `first_recorded_time` until 0.2."""
        return self.first_recorded_time

    @computed_field(json_schema_extra={"deprecated": True})  # type: ignore[prop-decorator]  # pydantic's way
    @property
    def last_booked_time(self) -> datetime:
        """The name of `last_recorded_time` until 0.2."""
        return self.last_recorded_time


def _finding(row: Row[Any]) -> Finding:
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    shown = {name: value for name, value in values.items() if name not in _INTERNAL}
    return Finding(**shown, suppressed_count=row.silenced_count)


def findings_routes(database: Transactions) -> APIRouter:
    """The routes of /findings."""
    router = APIRouter(tags=["findings"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))

    @router.get("/findings")
    async def list_findings(asked: Annotated[FindingFilters, Query()]) -> Page[Finding]:
        """Findings, by the time of their latest recording, newest first.

        One that is added to while pages are being read moves to the front.
        """
        query = page_query(
            filtered(select(findings), asked, _FILTERS),
            _f.last_recorded_time,
            _f.fingerprint,
            asked,
        )
        async with database.reading() as connection:
            rows = list(await connection.execute(query))
        cursor = next_cursor(rows, _f.last_recorded_time, _f.fingerprint, asked)
        return Page(items=[_finding(row) for row in rows], next=cursor)

    @router.get("/findings/{fingerprint}", responses=problems(HTTPStatus.NOT_FOUND))
    async def get_finding(
        fingerprint: Annotated[Id, Path()],
    ) -> Finding:
        """One finding."""
        async with database.reading() as connection:
            found = await connection.execute(select(findings).where(_f.fingerprint == fingerprint))
            row = found.one_or_none()
        if row is None:
            raise not_found(fingerprint, "finding")
        return _finding(row)

    return router
