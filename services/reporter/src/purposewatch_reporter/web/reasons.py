"""Why each data category of a verdict was decided as it was, and what would change it.

The decision shown is the recorded one. The comparison and the advice come from the engine's
explanation of the same event, so the page says what `purposewatch policy explain` says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from purposewatch_policy import (
    CategoryDecision,
    CategoryExplanation,
    Comparison,
    Explanation,
    Flow,
    Named,
    Outcome,
    explain,
)
from purposewatch_reporter.web.declared import DeclaredPolicies
from purposewatch_reporter.web.fact_history import ledger_of

SHOWN_TERMS = 12
"""More expected terms than these are counted, not listed."""

_DECISION = TypeAdapter(CategoryDecision)


@dataclass(frozen=True, slots=True)
class Reason:
    """One data category: its recorded decision beside the explanation by the current policies."""

    recorded: CategoryDecision
    explained: CategoryExplanation
    comparisons: tuple[Comparison, ...]
    is_current: bool
    """Whether the current policies decide this category as it was recorded."""

    @property
    def kind(self) -> str:
        """The kind of violation; `unknown` for what could not be judged."""
        return str(self.recorded.kind or "unknown")

    @property
    def sentence(self) -> str:
        """The reason in the reader's language, or the recorded English when it has changed."""
        return self.explained.sentence if self.is_current else self.recorded.sentence


def explain_verdict(
    verdict: Mapping[str, Any], declared: DeclaredPolicies, language: str
) -> Explanation:
    """Explain a verdict's event by the policies as they are now, and the facts as they were."""
    data = verdict["data"]
    flow = Flow.model_validate({name: data[name] for name in Flow.model_fields if name in data})
    at = datetime.fromisoformat(verdict["event_time"])
    return explain(flow, at, declared.current, language, ledger_of(verdict))


def reasons_of(
    verdict: Mapping[str, Any], explanation: Explanation, declared: DeclaredPolicies
) -> list[Reason]:
    """Set the recorded decisions beside the explanation, those that are not permitted first."""
    explained = {each.decided.data_category: each for each in explanation.categories}
    reasons = []
    for item in verdict["categories"]:
        recorded = _DECISION.validate_python(item)
        found = explained[recorded.data_category]
        is_current = _essence(recorded) == _essence(found.decided)
        comparisons = (
            tuple(each for each in found.comparisons if _is_shown(each))
            if is_current
            else _recorded_comparisons(recorded, explanation, declared)
        )
        reasons.append(Reason(recorded, found, comparisons, is_current))
    return sorted(reasons, key=lambda reason: reason.recorded.outcome is Outcome.PERMITTED)


def _essence(decided: CategoryDecision) -> tuple[object, ...]:
    return decided.outcome, decided.kind, decided.grade, decided.statement, decided.failed


def _is_shown(comparison: Comparison) -> bool:
    """Leave out what the statement does not restrict or the event does not state."""
    return not comparison.covered or bool(comparison.expected and comparison.actual)


def _recorded_comparisons(
    recorded: CategoryDecision, explanation: Explanation, declared: DeclaredPolicies
) -> tuple[Comparison, ...]:
    """Return what the verdict itself says that the nearest statement lacked."""
    controller, language = explanation.flow.controller, explanation.language

    def named(dimension: str, term: str) -> Named:
        return Named(term, declared.label(controller, dimension, term, language))

    return tuple(
        Comparison(
            dimension=each.dimension,
            expected=tuple(named(each.dimension, term) for term in each.expected),
            actual=() if each.actual is None else (named(each.dimension, each.actual),),
            covered=False,
        )
        for each in recorded.failed
    )
