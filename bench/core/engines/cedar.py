"""Cedar in process: the Rust authorizer, as `cedarpy` binds it."""

import json
from collections.abc import Iterable, Sequence
from typing import cast

import cedarpy

from bench.core.engines.engine import NO_LIMIT, UNSTATED
from purposewatch_policy import Effect, PolicySet, Statement
from purposewatch_policy.vocabulary import FlowTerms, Taxonomy, Vocabulary

_TYPES = {
    "roles": "Role",
    "data_categories": "Category",
    "operations": "Action",
    "purposes": "Purpose",
    "recipients": "Recipient",
    "sources": "Source",
    "locations": "Location",
}


class Cedar:
    """Holds the vocabulary as entities and each statement as a policy, both parsed beforehand.

    A role acts by an operation on a data category; the rest of the flow is the context.
    """

    name = "Cedar (cedarpy)"
    answers = "yes or no, deciding statements"

    def __init__(self, policies: PolicySet, controller: str) -> None:
        compiled = policies.versions(controller)[-1]
        text = "\n".join(_policy(each) for each in compiled.statements)
        self._policies = cedarpy.PolicySet.from_str(text)
        entities = json.dumps(list(_entities(compiled.vocabulary)))
        self._entities = cedarpy.Entities.from_json_str(entities)

    def prepare(self, flow: FlowTerms) -> object:
        """One request for each category."""
        kept = flow.retention_days
        context = {
            "purpose": _reference("Purpose", flow.purpose),
            "recipient": _reference("Recipient", flow.recipient),
            "source": _reference("Source", flow.source or UNSTATED),
            "location": _reference("Location", flow.location or UNSTATED),
            "retention_days": NO_LIMIT if kept is None else kept,
            "legal_basis": flow.legal_basis or UNSTATED,
            "facts": sorted(fact for fact, holds in flow.facts.items() if holds),
        }
        return [
            {
                "principal": f"Role::{json.dumps(flow.role)}",
                "action": f"Action::{json.dumps(flow.operation)}",
                "resource": f"Category::{json.dumps(category)}",
                "context": context,
            }
            for category in flow.data_categories
        ]

    def permits(self, prepared: object) -> bool:
        """Authorize every category's request in one call."""
        requests = cast("list[dict[str, object]]", prepared)
        results = cedarpy.is_authorized_batch(requests, self._policies, self._entities)
        return all(result.allowed for result in results)


def _policy(statement: Statement) -> str:
    permits = statement.effect is Effect.PERMIT
    tests = [
        *_within("principal", "Role", statement.roles),
        *_within("resource", "Category", statement.data_categories),
        *_within("context.purpose", "Purpose", statement.purposes),
        *_within("context.recipient", "Recipient", statement.recipients),
        *_within("context.source", "Source", statement.sources),
        *_within("context.location", "Location", statement.locations),
    ]
    if statement.legal_bases is not None:
        bases = json.dumps([UNSTATED, *statement.legal_bases])
        tests.append(f"{bases}.contains(context.legal_basis)")
    if statement.retention_days is not None:
        tests.append(f"context.retention_days <= {statement.retention_days}")
    tests += [f"context.facts.contains({json.dumps(fact)})" for fact in statement.when]
    tests += [f"!context.facts.contains({json.dumps(fact)})" for fact in statement.unless]
    actions = ", ".join(f"Action::{json.dumps(each)}" for each in statement.operations)
    return (
        f"@id({json.dumps(statement.id)})\n"
        f"{'permit' if permits else 'forbid'} (principal, action in [{actions}], resource)\n"
        f"when {{ {' && '.join(tests)} }};"
    )


def _within(variable: str, entity_type: str, named: Sequence[str] | None) -> list[str]:
    if named is None:
        return []
    return [f"{variable} in [{', '.join(f'{entity_type}::{json.dumps(each)}' for each in named)}]"]


def _entities(vocabulary: Vocabulary) -> Iterable[dict[str, object]]:
    for name, taxonomy in vocabulary.taxonomies().items():
        if name in _TYPES:
            yield from _entities_of(_TYPES[name], taxonomy)


def _entities_of(entity_type: str, taxonomy: Taxonomy) -> Iterable[dict[str, object]]:
    for term, entry in taxonomy.items():
        parents = [{"type": entity_type, "id": entry.parent}] if entry.parent else []
        yield {"uid": {"type": entity_type, "id": term}, "attrs": {}, "parents": parents}


def _reference(entity_type: str, term: str) -> dict[str, object]:
    return {"__entity": {"type": entity_type, "id": term}}
