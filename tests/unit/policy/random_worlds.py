"""Draws small vocabularies, policies and flows in which every rule of the decision matters."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

from purposewatch_policy.decision import Dimension
from purposewatch_policy.model import Effect, Policy, Statement
from purposewatch_policy.vocabulary import Authority, Taxonomy, TermEntry, Vocabulary

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)

ANYTHING = Statement("s", "section.s", Effect.PERMIT, data_categories=(), operations=())

SPANS = ((None, None), (None, None), (None, None), (None, 1), (None, 3), (2, None), (1, 3), (3, 3))
"""The least and the most days of statements."""

TERMS = [each for each in Dimension if each not in (Dimension.RETENTION, Dimension.FACTS)]

_T = TypeVar("_T")


@dataclass(frozen=True)
class PlainFlow:
    """A flow without validation, so that it may state anything."""

    controller: str
    role: str
    operation: str
    purpose: str
    recipient: str
    data_categories: tuple[str, ...]
    source: str | None = None
    location: str | None = None
    retention_days: int | None = None
    legal_basis: str | None = None
    facts: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """One controller's vocabulary and the versions of its policy."""

    vocabulary: Vocabulary
    policies: list[Policy]

    def flow(self, rng: Random) -> tuple[PlainFlow, datetime]:
        """Draw a flow, mostly one close to some statement, and its time."""
        vocabulary = self.vocabulary
        statements = [each for policy in self.policies for each in policy.statements]
        near = rng.choice(statements or [ANYTHING])
        flow = PlainFlow(
            controller="acme",
            role=_below(rng, vocabulary.roles, near.roles),
            operation=_below(rng, vocabulary.operations, near.operations),
            purpose=_below(rng, vocabulary.purposes, near.purposes),
            recipient=_below(rng, vocabulary.recipients, near.recipients),
            data_categories=tuple(
                dict.fromkeys(
                    _below(rng, vocabulary.data_categories, near.data_categories)
                    for _ in range(rng.randint(1, 3))
                )
            ),
            source=_maybe(rng, _below(rng, vocabulary.sources, near.sources)),
            location=_maybe(rng, _below(rng, vocabulary.locations, near.locations)),
            retention_days=rng.choice([None, 0, 1, 2, 3, 4]),
            legal_basis=_maybe(rng, _below(rng, vocabulary.legal_bases, near.legal_bases)),
            facts={fact: rng.random() < 0.6 for fact in vocabulary.facts if rng.random() < 0.6},
        )
        for _ in range(rng.choice([0, 0, 1, 2])):
            flow = _altered(rng, flow, vocabulary)
        if rng.random() < 0.2:
            return flow, EPOCH + timedelta(days=rng.randint(-2, 14))
        return flow, rng.choice(self.policies).in_force_from


def draw_ledger(rng: Random, world: World) -> dict[str, bool | None] | None:
    """Draw what a ledger says about the facts; `None` for no ledger."""
    if rng.random() < 0.3:
        return None
    return {fact: rng.choice([True, False, None]) for fact in world.vocabulary.facts}


def draw_world(rng: Random) -> World:
    """Draw a vocabulary and one to three versions of a policy that never overlap."""
    vocabulary = Vocabulary(
        roles=_taxonomy(rng, "role", 3),
        data_categories=_taxonomy(rng, "data category", 5),
        operations=_taxonomy(rng, "operation", 3),
        purposes=_taxonomy(rng, "purpose", 5),
        recipients=_taxonomy(rng, "recipient", 5, root="first_party"),
        sources=_taxonomy(rng, "source", 2),
        locations=_taxonomy(rng, "location", 3),
        legal_bases=_taxonomy(rng, "legal basis", 2),
        facts=Taxonomy(
            "fact",
            {
                fact: TermEntry(fact, authority=rng.choice(list(Authority)))
                for fact in ("fact.a", "fact.b")
            },
        ),
    )
    days = sorted(rng.sample(range(12), 2 * rng.randint(1, 3)))
    policies = [
        Policy(
            controller="acme",
            version=f"v{begins}",
            in_force_from=EPOCH + timedelta(days=begins),
            in_force_until=None
            if until == days[-1] and rng.random() < 0.5
            else EPOCH + timedelta(days=until),
            statements=tuple(
                _statement(rng, vocabulary, f"s{number}") for number in range(rng.randint(0, 7))
            ),
        )
        for begins, until in zip(days[::2], days[1::2], strict=True)
    ]
    return World(vocabulary, policies)


def _taxonomy(rng: Random, noun: str, size: int, root: str = "t0") -> Taxonomy:
    terms = [root, *(f"t{number}" for number in range(1, size))]
    return Taxonomy(
        noun,
        {
            term: TermEntry(term, rng.choice([None, *terms[:number]]) if number else None)
            for number, term in enumerate(terms)
        },
    )


def _statement(rng: Random, vocabulary: Vocabulary, name: str) -> Statement:
    permits = rng.random() < 0.75
    shortest, longest = rng.choice(SPANS)
    conditions = {fact: rng.choice(["when", "unless", "", ""]) for fact in vocabulary.facts}
    statement = Statement(
        id=name,
        clause=f"section.{name}",
        effect=Effect.PERMIT if permits else Effect.PROHIBIT,
        roles=_some_or_none(rng, vocabulary.roles),
        data_categories=_some(rng, vocabulary.data_categories),
        operations=_some(rng, vocabulary.operations),
        purposes=_some(rng, vocabulary.purposes)
        if permits
        else _some_or_none(rng, vocabulary.purposes),
        recipients=_some(rng, vocabulary.recipients)
        if permits
        else _some_or_none(rng, vocabulary.recipients),
        legal_bases=_some_or_none(rng, vocabulary.legal_bases) if permits else None,
        sources=_some_or_none(rng, vocabulary.sources),
        locations=_some_or_none(rng, vocabulary.locations),
        retention_days=longest,
        retention_at_least=shortest,
        when=tuple(fact for fact, condition in conditions.items() if condition == "when"),
        unless=tuple(fact for fact, condition in conditions.items() if condition == "unless"),
    )
    return replace(statement, exceptions=_exceptions(rng, statement, vocabulary))


def _exceptions(
    rng: Random, statement: Statement, vocabulary: Vocabulary
) -> dict[Dimension, tuple[str, ...]]:
    """Draw terms below those that a statement names, or any where it names none."""
    exceptions: dict[Dimension, tuple[str, ...]] = {}
    for dimension in TERMS:
        if rng.random() < 0.88 or (
            dimension is Dimension.LEGAL_BASIS and statement.effect is Effect.PROHIBIT
        ):
            continue
        taxonomy = vocabulary.taxonomy(dimension)
        named = statement.terms(dimension)
        below = [
            term
            for term in taxonomy
            if named is None
            or (
                any(taxonomy.covers(each, term) for each in named)
                and not any(taxonomy.covers(term, each) for each in named)
            )
        ]
        if below:
            exceptions[dimension] = tuple(rng.sample(below, rng.randint(1, min(2, len(below)))))
    return exceptions


def _some(rng: Random, taxonomy: Taxonomy) -> tuple[str, ...]:
    return tuple(rng.sample(list(taxonomy), rng.randint(1, min(2, len(taxonomy)))))


def _some_or_none(rng: Random, taxonomy: Taxonomy) -> tuple[str, ...] | None:
    return _some(rng, taxonomy) if rng.random() < 0.4 else None


def _below(rng: Random, taxonomy: Taxonomy, named: Sequence[str] | None) -> str:
    """Draw a term that one of the named terms covers; any term where none is named."""
    terms = [
        term for term in taxonomy if not named or any(taxonomy.covers(each, term) for each in named)
    ]
    return rng.choice(terms)


def _maybe(rng: Random, value: _T) -> _T | None:
    return value if rng.random() < 0.7 else None


def _altered(rng: Random, flow: PlainFlow, vocabulary: Vocabulary) -> PlainFlow:
    """Replace one field by any term, sometimes by one outside the vocabulary."""
    name, taxonomy = rng.choice(
        [
            ("role", vocabulary.roles),
            ("operation", vocabulary.operations),
            ("purpose", vocabulary.purposes),
            ("recipient", vocabulary.recipients),
            ("data_categories", vocabulary.data_categories),
            ("source", vocabulary.sources),
            ("location", vocabulary.locations),
            ("legal_basis", vocabulary.legal_bases),
            ("facts", vocabulary.facts),
            ("controller", Taxonomy.of("controller", "acme")),
        ]
    )
    term = "nowhere" if rng.random() < 0.1 else rng.choice(list(taxonomy))
    changes: dict[str, object] = {name: term}
    if name == "data_categories":
        changes = {name: tuple(dict.fromkeys((*flow.data_categories, term)))}
    elif name == "facts":
        changes = {name: {**flow.facts, term: rng.random() < 0.5}}
    return replace(flow, **changes)  # type: ignore[arg-type]  # the names are those of its fields
