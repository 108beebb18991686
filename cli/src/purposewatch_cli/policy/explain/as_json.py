"""An explanation for machines."""

from typing import TypeAlias

from purposewatch_policy import (
    CategoryExplanation,
    Comparison,
    EventChange,
    EventRemedy,
    Explanation,
    Named,
    PolicyChange,
    PolicyRemedy,
    Remedies,
)
from purposewatch_policy.languages import LANGUAGES
from purposewatch_policy.vocabulary import Vocabulary

JsonValue: TypeAlias = "bool | int | str | list[JsonValue] | dict[str, JsonValue] | None"


def as_json(explanation: Explanation) -> dict[str, JsonValue]:
    """Return everything that the report says, and the values that it was put together from."""
    decision = explanation.decision
    return {
        "flow": explanation.flow.model_dump(mode="json", exclude_defaults=True),
        "at": explanation.at.isoformat(),
        "language": explanation.language,
        "outcome": decision.outcome,
        "kind": decision.kind,
        "policy_version": decision.policy_version,
        "policy_digest": decision.policy_digest,
        "categories": [_category(each, explanation) for each in explanation.categories],
        "leave_out": list(explanation.leave_out),
        "hints": [
            {"field": each.field, "term": each.term, "did_you_mean": each.meant}
            for each in explanation.hints
        ],
    }


def _category(category: CategoryExplanation, explanation: Explanation) -> JsonValue:
    decided = category.decided
    return {
        "data_category": decided.data_category,
        "label": category.label,
        "outcome": decided.outcome,
        "kind": decided.kind,
        "grade": decided.grade,
        "distance": decided.distance,
        "statement": decided.statement,
        "clause": decided.clause,
        "section": category.section,
        "sentence": category.sentence,
        "dimensions": [_comparison(each) for each in category.comparisons],
        "smallest_change": _remedies(category.remedies, explanation),
    }


def _comparison(comparison: Comparison) -> JsonValue:
    expected = comparison.expected
    return {
        "dimension": comparison.dimension,
        "covered": comparison.covered,
        "expected": None if expected is None else [_named(each) for each in expected],
        "actual": [_named(each) for each in comparison.actual],
    }


def _named(named: Named) -> JsonValue:
    value: dict[str, JsonValue] = {"term": named.term, "label": named.label}
    if named.holds is not None:
        value["holds"] = named.holds
    if named.defined_term is not None:
        value["defined_term"] = named.defined_term
    if named.excepted:
        value["excepted"] = True
    return value


def _remedies(remedies: Remedies | None, explanation: Explanation) -> JsonValue:
    vocabulary = explanation.vocabulary
    if remedies is None or vocabulary is None:
        return None
    language = explanation.language
    event = remedies.event
    obstacle = remedies.obstacle
    policy = remedies.policy
    return {
        "event": None if event is None else _event(event, language, vocabulary),
        "prohibition_in_the_way": None if obstacle is None else obstacle.id,
        "policy": None if policy is None else _policy(policy, language, vocabulary),
    }


def _event(remedy: EventRemedy, language: str, vocabulary: Vocabulary) -> JsonValue:
    return {
        "permitted_by": remedy.statement.id,
        "clause": remedy.statement.clause,
        "changes": [_event_change(each, language, vocabulary) for each in remedy.changes],
    }


def _event_change(change: EventChange, language: str, vocabulary: Vocabulary) -> JsonValue:
    value: dict[str, JsonValue] = {
        "dimension": change.dimension,
        "value": change.value,
        "before": change.before,
    }
    if change.holds is not None:
        value["holds"] = change.holds
    return value | {"text": LANGUAGES[language].event_change(change, vocabulary)}


def _policy(remedy: PolicyRemedy, language: str, vocabulary: Vocabulary) -> JsonValue:
    return [_policy_change(each, language, vocabulary) for each in remedy.changes]


def _policy_change(change: PolicyChange, language: str, vocabulary: Vocabulary) -> JsonValue:
    return {
        "action": change.action,
        "statement": change.statement,
        "clause": change.clause,
        "dimension": change.dimension,
        "terms": list(change.terms),
        "days": change.days,
        "text": LANGUAGES[language].policy_change(change, vocabulary),
    }
