"""An explanation for machines: what the command line and ingest answer with."""

from typing import TypeAlias

from purposewatch_policy.change import EventChange, PolicyChange
from purposewatch_policy.decision import FLOW_FIELDS, Dimension, FailedDimension
from purposewatch_policy.explanation import CategoryExplanation, Explanation
from purposewatch_policy.languages import LANGUAGES
from purposewatch_policy.remedy import EventRemedy, Remedies
from purposewatch_policy.vocabulary import Vocabulary

JsonValue: TypeAlias = "bool | int | str | list[JsonValue] | dict[str, JsonValue] | None"


def explanation_as_json(explanation: Explanation) -> dict[str, JsonValue]:
    """Return the decision, and for each data category the reasons and the smallest change.

    `field` is a JSON pointer into the event whose `data` is the flow; null if no change of the
    event itself helps, since others state the fact.
    """
    decision = explanation.decision
    return {
        "outcome": decision.outcome,
        "kind": decision.kind,
        "policy_version": decision.policy_version,
        "policy_digest": decision.policy_digest,
        "categories": [_category(each, explanation) for each in explanation.categories],
        "leave_out": list(explanation.leave_out),
    }


def pointer_to(dimension: Dimension) -> str:
    """Return the JSON pointer to what an event states in a dimension."""
    return f"/data/{FLOW_FIELDS[dimension]}"


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
        "failed": [_failed(each) for each in decided.failed],
        "smallest_change": _remedies(category.remedies, explanation),
    }


def _failed(failed: FailedDimension) -> JsonValue:
    return {
        "dimension": failed.dimension,
        "field": pointer_to(failed.dimension),
        "expected": list(failed.expected),
        "actual": failed.actual,
    }


def _remedies(remedies: Remedies | None, explanation: Explanation) -> JsonValue:
    vocabulary, language = explanation.vocabulary, explanation.language
    if remedies is None or vocabulary is None:
        return None
    event, obstacle, policy = remedies.event, remedies.obstacle, remedies.policy
    return {
        "event": None if event is None else _event(event, language, vocabulary),
        "prohibition_in_the_way": None if obstacle is None else obstacle.id,
        "policy": None
        if policy is None
        else [_policy_change(each, language, vocabulary) for each in policy.changes],
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
        "field": pointer_to(change.dimension),
        "value": change.value,
        "before": change.before,
    }
    if change.holds is not None:
        value["holds"] = change.holds
        stated_by = vocabulary.stated_by(str(change.value), language)
        if stated_by is not None:  # no event is to claim it
            value |= {"field": None, "stated_by": stated_by}
    return value | {"text": LANGUAGES[language].event_change(change, vocabulary)}


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
