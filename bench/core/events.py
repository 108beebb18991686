"""Generates random flows like those of platform services, permitted ones and violations.

Every flow starts from a statement of the policy or from one of the policy's own cases. Some are
then altered in a term or two, as a service is when it does more than was declared. Terms are
always in the vocabulary, as ingest ensures before an event is decided.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from purposewatch_contract.codec import Flow as DecodedTerms
from purposewatch_policy import Effect, Flow, Outcome, PolicySet, Statement, decide
from purposewatch_policy.cases import Case
from purposewatch_policy.vocabulary import Taxonomy, Vocabulary

_SHARES = {1: 0.4, 2: 0.3, 3: 0.2, 4: 0.1}
"""How many flows name how many data categories."""
_ALTERABLE = ("purpose", "recipient", "data_categories", "operation", "role", "legal_basis")


@dataclass(frozen=True)
class Sample:
    """Flows of one controller at one moment, by what the core decides about them."""

    at: datetime
    permitted: tuple[DecodedTerms, ...]
    violating: tuple[DecodedTerms, ...]

    @property
    def mixed(self) -> tuple[DecodedTerms, ...]:
        """All of them, permitted and violating by turns."""
        pairs = zip(self.permitted, self.violating, strict=True)
        return tuple(flow for pair in pairs for flow in pair)


def draw_sample(
    rng: Random, policies: PolicySet, controller: str, cases: Sequence[Case], *, each: int
) -> Sample:
    """Draw as many permitted flows as violating ones, all of them different.

    In both, as many name one data category, two, and so on, whatever the policy.
    """
    compiled = policies.versions(controller)[-1]
    vocabulary = policies.vocabularies[controller]
    at = compiled.begins
    statements = [each for each in compiled.statements if each.effect is Effect.PERMIT]
    written = iter(cases)
    wanted = {
        (outcome, categories): round(each * share)
        for outcome in (Outcome.PERMITTED, Outcome.VIOLATION)
        for categories, share in _SHARES.items()
    }
    found: dict[tuple[Outcome, int], dict[str, Flow]] = {group: {} for group in wanted}
    for _ in range(1000 * each):
        case = next(written, None)
        flow = case.flow if case else _any(rng, controller, rng.choice(statements), vocabulary)
        group = (decide(flow, at, policies).outcome, len(flow.data_categories))
        if group in wanted and len(found[group]) < wanted[group]:
            found[group].setdefault(flow.model_dump_json(), flow)
            if all(len(found[group]) == wanted[group] for group in wanted):
                return Sample(
                    at,
                    _shuffled(rng, found, Outcome.PERMITTED),
                    _shuffled(rng, found, Outcome.VIOLATION),
                )
    message = f"`{controller}` has too few different flows; ask for fewer than {each} of each"
    raise ValueError(message)


def _shuffled(
    rng: Random, found: Mapping[tuple[Outcome, int], Mapping[str, Flow]], outcome: Outcome
) -> tuple[DecodedTerms, ...]:
    flows = [
        flow for (group, _), drawn in found.items() if group is outcome for flow in drawn.values()
    ]
    return tuple(_decoded(flow) for flow in rng.sample(flows, len(flows)))


def _decoded(flow: Flow) -> DecodedTerms:
    """Return a flow as the auditor decodes it."""
    return DecodedTerms(**{name: getattr(flow, name) for name in DecodedTerms.__struct_fields__})


def _any(rng: Random, controller: str, statement: Statement, vocabulary: Vocabulary) -> Flow:
    flow = _near(rng, controller, statement, vocabulary)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        flow = _altered(rng, flow, vocabulary)
    return flow


def _near(rng: Random, controller: str, statement: Statement, vocabulary: Vocabulary) -> Flow:
    """Draw a flow that the statement covers, facts aside."""
    categories = {
        _below(rng, vocabulary.data_categories, statement.data_categories)
        for _ in range(rng.choice(list(_SHARES)))
    }
    holds = dict.fromkeys(statement.when, True) | dict.fromkeys(statement.unless, False)
    limit = statement.retention_days
    return Flow(
        controller=controller,
        role=_below(rng, vocabulary.roles, statement.roles),
        operation=_below(rng, vocabulary.operations, statement.operations),
        purpose=_below(rng, vocabulary.purposes, statement.purposes),
        recipient=_below(rng, vocabulary.recipients, statement.recipients),
        data_categories=tuple(sorted(categories)),
        source=_stated(rng, vocabulary.sources, statement.sources),
        location=_stated(rng, vocabulary.locations, statement.locations),
        retention_days=rng.randint(1, limit) if limit else rng.choice((None, None, 30, 365)),
        legal_basis=_stated(rng, vocabulary.legal_bases, statement.legal_bases),
        facts={fact: state for fact, state in holds.items() if state or rng.random() < 0.5},
    )


def _altered(rng: Random, flow: Flow, vocabulary: Vocabulary) -> Flow:
    """Replace one term by any other; sometimes deny the facts that the flow relies on."""
    if flow.facts and rng.random() < 0.2:
        return flow.model_copy(update={"facts": dict.fromkeys(flow.facts, False)})
    name = rng.choice(_ALTERABLE)
    taxonomies = vocabulary.taxonomies()
    if name == "data_categories":
        term = rng.choice(list(taxonomies[name]))
        others = [each for each in flow.data_categories if each != term]
        return flow.model_copy(update={name: (*others[: max(_SHARES) - 1], term)})
    plural = {"legal_basis": "legal_bases"}.get(name, f"{name}s")
    return flow.model_copy(update={name: rng.choice(list(taxonomies[plural]))})


def _below(rng: Random, taxonomy: Taxonomy, named: Sequence[str] | None) -> str:
    """Draw a term that one of the named terms covers; any term where none is named."""
    if not named:
        return rng.choice(list(taxonomy))
    above = rng.choice(named)
    return rng.choice([term for term in taxonomy if taxonomy.covers(above, term)])


def _stated(rng: Random, taxonomy: Taxonomy, named: Sequence[str] | None) -> str | None:
    """Draw a term where the statement restricts the dimension; otherwise it is mostly left out."""
    if named or rng.random() < 0.2:
        return _below(rng, taxonomy, named)
    return None
