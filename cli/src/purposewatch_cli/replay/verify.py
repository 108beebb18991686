"""Compare what the reporter says of flows with deciding single events in full. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from purposewatch_contract import flow_digest
from purposewatch_contract.codec import DecodedVerdict
from purposewatch_policy import (
    CategoryDecision,
    CompiledPolicy,
    LedgerValues,
    decide_under,
    relevant_facts,
)

_Decided: TypeAlias = frozenset[tuple[str, str, str | None, str | None]]
"""Of each data category: its name, outcome, kind and statement."""


@dataclass(frozen=True, slots=True)
class EventDifference:
    """An event about which the answer says something else."""

    verdict: DecodedVerdict
    flow: str
    expected: str
    """What deciding it says."""
    answered: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of it."""

    events: int
    flows: int
    differences: tuple[EventDifference, ...]
    missing: int
    """Differences because the answer does not know the flow, or that it was decided so."""
    beyond: int
    """Events whose flow may be counted under `(other)`, so that nothing can be compared."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "type": "verification",
            "events": self.events,
            "flows": self.flows,
            "beyond_the_limit": self.beyond,
            "differences": [
                {
                    "event_id": each.verdict.event_id,
                    "event_source": each.verdict.event_source,
                    "flow": each.flow,
                    "expected": each.expected,
                    "answered": each.answered,
                }
                for each in self.differences
            ],
        }


def flow_of(verdict: DecodedVerdict) -> str:
    """The id of an event's flow."""
    return flow_digest(verdict.data, _ledger(verdict)).hex()


def verify(
    verdicts: Sequence[DecodedVerdict], answer: Mapping[str, Any], candidate: CompiledPolicy
) -> Verification:
    """Decide each event in full, and compare it with what the answer says of its flow."""
    effects: dict[tuple[str, _Decided], Mapping[str, Any]] = {
        (each["flow"]["id"], _answered(each["before"])): each for each in answer["effects"]
    }
    has_others = answer["other"]["events"] > 0
    differences: list[EventDifference] = []
    missing = beyond = 0
    for verdict in verdicts:
        flow = flow_of(verdict)
        effect = effects.get((flow, _decided(verdict.categories)))
        if effect is None and has_others:
            beyond += 1
            continue
        expected = _expected(verdict, candidate)
        answered = "no such decision" if effect is None else _said(effect)
        if expected != answered:
            missing += effect is None
            differences.append(EventDifference(verdict, flow, expected, answered))
    flows = len({flow_of(each) for each in verdicts})
    return Verification(len(verdicts), flows, tuple(differences), missing, beyond)


def _ledger(verdict: DecodedVerdict) -> LedgerValues:
    return {each.fact: each.value for each in verdict.facts}


def _expected(verdict: DecodedVerdict, candidate: CompiledPolicy) -> str:
    """What the candidate decides about an event, in one line."""
    ledger = _ledger(verdict)
    decision = decide_under(verdict.data, candidate, ledger)
    unknown = [fact for fact in relevant_facts(verdict.data, candidate) if fact not in ledger]
    if unknown and _depends(verdict, candidate, ledger, unknown):
        return f"not known without {', '.join(unknown)}"
    return _line(_decided(decision.categories))


def _depends(
    verdict: DecodedVerdict, candidate: CompiledPolicy, ledger: LedgerValues, unknown: list[str]
) -> bool:
    """Whether the decision is another one if the unknown facts hold, all or one of them."""
    guesses = [dict.fromkeys(unknown, True), dict.fromkeys(unknown, False)]
    guesses += [{fact: True} for fact in unknown]
    guesses.append({})
    found = {
        frozenset((each.data_category, each.outcome, each.kind) for each in decided.categories)
        for guess in guesses
        for decided in [decide_under(verdict.data, candidate, {**ledger, **guess})]
    }
    return len(found) > 1


def _said(effect: Mapping[str, Any]) -> str:
    """What the answer says of a flow, in one line."""
    if effect["after"] is None:
        return f"not known without {', '.join(effect['missing_facts'])}"
    return _line(_answered(effect["after"]))


def _decided(categories: Iterable[CategoryDecision]) -> _Decided:
    return frozenset(
        (
            each.data_category,
            str(each.outcome),
            None if each.kind is None else str(each.kind),
            each.statement,
        )
        for each in categories
    )


def _answered(decided: Mapping[str, Any]) -> _Decided:
    return frozenset(
        (each["data_category"], each["outcome"], each["kind"], each["statement"])
        for each in decided["categories"]
    )


def _line(decided: _Decided) -> str:
    return "; ".join(
        f"{category}: {kind or outcome} ({statement or 'no statement'})"
        for category, outcome, kind, statement in sorted(decided, key=lambda each: each[0])
    )
