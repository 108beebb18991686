"""A difference for machines."""

from typing import TypeAlias

from purposewatch_policy import CategoryDecision, CompiledPolicy, Statement
from purposewatch_policy.diff import Change, Closest, PolicyDiff
from purposewatch_policy.flow_space import Branch, Region, TermSet

JsonValue: TypeAlias = "bool | int | str | list[JsonValue] | dict[str, JsonValue] | None"


def as_json(difference: PolicyDiff) -> dict[str, JsonValue]:
    """Return the whole difference as JSON values."""
    return {
        "controller": difference.new.policy.controller,
        "old": _version(difference.old),
        "new": _version(difference.new),
        "difference": bool(difference),
        "rights_shrink": difference.rights_shrink,
        "changes": [_change(each) for each in difference.changes],
        "vocabulary": {
            name: {
                "added": list(words.added),
                "removed": list(words.removed),
                "moved": list(words.moved),
            }
            for name, words in difference.vocabulary.items()
        },
    }


def _version(compiled: CompiledPolicy) -> JsonValue:
    return {
        "version": compiled.policy.version,
        "digest": compiled.digest,
        "in_force_from": compiled.policy.in_force_from.isoformat(),
    }


def _change(change: Change) -> JsonValue:
    return {
        "kind": change.kind.value,
        "rights_shrink": change.rights_shrink,
        "reason": change.reason,
        "statement": _statement(change.statement),
        "prohibition": _statement(change.prohibition) if change.prohibition else None,
        "closest": _closest(change.closest) if change.closest else None,
        "flows": _flows(change.region),
        "example": change.example.model_dump(mode="json", exclude_defaults=True),
        "before": _decision(change.before),
        "after": _decision(change.after),
    }


def _statement(statement: Statement) -> JsonValue:
    return {"id": statement.id, "clause": statement.clause}


def _closest(closest: Closest) -> JsonValue:
    return {
        "id": closest.statement.id,
        "clause": closest.statement.clause,
        "lacks": [each.value for each in closest.lacks],
    }


def _flows(region: Region) -> JsonValue:
    flows: dict[str, JsonValue] = {
        dimension.value: {
            **({} if terms.stated is None else _terms(terms.stated)),
            **({"or_not_stated": True} if terms.unstated else {}),
        }
        for dimension, terms in region.terms.items()
    }
    if region.retention:
        flows["retention_days"] = {
            "spans": [{"first": each.first, "last": each.last} for each in region.retention.spans],
            **({"or_not_stated": True} if region.retention.unstated else {}),
        }
    if region.facts:
        flows["facts"] = dict(region.facts)
    return flows


def _terms(terms: TermSet) -> dict[str, JsonValue]:
    name = "any_but" if terms.complement else "terms"
    return {name: [_branch(each) for each in terms.branches]}


def _branch(branch: Branch) -> JsonValue:
    if branch.alone:
        return {"term": branch.term, "below": False}
    if branch.without:
        return {"term": branch.term, "except": list(branch.without)}
    return branch.term


def _decision(decision: CategoryDecision) -> JsonValue:
    return {
        "outcome": decision.outcome.value,
        "kind": decision.kind and decision.kind.value,
        "statement": decision.statement,
        "clause": decision.clause,
        "failed": [
            {
                "dimension": each.dimension.value,
                "expected": list(each.expected),
                "actual": each.actual,
            }
            for each in decision.failed
        ],
        "sentence": decision.sentence,
    }
