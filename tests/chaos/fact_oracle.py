"""Which statement of a fact may have decided an event: as of its time, of those that were there."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from purposewatch_policy import FactStatement, statement_in_force

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from purposewatch_contract import CanonicalEvent, CanonicalFact, Verdict
    from tests.chaos.differences import Differences
    from tests.chaos.evidence import Position
    from tests.chaos.fact_traffic import Stated


class FactOracle:
    """Knows every statement, and which were certainly there before which event was sent."""

    def __init__(self, facts: Mapping[Position, CanonicalFact], stated: Stated) -> None:
        self.checked = 0
        """Facts of events that were looked up."""
        self.raced = 0
        """Those of them for which more than one statement may have decided."""
        self._stated = stated
        self._statements: dict[tuple[str, str], dict[str, FactStatement]] = defaultdict(dict)
        for fact in facts.values():
            self._statements[fact.data.subject, fact.data.fact][fact.id] = FactStatement(
                fact.data.value,
                fact.data.effective_from,
                fact.data.until,
                fact.time,
                fact.id,
                fact.source,
                fact.data.evidence,
            )

    def check(
        self,
        event: CanonicalEvent,
        relevant: Collection[str],
        verdict: Verdict,
        differences: Differences,
    ) -> dict[str, bool | None]:
        """The values that the verdict was reached with; notes each that can't be right.

        A statement that was in the topic before the event was sent must be considered. One that
        was sent at the same time may be: then the verdict names it.
        """
        found = {each.fact: each for each in verdict.facts}
        if sorted(found) != sorted(relevant):
            differences.note("verdict names other facts", f"{event.id}: {sorted(found)}")
        values: dict[str, bool | None] = {}
        for fact in relevant:
            finding = found.get(fact)
            allowed = self._allowed(event, fact)
            self.checked += 1
            self.raced += len(allowed) > 1
            name = finding.statement if finding is not None else None
            if name not in allowed:
                expected = f"{name} instead of {sorted(map(str, allowed))}"
                differences.note(
                    "fact decided by another statement", f"{event.id} {fact}: {expected}"
                )
            statement = allowed.get(name)
            values[fact] = None if statement is None else statement.holds_at(event.time)
            if finding is not None and (finding.value, finding.claimed) != (
                values[fact],
                event.data.facts.get(fact),
            ):
                differences.note("fact has another value", f"{event.source} {event.id} {fact}")
        return values

    def _allowed(self, event: CanonicalEvent, fact: str) -> dict[str | None, FactStatement | None]:
        """The statements that may have decided, by id."""
        statements = self._statements[event.data.subject, fact]
        begun = self._stated.begun.get(event.id, 0.0)
        certain = statement_in_force(
            [
                each
                for name, each in statements.items()
                if self._stated.settled.get(name, begun) < begun
            ],
            event.time,
        )
        allowed: dict[str | None, FactStatement | None] = {
            certain.statement if certain else None: certain
        }
        for name, each in statements.items():
            late = self._stated.settled.get(name, begun) >= begun
            begins = late and each.effective_from <= event.time
            if begins and (certain is None or each.rank > certain.rank):
                allowed[name] = each
        return allowed
