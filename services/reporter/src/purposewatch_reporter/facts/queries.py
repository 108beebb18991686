"""What is stated about a subject, and which statements came late."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.findings.queries.filters import Text
from purposewatch_reporter.store.facts import history_hash
from purposewatch_reporter.store.tables import facts

PAGE_FACTS = 50
SHOWN_STATEMENTS = 5
"""Of a history: so many before a time, and so many after it."""

_f = facts.c
_NEWEST = (_f.effective_from.desc(), _f.stated_time.desc(), _f.statement_digest.desc())
_OLDEST = (_f.effective_from, _f.stated_time, _f.statement_digest)
_IS_LATE = _f.affected_events > 0


async def read_subject(  # noqa: PLR0913 - what is asked
    connection: AsyncConnection,
    *,
    controller: str,
    subject: str,
    fact: str | None,
    as_of: datetime,
    limit: int,
) -> Sequence[Row[Any]]:
    """The latest statements of each fact of a subject that are effective at a time.

    `rank` is 1 for the one that counts at that time.
    """
    rank = func.row_number().over(partition_by=_f.fact, order_by=_NEWEST).label("rank")
    of_subject = (_f.subject == subject, _f.controller == controller, _f.effective_from <= as_of)
    named = true() if fact is None else _f.fact == fact
    ranked = select(facts, rank).where(*of_subject, named).subquery()
    found = select(ranked).where(ranked.c.rank <= limit).order_by(ranked.c.fact, ranked.c.rank)
    return list(await connection.execute(found))


def is_in_force(row: Row[Any], as_of: datetime) -> bool:
    """Whether a row of `read_subject` is in force: it counts, and it has not expired."""
    return bool(row.rank == 1 and (row.until is None or as_of < row.until))


async def read_history(
    connection: AsyncConnection, *, subject: str, controller: str, fact: str, at: datetime
) -> Sequence[Row[Any]]:
    """The statements of one fact around a time, newest first."""
    of_history = select(facts).where(_f.history == history_hash(subject, controller, fact))
    later = of_history.where(_f.effective_from > at).order_by(*_OLDEST)
    earlier = of_history.where(_f.effective_from <= at).order_by(*_NEWEST)
    after = list(await connection.execute(later.limit(SHOWN_STATEMENTS)))
    before = list(await connection.execute(earlier.limit(SHOWN_STATEMENTS)))
    return [*reversed(after), *before]


class LateFactQuery(BaseModel):
    """A page of the list of late statements; all given filters must match."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    controller: Text | None = None
    fact: Text | None = None
    publisher: Text | None = None
    page: int = Field(default=1, ge=1, le=10_000)

    def given(self) -> dict[str, str]:
        """The filters that are set."""
        values = ((name, getattr(self, name)) for name in ("controller", "fact", "publisher"))
        return {name: str(value) for name, value in values if value is not None}

    def address(self, **changes: Any) -> str:
        """The address of the list with some values changed or (None) left out."""
        query = urlencode({k: v for k, v in {**self.given(), **changes}.items() if v})
        return f"/late-facts?{query}" if query else "/late-facts"


@dataclass(frozen=True, slots=True)
class LateFactPage:
    """Late statements, and how many match in all."""

    rows: Sequence[Mapping[str, Any]]
    total: int
    page: int

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // PAGE_FACTS))


async def read_late_facts(connection: AsyncConnection, asked: LateFactQuery) -> LateFactPage:
    """One page of the late statements that match, by the time of their recording, newest first."""
    matching = select(facts).where(_IS_LATE)
    for name, value in asked.given().items():
        matching = matching.where(_f[name] == value)
    total = await connection.scalar(select(func.count()).select_from(matching.subquery()))
    found = await connection.execute(
        matching.order_by(_f.recorded_time.desc(), _f.id)
        .limit(PAGE_FACTS)
        .offset((asked.page - 1) * PAGE_FACTS)
    )
    rows = [dict(row._mapping) for row in found]  # noqa: SLF001 - its public name
    return LateFactPage(rows, total or 0, asked.page)


async def late_fact_choices(connection: AsyncConnection) -> dict[str, list[str]]:
    """The values that each filter has among late statements."""
    query = select(_f.controller, _f.fact, _f.publisher).where(_IS_LATE).distinct()
    rows = list(await connection.execute(query))
    names = ("controller", "fact", "publisher")
    return {name: sorted({getattr(row, name) for row in rows}) for name in names}
