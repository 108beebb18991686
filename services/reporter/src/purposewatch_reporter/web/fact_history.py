"""The facts that mattered to a verdict, and what is stated about them around the event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract import FactFinding
from purposewatch_policy import LedgerValues
from purposewatch_reporter.facts.queries import read_history

_FINDINGS = TypeAdapter(tuple[FactFinding, ...])


@dataclass(frozen=True, slots=True)
class ShownStatement:
    """A statement of a history, as the page shows it."""

    row: Row[Any]
    is_used: bool
    """Whether the verdict was reached with it."""
    counts: bool
    """Whether it is the one that counts at the event's time, as far as is known now."""
    has_expired: bool
    """Whether it has expired at the event's time."""
    is_late: bool
    """Whether it was accepted after the verdict."""


@dataclass(frozen=True, slots=True)
class ShownFact:
    """What the verdict says of a fact, and its history, newest first."""

    finding: FactFinding
    history: Sequence[ShownStatement]

    @property
    def is_contradicted(self) -> bool:
        """Whether the event claims something else than what the ledger said."""
        claimed = self.finding.claimed
        return claimed is not None and claimed is not bool(self.finding.value)


def findings_of(verdict: Mapping[str, Any]) -> list[FactFinding]:
    """What a stored verdict says of the facts that it depends on."""
    return list(_FINDINGS.validate_python(verdict.get("facts", ()), strict=False))


def ledger_of(verdict: Mapping[str, Any]) -> LedgerValues:
    """The values of facts that the verdict was reached with."""
    return {each.fact: each.value for each in findings_of(verdict)}


async def load_facts(connection: AsyncConnection, verdict: Mapping[str, Any]) -> list[ShownFact]:
    """The facts of a stored verdict with their histories."""
    at = datetime.fromisoformat(verdict["event_time"])
    decided = datetime.fromisoformat(verdict["decided_time"])
    shown = []
    for finding in findings_of(verdict):
        rows = await read_history(
            connection,
            subject=verdict["data"]["subject"],
            controller=verdict["data"]["controller"],
            fact=finding.fact,
            at=at,
        )
        counting = next((row for row in rows if row.effective_from <= at), None)
        used = (finding.source, finding.statement)
        history = [
            ShownStatement(
                row,
                is_used=(row.source, row.statement_id) == used,
                counts=row is counting,
                has_expired=row.until is not None and row.until <= at,
                is_late=row.accepted_time > decided,
            )
            for row in rows
        ]
        shown.append(ShownFact(finding, history))
    return shown
