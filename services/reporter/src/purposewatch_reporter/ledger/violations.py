"""Store the violations and conflicts of a batch, and have the violations grouped into findings."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_policy import Outcome
from purposewatch_reporter.flows.decided import FlowKey
from purposewatch_reporter.flows.record import Place
from purposewatch_reporter.ledger.identity import Conflict
from purposewatch_reporter.ledger.rows import Judged, category_rows, conflict_row, violation_rows
from purposewatch_reporter.ledger.tally import VerdictGroup
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.bulk import insert_rows

ReportConflicts: TypeAlias = Callable[
    [AsyncConnection, Sequence[Mapping[str, Any]], datetime], Awaitable[None]
]
"""Alerts about rows of `id_conflicts`."""

_PERMITTED = Outcome.PERMITTED  # looking a member up costs more than comparing with it


class Judgement(Protocol):
    """What becomes of a batch of violations."""

    @property
    def groups(self) -> Sequence[Judged]:
        """In the order of the groups that were given."""


_Judgement = TypeVar("_Judgement", bound=Judgement)


class FindingsRecorder(Protocol[_Judgement]):
    """Groups violations into findings, in the caller's transaction: see `Findings`."""

    async def judge(
        self, connection: AsyncConnection, found: Sequence[VerdictGroup], now: datetime
    ) -> _Judgement:
        """Assign verdicts that are not permitted to findings; write nothing."""

    async def record(
        self, connection: AsyncConnection, judgement: _Judgement, now: datetime
    ) -> None:
        """Write what was judged."""


@dataclass(frozen=True, slots=True)
class ViolationStore:
    """Writes what a batch has found, in the transaction that records the batch."""

    findings: FindingsRecorder[Any]
    report_conflicts: ReportConflicts

    async def store(
        self,
        connection: AsyncConnection,
        groups: Sequence[VerdictGroup],
        conflicts: Sequence[Conflict],
        places: Mapping[FlowKey, Place],
        now: datetime,
    ) -> None:
        """Write violations, their findings, and conflicts about event ids."""
        found = [group for group in groups if group.read.verdict.outcome is not _PERMITTED]
        judgement = await self.findings.judge(connection, found, now)
        violations: list[dict[str, Any]] = []
        categories: list[dict[str, Any]] = []
        for group, judged in zip(found, judgement.groups, strict=True):
            rows = violation_rows(group, judged, places[group.key].flow_id, now)
            violations += rows
            categories += category_rows(rows, judged)
        await insert_rows(connection, tables.violations, violations)
        await insert_rows(connection, tables.violation_categories, categories)
        conflict_rows = [conflict_row(conflict, now) for conflict in conflicts]
        await insert_rows(connection, tables.id_conflicts, conflict_rows)
        await self.findings.record(connection, judgement, now)
        await self.report_conflicts(connection, conflict_rows, now)
