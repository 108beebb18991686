"""Decides captured events with the policy engine, and says why one fails."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from purposewatch_client.testing.flow import described, flow_of, key_of
from purposewatch_policy import (
    Explanation,
    Flow,
    LedgerValues,
    Outcome,
    PolicySet,
    StatedFacts,
    explain,
    load_policies,
    load_stated_facts,
)


@dataclass(slots=True)
class Judged:
    """One distinct flow of some events, with the decision about it."""

    flow: dict[str, Any]
    outcome: str
    kind: str | None
    explanation: Explanation
    places: dict[str, None]
    """Where it was recorded, each once."""
    events: int = 0

    @property
    def allowance(self) -> str:
        """What a marker names to allow it: the kind of a violation, or `unknown`."""
        return self.kind or self.outcome

    @property
    def is_permitted(self) -> bool:
        """Whether the policy permits it."""
        return self.outcome == Outcome.PERMITTED

    def text(self) -> str:
        """Say what failed, why, and the smallest change that would make it permitted."""
        explanation = self.explanation
        lines = [f"{self.allowance}: {described(self.flow)}"]
        lines += [f"  recorded at {place}" for place in self.places]
        for each in explanation.categories:
            if each.decided.outcome is Outcome.PERMITTED:
                continue
            lines.append(f"  {each.sentence}")
            if each.advice:
                lines.append(f"  {explanation.advice_heading}")
            for advice in each.advice:
                parts = [*advice.changes, *filter(None, [advice.conclusion])]
                lines.append(f"    {advice.title}: {'; '.join(parts)}")
        lines += [f"  {note}" for note in explanation.notes]
        return "\n".join(lines)


class Judge:
    """Decides with the policies of a directory."""

    def __init__(self, directory: Path) -> None:
        """Load the policies. Raises `InvalidSourceError` with every fault of the files."""
        self._policies: PolicySet = load_policies(directory)
        self._facts: StatedFacts | None = None
        self._explained: dict[tuple[str, str | None, str], Explanation] = {}

    def load_facts(self, path: Path) -> None:
        """Let the statements of a file count instead of what events claim; raises likewise."""
        self._facts = load_stated_facts(path, self._policies)

    @property
    def facts(self) -> str:
        """Say whose word counts about facts."""
        if self._facts is None:
            return "facts: as the events state them"
        number = self._facts.number
        return f"facts: from {number} statement{'' if number == 1 else 's'}"

    def judge(self, events: Iterable[tuple[Mapping[str, Any], str | None]]) -> list[Judged]:
        """Decide events, each with the place where it was recorded, and group them by flow."""
        judged: dict[int, Judged] = {}
        for event, place in events:
            flow = flow_of(event)
            at = datetime.fromisoformat(event["time"])
            ledger = None
            if self._facts is not None:
                ledger = self._facts.at(flow["controller"], event["data"]["subject_id"], at)
            explanation = self._explain(flow, at, ledger)
            decision = explanation.decision
            found = judged.setdefault(
                id(explanation),
                Judged(
                    flow,
                    decision.outcome.value,
                    decision.kind.value if decision.kind is not None else None,
                    explanation,
                    {},
                ),
            )
            found.events += 1
            if place is not None:
                found.places[place] = None
        return list(judged.values())

    def _explain(
        self, flow: dict[str, Any], at: datetime, ledger: LedgerValues | None
    ) -> Explanation:
        """Explain a flow; once for each version of the policy and what the ledger says."""
        version = None
        if flow["controller"] in self._policies.controllers:
            compiled = self._policies.in_force(flow["controller"], at)
            version = compiled.policy.version if compiled is not None else None
        key = key_of(flow), version, repr(ledger)
        if key not in self._explained:
            self._explained[key] = explain(
                Flow.model_validate(flow), at, self._policies, ledger=ledger
            )
        return self._explained[key]
