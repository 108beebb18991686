"""What is stated about a subject. Ingest asks this for publishers."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from purposewatch_contract import PSEUDONYM_PATTERN, StatedFact, StatedFactAsOf, SubjectFacts
from purposewatch_reporter.api.description import problems
from purposewatch_reporter.api.paging import Page, PageRange, filtered, next_cursor, page_query
from purposewatch_reporter.api.parameters import ControllerName, PublisherName, TermName
from purposewatch_reporter.facts.queries import is_in_force, read_subject
from purposewatch_reporter.parameters import Time
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.store.tables import facts

FACTS_PATH = "/api/v1/facts"

_f = facts.c
_FILTERS = {name: _f[name] for name in ("controller", "fact", "publisher", "subject")}

Pseudonym = Annotated[str, Field(pattern=PSEUDONYM_PATTERN)]


class AskedSubject(BaseModel):
    """Whose facts, and as of when."""

    model_config = ConfigDict(extra="forbid")

    controller: ControllerName
    subject: Pseudonym = Field(description="The pseudonym that ingest has given to the subject.")
    fact: TermName | None = Field(default=None, description="This fact only.")
    as_of: Time | None = Field(
        default=None, description="RFC 3339 with zone; now if it is left out."
    )
    limit: int = Field(default=20, ge=1, le=200, description="Statements of each fact.")


class LateFact(StatedFact):
    """A statement that arrived after verdicts which would use another value now."""

    id: str
    controller: str
    subject: str
    recorded_time: datetime
    affected_events: int = Field(description="Events whose verdict used another value.")
    affected_accesses: int = Field(description="What these events stand for.")


class LateFactFilters(PageRange):
    """Which late statements; all given filters must match. Times are those of the recording."""

    controller: ControllerName | None = None
    fact: TermName | None = None
    publisher: PublisherName | None = None
    subject: Pseudonym | None = None


def facts_routes(database: Transactions, clock: Callable[[], datetime]) -> APIRouter:
    """The routes of /facts and /late-facts."""
    router = APIRouter(tags=["facts"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))

    @router.get("/facts")
    async def list_facts(asked: Annotated[AskedSubject, Query()]) -> SubjectFacts:
        """What is stated about a subject, as of a time.

        Of each fact, the statement that counts is the one effective last; of those effective from
        the same time, the one stated last.
        """
        as_of = asked.as_of or clock()
        async with database.reading() as connection:
            rows = await read_subject(
                connection,
                controller=asked.controller,
                subject=asked.subject,
                fact=asked.fact,
                as_of=as_of,
                limit=asked.limit,
            )
        statements = [
            StatedFactAsOf(
                **row._mapping,  # noqa: SLF001 - SQLAlchemy's public name for it
                statement=row.statement_id,
                in_force=is_in_force(row, as_of),
            )
            for row in rows
        ]
        return SubjectFacts(as_of=as_of, statements=statements)

    @router.get("/late-facts")
    async def list_late_facts(asked: Annotated[LateFactFilters, Query()]) -> Page[LateFact]:
        """Statements that would change which value earlier verdicts used, the latest first.

        They change no verdict. `purposewatch replay` judges the affected events again.
        """
        query = filtered(select(facts).where(_f.affected_events > 0), asked, _FILTERS)
        query = page_query(query, _f.recorded_time, _f.id, asked)
        async with database.reading() as connection:
            rows = list(await connection.execute(query))
        cursor = next_cursor(rows, _f.recorded_time, _f.id, asked)
        items = [
            LateFact(
                **row._mapping,  # noqa: SLF001 - SQLAlchemy's public name for it
                statement=row.statement_id,
            )
            for row in rows
        ]
        return Page(items=items, next=cursor)

    return router
