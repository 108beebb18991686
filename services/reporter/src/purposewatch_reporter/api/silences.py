"""Suppressions: list, add and end them."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from purposewatch_contract import PUBLISHER_PATTERN
from purposewatch_policy import CONTROLLER_PATTERN, Kind
from purposewatch_reporter.api.parameters import TermName, Time
from purposewatch_reporter.api.problems import ProblemError
from purposewatch_reporter.findings import silences as store
from purposewatch_reporter.findings.silences import MAX_TEXT, Matchers
from purposewatch_reporter.store.engine import Database

_Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class FindingMatchers(BaseModel):
    """Which findings are suppressed: those that equal every field that is given."""

    model_config = ConfigDict(extra="forbid")

    controller: Annotated[str, Field(pattern=CONTROLLER_PATTERN)] | None = None
    role: TermName | None = None
    kind: Kind | Literal["unknown"] | None = None
    data_category: TermName | None = None
    purpose: TermName | None = None
    recipient: TermName | None = None
    publisher: Annotated[str, Field(pattern=PUBLISHER_PATTERN)] | None = None

    @model_validator(mode="after")
    def _gives_something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            message = "give at least one field to match; without any, nothing would alert"
            raise ValueError(message)
        return self


class NewSuppression(BaseModel):
    """A suppression to add."""

    model_config = ConfigDict(extra="forbid")

    matchers: FindingMatchers
    reason: _Text = Field(description="Why; it is shown to whoever asks later.")
    author: _Text = Field(description="Who decided it.")
    expires_time: Time = Field(description="When it ends by itself; RFC 3339, a year at most.")


class EndOfSuppression(BaseModel):
    """Who ends a suppression."""

    model_config = ConfigDict(extra="forbid")

    by: _Text


class Suppression(BaseModel):
    """A decision not to be alerted about some findings for a while."""

    id: str
    matchers: FindingMatchers
    reason: str
    author: str
    created_time: datetime
    expires_time: datetime
    ended_time: datetime | None
    ended_by: str | None
    active: bool


class Suppressions(BaseModel):
    """Suppressions, the latest first."""

    items: list[Suppression]


def _shown(item: store.Suppression, now: datetime) -> Suppression:
    return Suppression(**asdict(item), active=item.is_active(now))


def silences_routes(database: Database, clock: Callable[[], datetime]) -> APIRouter:
    """The routes of /suppressions."""
    router = APIRouter(tags=["suppressions"])

    @router.get("/suppressions")
    async def list_suppressions(*, active: Annotated[bool, Query()] = False) -> Suppressions:
        """The latest 500, or only those that last."""
        now = clock()
        async with database.reading() as connection:
            items = await store.list_suppressions(connection, now, active_only=active)
        return Suppressions(items=[_shown(item, now) for item in items])

    @router.post("/suppressions", status_code=HTTPStatus.CREATED)
    async def add_suppression(asked: NewSuppression) -> Suppression:
        """Suppress findings. What is suppressed is still booked and counted."""
        now = clock()
        matchers = asked.matchers.model_dump()
        matchers["kind"] = None if matchers["kind"] is None else str(matchers["kind"])
        try:
            async with database.writing() as connection:
                added = await store.add_suppression(
                    connection,
                    Matchers(**matchers),
                    reason=asked.reason,
                    author=asked.author,
                    expires_time=asked.expires_time,
                    now=now,
                )
        except store.SuppressionError as error:
            raise _refused(error) from None
        return _shown(added, now)

    @router.post("/suppressions/{id}/end")
    async def end_suppression(
        asked: EndOfSuppression,
        name: Annotated[str, Path(alias="id", pattern="^[0-9a-f]{32}$")],
    ) -> Suppression:
        """End a suppression before its time."""
        now = clock()
        try:
            async with database.writing() as connection:
                ended = await store.end_suppression(connection, name, by=asked.by, now=now)
        except store.SuppressionError as error:
            raise _refused(error) from None
        if ended is None:
            message = f"there is no suppression `{name}`"
            raise ProblemError(HTTPStatus.NOT_FOUND, "not-found", message)
        return _shown(ended, now)

    return router


def _refused(error: store.SuppressionError) -> ProblemError:
    return ProblemError(HTTPStatus.CONFLICT, "suppression-refused", str(error))
