"""Store the violations and conflicts of a batch, and have the violations grouped into findings."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_policy import Outcome
from purposewatch_reporter.flows.decided import FlowKey, key_of
from purposewatch_reporter.flows.record import Place
from purposewatch_reporter.ledger.identity import Identified
from purposewatch_reporter.ledger.read import ReadVerdict
from purposewatch_reporter.ledger.rows import Judged, category_rows, conflict_row, violation_row
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
    def verdicts(self) -> Sequence[Judged]:
        """In the order of the verdicts that were given."""


_Judgement = TypeVar("_Judgement", bound=Judgement)


class FindingsRecorder(Protocol[_Judgement]):
    """Groups violations into findings, in the caller's transaction: see `Findings`."""

    async def judge(
        self, connection: AsyncConnection, found: Sequence[ReadVerdict], now: datetime
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
        identified: Identified,
        places: Mapping[FlowKey, Place],
        now: datetime,
    ) -> None:
        """Write violations, their findings, and conflicts about event ids."""
        found = [item for item in identified.new if item.verdict.outcome is not _PERMITTED]
        judgement = await self.findings.judge(connection, found, now)
        violations = [
            violation_row(item, judged, places[key_of(item.verdict)].flow_id, now)
            for item, judged in zip(found, judgement.verdicts, strict=True)
        ]
        categories = [
            row
            for violation, judged in zip(violations, judgement.verdicts, strict=True)
            for row in category_rows(violation, judged)
        ]
        await insert_rows(connection, tables.violations, violations)
        await insert_rows(connection, tables.violation_categories, categories)
        conflicts = [conflict_row(conflict, now) for conflict in identified.conflicts]
        await insert_rows(connection, tables.id_conflicts, conflicts)
        await self.findings.record(connection, judgement, now)
        await self.report_conflicts(connection, conflicts, now)
