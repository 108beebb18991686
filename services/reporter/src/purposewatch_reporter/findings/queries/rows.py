"""The rows of a page: violations with their categories and their triage state."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.findings.triage import Status, Target, effective
from purposewatch_reporter.store.tables import (
    findings,
    triage,
    violation_categories,
    violations,
)


@dataclass(frozen=True, slots=True)
class Part:
    """One data category of a violation that was not permitted."""

    category: str
    kind: str
    fingerprint: str
    severity: Severity
    finding_status: Status
    finding_assignee: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """A violation as a list shows it."""

    fields: Mapping[str, Any]
    parts: tuple[Part, ...]
    own_status: Status | None
    own_assignee: str | None

    def __getattr__(self, name: str) -> Any:
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def status(self) -> Status:
        """Where triage stands for this violation."""
        return effective(self.own_status, (part.finding_status for part in self.parts))

    @property
    def assignee(self) -> str | None:
        """Who looks after it."""
        if self.own_status is not None:
            return self.own_assignee
        return next((part.finding_assignee for part in self.parts if part.finding_assignee), None)

    @property
    def severity(self) -> Severity:
        """The worst of its findings'."""
        return max((part.severity for part in self.parts), key=_rank, default=Severity.LOW)

    @property
    def categories(self) -> tuple[str, ...]:
        """The data categories that were not permitted."""
        return tuple(part.category for part in self.parts)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is wrong with them, each kind once."""
        return tuple(dict.fromkeys(part.kind for part in self.parts))

    @property
    def event_time(self) -> datetime:
        """When it happened."""
        time: datetime = self.fields["event_time"]
        return time


def _rank(severity: Severity) -> int:
    return severity.rank


SHOWN = tuple(column for column in violations.c if column.name != "verdict")


async def load_rows(connection: AsyncConnection, names: Sequence[str]) -> list[Row]:
    """The violations of these ids, in their order; those that are not there are left out."""
    if not names:
        return []
    found = await connection.execute(select(*SHOWN).where(violations.c.id.in_(names)))
    fields = {row.id: dict(row._mapping) for row in found}  # noqa: SLF001 - its public name
    parts = await _parts(connection, names)
    own = await _own(connection, names)
    return [
        Row(fields[name], tuple(parts.get(name, ())), *own.get(name, (None, None)))
        for name in names
        if name in fields
    ]


async def _parts(connection: AsyncConnection, names: Iterable[str]) -> dict[str, list[Part]]:
    vc, f, t = violation_categories.c, findings.c, triage.c
    query = (
        select(vc.violation_id, vc.data_category, vc.kind, vc.fingerprint)
        .add_columns(f.severity, t.status, t.assignee)
        .select_from(
            violation_categories.outerjoin(findings, f.fingerprint == vc.fingerprint).outerjoin(
                triage,
                (t.target_kind == str(Target.FINDING)) & (t.target_id == vc.fingerprint),
            )
        )
        .where(vc.violation_id.in_(names))
        .order_by(vc.violation_id, vc.data_category)
    )
    parts: dict[str, list[Part]] = {}
    for row in await connection.execute(query):
        part = Part(
            row.data_category,
            row.kind,
            row.fingerprint,
            Severity(row.severity or Severity.MEDIUM),
            Status(row.status or Status.OPEN),
            row.assignee,
        )
        parts.setdefault(row.violation_id, []).append(part)
    return parts


async def _own(
    connection: AsyncConnection, names: Iterable[str]
) -> dict[str, tuple[Status, str | None]]:
    t = triage.c
    query = select(t.target_id, t.status, t.assignee).where(
        t.target_kind == str(Target.VIOLATION), t.target_id.in_(names)
    )
    return {
        row.target_id: (Status(row.status), row.assignee) for row in await connection.execute(query)
    }
