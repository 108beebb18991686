"""No vagueness slips past a prohibition: what is permitted is permitted in every part."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decide import decide, decide_under
from purposewatch_policy.decision import CategoryDecision, Dimension, Grade, Kind, Outcome
from purposewatch_policy.model import Effect, Statement
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.vocabulary import Taxonomy, Vocabulary, find_unknown_terms
from tests.unit.policy.library import NOW, VOCABULARY, flow, policy
from tests.unit.policy.random_worlds import PlainFlow, draw_world

PERMIT = Statement(
    id="all.contact",
    clause="all.1",
    effect=Effect.PERMIT,
    data_categories=("user.contact",),
    operations=("use", "share"),
    purposes=("service",),
    recipients=("first_party", "third_party"),
)
MAX_REFINEMENTS = 3_000
SAMPLED_WORLDS = 150
FLOWS_PER_WORLD = 6


def decide_with(prohibition: Statement, **changes: object) -> CategoryDecision:
    policies = PolicySet({"library": VOCABULARY}, [policy(PERMIT, prohibition)])
    return decide(flow(**changes), NOW, policies).categories[0]


def prohibition(**changes: object) -> Statement:
    fields: dict[str, object] = {
        "id": "not.this",
        "clause": "not.1",
        "effect": Effect.PROHIBIT,
        "data_categories": ("user.contact",),
        "operations": ("use", "share"),
    }
    return Statement(**{**fields, **changes})  # type: ignore[arg-type]  # its own fields


@pytest.mark.parametrize(
    ("prohibited", "general", "elsewhere", "dimension"),
    [
        ({"data_categories": ("user.contact.email",)}, {}, {}, Dimension.DATA_CATEGORY),
        ({"purposes": ("service.loans",)}, {}, {}, Dimension.PURPOSE),
        (
            {"recipients": ("third_party.courier",)},
            {"operation": "share", "recipient": "third_party"},
            {"recipient": "first_party.desk"},
            Dimension.RECIPIENT,
        ),
        (
            {"operations": ("share.sell",)},
            {"operation": "share", "recipient": "third_party"},
            {},
            Dimension.OPERATION,
        ),
        ({"sources": ("school",)}, {"source": None}, {"source": "data_subject"}, Dimension.SOURCE),
        ({"locations": ("us",)}, {}, {"location": "eu"}, Dimension.LOCATION),
        ({"retention_days": 30}, {}, {"retention_days": 31}, Dimension.RETENTION),
    ],
)
def test_general_flow_is_prohibited_in_part(
    prohibited: dict[str, object],
    general: dict[str, object],
    elsewhere: dict[str, object],
    dimension: Dimension,
) -> None:
    """What is prohibited below a term of the event, or left out by it, is prohibited in part."""
    decided = decide_with(prohibition(**prohibited), **general)
    assert (decided.kind, decided.grade, decided.statement, decided.clause) == (
        Kind.PROHIBITED_IN_PART,
        Grade.AMBIGUOUS,
        "not.this",
        "not.1",
    )
    assert [dimension] == [each.dimension for each in decided.failed]
    if elsewhere:
        assert decide_with(prohibition(**prohibited), **elsewhere).outcome is Outcome.PERMITTED


def test_part_is_named_without_the_other_terms() -> None:
    """Of what the prohibition names, only what lies below the event's term is shown."""
    named = prohibition(data_categories=("user.loans", "user.contact.email"))
    (failed,) = decide_with(named).failed
    assert (failed.expected, failed.actual) == (("user.contact.email",), "user.contact")


def test_fact_that_is_not_stated_does_not_hold() -> None:
    """A prohibition under a condition covers no part of an event that does not state it."""
    only_then = prohibition(when=("consent.marketing",))
    assert decide_with(only_then).outcome is Outcome.PERMITTED
    unless = prohibition(data_categories=("user.contact.email",), unless=("consent.marketing",))
    assert decide_with(unless).kind is Kind.PROHIBITED_IN_PART


def test_prohibition_for_a_narrower_role_counts() -> None:
    """Roles have a hierarchy as well: the event's role may be too general."""
    vocabulary = replace(VOCABULARY, roles=Taxonomy.of("role", "reader", "reader.minor"))
    minors = prohibition(roles=("reader.minor",))
    policies = PolicySet({"library": vocabulary}, [policy(PERMIT, minors)])
    (decided,) = decide(flow(), NOW, policies).categories
    assert Kind.PROHIBITED_IN_PART is decided.kind
    assert [each.dimension for each in decided.failed] == [Dimension.ROLE]


def test_whole_prohibition_comes_first() -> None:
    """Where one prohibition covers the flow and another a part of it, the flow is prohibited."""
    part = prohibition(id="not.part", data_categories=("user.contact.email",))
    policies = PolicySet({"library": VOCABULARY}, [policy(PERMIT, part, prohibition())])
    (decided,) = decide(flow(), NOW, policies).categories
    assert (decided.kind, decided.statement, decided.failed) == (Kind.PROHIBITED, "not.this", ())


# --- For any policy -------------------------------------------------------------------------------


def refinements(general: PlainFlow, vocabulary: Vocabulary) -> Iterator[PlainFlow]:
    """Yield every flow that states the same or something more precise, itself included."""

    def below(taxonomy: Taxonomy, stated: str | None) -> list[str | None]:
        terms = [each for each in taxonomy if stated is None or taxonomy.covers(stated, each)]
        return [stated, *(each for each in terms if each != stated)]

    days = general.retention_days
    for role, operation, purpose, recipient, category, source, location, basis, kept in product(
        below(vocabulary.roles, general.role),
        below(vocabulary.operations, general.operation),
        below(vocabulary.purposes, general.purpose),
        below(vocabulary.recipients, general.recipient),
        below(vocabulary.data_categories, general.data_categories[0]),
        below(vocabulary.sources, general.source),
        below(vocabulary.locations, general.location),
        below(vocabulary.legal_bases, general.legal_basis),
        [None, 0, 1, 2, 3, 4] if days is None else [days],
    ):
        yield PlainFlow(
            general.controller,
            str(role),
            str(operation),
            str(purpose),
            str(recipient),
            (str(category),),
            source,
            location,
            kept,
            basis,
            general.facts,
        )


def check(rng: Random, flows: int) -> Counter[str]:
    """Hold the decision about a flow against the decisions about its refinements."""
    world = draw_world(rng)
    seen: Counter[str] = Counter()
    for _ in range(flows):
        drawn, _at = world.flow(rng)
        if find_unknown_terms(world.vocabulary, drawn):
            continue
        compiled = CompiledPolicy(rng.choice(world.policies), world.vocabulary)
        alone = replace(drawn, data_categories=drawn.data_categories[:1])
        seen[str(check_one(alone, compiled))] += 1
    return seen


def check_one(general: PlainFlow, compiled: CompiledPolicy) -> Kind | Outcome:
    (decided,) = decide_under(general, compiled).categories
    parts = [
        (part.legal_basis, decide_under(part, compiled).categories[0])
        for part in islice(refinements(general, compiled.vocabulary), MAX_REFINEMENTS)
    ]
    prohibited = [part for _, part in parts if part.kind is Kind.PROHIBITED]
    if decided.outcome is Outcome.PERMITTED:
        assert not prohibited
        # what a permit covers, it covers in every part; only a legal basis has to agree
        for basis, part in parts:
            assert basis != general.legal_basis or part.outcome is Outcome.PERMITTED
    elif decided.kind is Kind.PROHIBITED_IN_PART:
        assert prohibited or len(parts) == MAX_REFINEMENTS
    elif decided.kind is not Kind.PROHIBITED:
        assert not prohibited
    return decided.kind or decided.outcome


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_no_refinement_of_a_permitted_flow_is_prohibited(rng: Random) -> None:
    """Whatever is drawn: a flow has a prohibited refinement exactly when its kind says so."""
    check(rng, flows=1)


def test_no_refinement_of_a_permitted_flow_is_prohibited_in_many_worlds() -> None:
    """The same holds on a wide sample with permitted and partly prohibited flows."""
    rng = Random(5)  # noqa: S311  # a reproducible sample, not a secret
    seen: Counter[str] = Counter()
    for _ in range(SAMPLED_WORLDS):
        seen += check(rng, FLOWS_PER_WORLD)
    assert seen[Outcome.PERMITTED] > 20
    assert seen[Kind.PROHIBITED_IN_PART] > 20
