"""The smallest changes make the flow permitted, and no smaller change does."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations, product
from random import Random
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from purposewatch_policy.change import (
    Action,
    ChangedFlow,
    EventChange,
    PolicyChange,
    change_flow,
    change_policy,
)
from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decide import decide, decide_under
from purposewatch_policy.decision import DIMENSION_FIELDS, PROHIBITING, Dimension, Outcome
from purposewatch_policy.model import Effect, Policy, Statement
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.remedy import Remedies, find_remedies
from purposewatch_policy.vocabulary import FlowTerms, Taxonomy, Vocabulary
from tests.unit.policy import reference
from tests.unit.policy.library import (
    NOW,
    POLICIES,
    STATEMENTS,
    VOCABULARY,
    flow,
    policy,
)
from tests.unit.policy.random_worlds import draw_world

Names: TypeAlias = Callable[[Statement, Dimension, str | None, Vocabulary], bool]

LENGTHS = [0, 1, 2, 3, 4, 36_525]
FREE_TERMS = ("purpose", "recipient", "operation", "source", "location", "legal_basis")
SAMPLED_WORLDS = 60
FLOWS_PER_WORLD = 6


def remedies_of(changed: FlowTerms, *statements: Statement) -> Remedies:
    policies = PolicySet({"library": VOCABULARY}, [policy(*statements)])
    compiled = policies.version("library", "2024")
    (decided,) = decide(changed, NOW, policies).categories
    remedies = find_remedies(changed, decided, compiled)
    assert remedies is not None
    return remedies


# --- What it says ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"source": None}, [(Dimension.SOURCE, "data_subject", None, None)]),
        ({"source": "school"}, [(Dimension.SOURCE, "data_subject", "school", None)]),
        ({"purpose": "research"}, [(Dimension.PURPOSE, "service", "research", None)]),
        (
            {
                "purpose": "marketing",
                "data_categories": ("user.contact.email",),
                "facts": {"consent.marketing": False},
            },
            # as near as the consent, but this one is the nearest miss
            [(Dimension.FACTS, "consent.marketing", False, True)],
        ),
        (
            {"operation": "share", "purpose": "service.loans", "recipient": "third_party"},
            [(Dimension.RECIPIENT, "third_party.courier", "third_party", None)],
        ),
        (
            {
                "operation": "store",
                "purpose": "service.loans",
                "data_categories": ("user.loans",),
                "location": "us",
                "retention_days": 31,
            },
            [
                (Dimension.LOCATION, "eu", "us", None),
                (Dimension.RETENTION, 30, 31, None),
            ],
        ),
        (
            {"data_categories": ("user",)},
            [(Dimension.DATA_CATEGORY, "user.contact", "user", None)],
        ),
    ],
)
def test_event_remedy_changes_what_failed(
    changes: dict[str, object], expected: list[tuple[Dimension, str | int, object, bool | None]]
) -> None:
    """What the nearest statement lacks is set to what it names, and nothing else is touched."""
    remedies = remedies_of(flow(**changes), *STATEMENTS)
    assert remedies.event is not None
    actual = [
        (each.dimension, each.value, each.before, each.holds) for each in remedies.event.changes
    ]
    assert expected == actual


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"operation": "share", "purpose": "service.loans", "recipient": "third_party"},
            [("add", "readers.courier", "recipient", ("third_party",), None)],
        ),
        ({"source": None}, [("lift", "readers.contact", "source", (), None)]),
        (
            {
                "operation": "store",
                "purpose": "service.loans",
                "data_categories": ("user.loans",),
                "location": "eu",
                "retention_days": 31,
                "facts": {"loan.returned": True},
            },
            [
                ("raise", "readers.loans", "retention", (), 31),
                ("drop", "readers.loans", "facts", ("loan.returned",), None),
            ],
        ),
    ],
)
def test_policy_remedy_widens_the_nearest_statement(
    changes: dict[str, object],
    expected: list[tuple[str, str, str, tuple[str, ...], int | None]],
) -> None:
    """The statement is widened to cover the event in the dimensions that failed."""
    remedies = remedies_of(flow(**changes), *STATEMENTS)
    assert remedies.policy is not None
    actual = [
        (each.action, each.statement, each.dimension, each.terms, each.days)
        for each in remedies.policy.changes
    ]
    assert expected == actual


def test_prohibition_independent_of_facts_leaves_no_event_remedy() -> None:
    """Where every permitted operation is prohibited for the data, no change of the event helps."""
    everything = replace(STATEMENTS[4], operations=("collect", "use", "store", "share"))
    health = flow(role="visitor", data_categories=("user.health",))
    remedies = remedies_of(health, STATEMENTS[5], everything)
    assert (remedies.event, remedies.obstacle) == (None, everything)


def test_role_without_statements_has_no_event_remedy() -> None:
    """The role is never replaced to make the event fit."""
    remedies = remedies_of(flow(role="donor"), *STATEMENTS)
    assert (remedies.event, remedies.obstacle) == (None, None)


def test_condition_of_a_prohibition_can_be_met() -> None:
    """A conditional prohibition is avoided by changing its condition."""
    stop = Statement(
        id="limits.stop",
        clause="limits.2",
        effect=Effect.PROHIBIT,
        data_categories=("user.contact",),
        operations=("use",),
        unless=("consent.marketing",),
    )
    remedies = remedies_of(flow(), *STATEMENTS, stop)
    assert remedies.event is not None
    change = EventChange(Dimension.FACTS, "consent.marketing", None, holds=True)
    assert (change,) == remedies.event.changes


def test_broad_prohibition_is_narrowed_and_a_bare_one_withdrawn() -> None:
    """A prohibition keeps the other terms that it names; without others, it is withdrawn."""
    broad = replace(STATEMENTS[4], data_categories=("user.health", "user.contact"))
    bare = replace(broad, id="limits.bare", data_categories=("user.contact",), operations=("use",))
    remedies = remedies_of(flow(), STATEMENTS[0], broad, bare)
    assert remedies.policy is not None
    expected = (
        PolicyChange(
            Action.REMOVE,
            broad.id,
            broad.clause,
            Dimension.DATA_CATEGORY,
            terms=("user.contact",),
        ),
        PolicyChange(Action.WITHDRAW, bare.id, bare.clause),
    )
    assert expected == remedies.policy.changes


def test_part_that_is_not_prohibited_is_named() -> None:
    """A flow that is prohibited in part names a term that no prohibition concerns."""
    general = flow(role="visitor", operation="collect", data_categories=("user",), source=None)
    remedies = remedies_of(general, *STATEMENTS)
    assert remedies.event is not None
    assert (EventChange(Dimension.DATA_CATEGORY, "user.contact", "user"),) == remedies.event.changes
    assert remedies.policy is not None
    assert [each.action for each in remedies.policy.changes] == [Action.REMOVE]


def test_part_that_is_not_stated_is_stated_elsewhere() -> None:
    """Where one location is prohibited, the remedy states another one."""
    only_us = replace(STATEMENTS[4], data_categories=("user.contact",), locations=("us",))
    remedies = remedies_of(flow(), STATEMENTS[0], only_us)
    assert remedies.event is not None
    assert (EventChange(Dimension.LOCATION, "eu", None),) == remedies.event.changes


def test_statement_that_asks_for_less_is_not_widened() -> None:
    """Where a statement about the same purpose asks for consent, no other one is widened for it."""
    unconditional = replace(STATEMENTS[0], sources=None)
    news = replace(
        STATEMENTS[3], data_categories=("user.contact",), purposes=("marketing.first_party",)
    )
    vocabulary = replace(
        VOCABULARY,
        purposes=Taxonomy.of("purpose", *VOCABULARY.purposes, "marketing.first_party"),
    )
    policies = PolicySet({"library": vocabulary}, [policy(unconditional, news)])
    compiled = policies.version("library", "2024")
    asked = flow(purpose="marketing")
    (decided,) = decide(asked, NOW, policies).categories
    remedies = find_remedies(asked, decided, compiled)
    assert remedies is not None
    assert remedies.policy is not None
    assert decided.statement == "readers.news"
    assert [(each.action, each.statement) for each in remedies.policy.changes] == [
        (Action.ADD, "readers.news"),
        (Action.DROP, "readers.news"),
    ]


def test_policy_without_permits_has_no_remedy() -> None:
    """Where nothing is permitted there is nothing to widen: a statement has to be declared."""
    remedies = remedies_of(flow(), STATEMENTS[4])
    assert (remedies.event, remedies.obstacle, remedies.policy) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "at"),
    [({}, NOW), ({"purpose": "nothing"}, NOW), ({}, NOW.replace(year=2020))],
)
def test_what_no_small_change_decides_has_no_remedies(
    changes: dict[str, object], at: object
) -> None:
    """What is permitted, unknown or before the policy's time has no remedy."""
    decision = decide(flow(**changes), at, POLICIES)  # type: ignore[arg-type]  # a moment
    compiled = POLICIES.version("library", "2024")
    assert find_remedies(flow(**changes), decision.categories[0], compiled) is None


# --- That it is true, and minimal -----------------------------------------------------------------


def permitted(changed: FlowTerms, compiled: CompiledPolicy) -> bool:
    return decide_under(changed, compiled).outcome is Outcome.PERMITTED


def check(changed: FlowTerms, compiled: CompiledPolicy, *, exhaustively: bool) -> Counter[str]:
    """Hold the remedies of every category of a flow to `decide` and to brute force."""
    seen: Counter[str] = Counter()
    decision = decide_under(changed, compiled)
    everything: list[PolicyChange] = []
    for decided in decision.categories:
        remedies = find_remedies(changed, decided, compiled)
        if remedies is None:
            continue
        category = decided.data_category
        alone = change_flow(changed, category, ())
        if remedies.event is not None:
            changes = remedies.event.changes
            after = change_flow(changed, category, changes)
            assert permitted(after, compiled), changes
            size = len({each.dimension for each in changes})
            assert size == len(distance(alone, after))
            seen[f"event {'with' if decided.kind in PROHIBITING else 'without'} prohibition"] += 1
        else:
            size = len(Dimension) + 1
            seen["no event remedy"] += 1
        if remedies.policy is not None:
            everything += remedies.policy.changes
            wider = change_policy(compiled.policy, remedies.policy.changes)
            assert permitted(alone, CompiledPolicy(wider, compiled.vocabulary))
            seen.update(str(each.action) for each in remedies.policy.changes)
            edits = {(each.statement, each.dimension) for each in remedies.policy.changes}
            assert len(edits) == fewest_edits(alone, compiled)
            widened = {each.statement for each in remedies.policy.changes} - {
                each.id for each in compiled.statements if each.effect is Effect.PROHIBIT
            }
            for each in map(compiled.statement, widened):
                assert number_of_conditions(each) >= least_conditions(each, alone, compiled)
        if exhaustively:
            smaller = (
                other
                for other in flows_within(alone, compiled.vocabulary, size - 1)
                if permitted(other, compiled)
            )
            assert next(smaller, None) is None
    if everything and decision.outcome is Outcome.VIOLATION:
        together = CompiledPolicy(change_policy(compiled.policy, everything), compiled.vocabulary)
        assert decide_under(changed, together).outcome is not Outcome.VIOLATION
    return seen


def distance(one: ChangedFlow, other: ChangedFlow) -> list[str]:
    names = (*FREE_TERMS, "role", "data_categories", "retention_days", "facts")
    return [name for name in names if getattr(one, name) != getattr(other, name)]


def flows_within(base: ChangedFlow, vocabulary: Vocabulary, most: int) -> Iterator[ChangedFlow]:
    """Yield every flow that a change of at most this many dimensions makes of one."""
    others: dict[str, list[object]] = {
        "role": list(more_precise(vocabulary.roles, base.role)),
        "data_categories": [
            (term,) for term in more_precise(vocabulary.data_categories, *base.data_categories)
        ],
        "retention_days": [days for days in LENGTHS if days != base.retention_days],
        "facts": [
            facts
            for values in product((False, True), repeat=len(vocabulary.facts))
            if (facts := dict(zip(vocabulary.facts, values, strict=True)))
            != {fact: base.facts.get(fact, False) for fact in vocabulary.facts}
        ],
    }
    for name, taxonomy in zip(
        FREE_TERMS,
        (
            vocabulary.purposes,
            vocabulary.recipients,
            vocabulary.operations,
            vocabulary.sources,
            vocabulary.locations,
            vocabulary.legal_bases,
        ),
        strict=True,
    ):
        stated = getattr(base, name)
        others[name] = [
            term for term in taxonomy if stated is None or not taxonomy.covers(term, stated)
        ]
    for size in range(min(most, len(others)) + 1):
        for names in combinations(others, size):
            for values in product(*(others[name] for name in names)):
                yield replace(base, **dict(zip(names, values, strict=True)))  # type: ignore[arg-type]  # its fields


def more_precise(taxonomy: Taxonomy, stated: str) -> list[str]:
    return [term for term in taxonomy if term != stated and taxonomy.covers(stated, term)]


LIFTED: dict[str, tuple[()] | None] = {
    "roles": None,
    "data_categories": None,
    "purposes": None,
    "recipients": None,
    "operations": None,
    "sources": None,
    "locations": None,
    "retention_days": None,
    "legal_bases": None,
    "when": (),
}
"""The dimensions of a statement, each with what the naive checker takes as no restriction."""


def number_of_conditions(statement: Statement) -> int:
    return len(statement.when) + len(statement.unless)


def least_conditions(permit: Statement, alone: ChangedFlow, compiled: CompiledPolicy) -> int:
    """Return the most conditions of a permit about the same: so many must a widened one have."""
    vocabulary = compiled.vocabulary

    def is_about(statement: Statement, names: Names) -> bool:
        return names(statement, Dimension.RECIPIENT, alone.recipient, vocabulary) and names(
            statement, Dimension.PURPOSE, alone.purpose, vocabulary
        )

    # a permit that covers recipient and purpose is compared with those that cover them as well
    names = reference.names if is_about(permit, reference.names) else reference.reaches
    permits = [each for each in compiled.statements if each.effect is Effect.PERMIT]
    about = [each for each in permits if is_about(each, names)]
    for_role = [
        each for each in about if reference.names(each, Dimension.ROLE, alone.role, vocabulary)
    ]
    return max(map(number_of_conditions, for_role or about), default=0)


def fewest_edits(alone: ChangedFlow, compiled: CompiledPolicy) -> int:
    """Return the fewest dimensions of one permit and prohibitions that have to change.

    A permit with fewer conditions than another one about the same is not changed.
    """
    statements = compiled.statements
    in_the_way = [each.id for each in statements if each.effect is Effect.PROHIBIT]
    for size in range(len(LIFTED) + len(in_the_way) + 1):
        for permit in (each for each in statements if each.effect is Effect.PERMIT):
            for names in combinations([*LIFTED, *in_the_way], size):
                asks_too_little = number_of_conditions(permit) < least_conditions(
                    permit, alone, compiled
                )
                if asks_too_little and not LIFTED.keys().isdisjoint(names):
                    continue
                if is_permitted_by(lifted(permit, names), names, alone, compiled):
                    return size
    message = "lifting everything permits everything"
    raise AssertionError(message)


def is_permitted_by(
    permit: Statement, withdrawn: tuple[str, ...], alone: ChangedFlow, compiled: CompiledPolicy
) -> bool:
    """Whether a permit covers the flow and no prohibition a part, by the naive checker's rules."""
    (category,) = alone.data_categories
    failed = reference.failures(permit, alone, category, compiled.vocabulary)
    return not any(failed.values()) and not any(
        each.effect is Effect.PROHIBIT
        and each.id not in withdrawn
        and reference.covers_a_part(each, alone, category, compiled.vocabulary)
        for each in compiled.statements
    )


def lifted(permit: Statement, names: tuple[str, ...]) -> Statement:
    changes: dict[str, object] = {name: LIFTED[name] for name in names if name in LIFTED}
    if "when" in changes:
        changes["unless"] = ()
    if "retention_days" in changes:
        changes["retention_at_least"] = None
    changes["exceptions"] = {
        dimension: terms
        for dimension, terms in permit.exceptions.items()
        if DIMENSION_FIELDS[dimension] not in names
    }
    return replace(permit, **changes)  # type: ignore[arg-type]  # its fields


def check_world(rng: Random, flows: int, *, exhaustively: bool) -> Counter[str]:
    world = draw_world(rng)
    policies = PolicySet({"acme": world.vocabulary}, world.policies)
    seen: Counter[str] = Counter()
    for _ in range(flows):
        drawn, at = world.flow(rng)
        if drawn.controller == "acme" and (compiled := policies.in_force("acme", at)):
            seen += check(drawn, compiled, exhaustively=exhaustively)
    return seen


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_remedies_are_true_and_minimal_in_shrinkable_worlds(rng: Random) -> None:
    """Whatever is drawn: each change makes the flow permitted, and no smaller one does."""
    check_world(rng, flows=1, exhaustively=True)


@pytest.mark.parametrize("seed", range(2))
def test_remedies_are_true_in_many_worlds(seed: int) -> None:
    """The same holds on a wide sample in which every kind of change occurs."""
    rng = Random(seed)  # noqa: S311  # a reproducible sample, not a secret
    seen: Counter[str] = Counter()
    for _ in range(SAMPLED_WORLDS):
        seen += check_world(rng, FLOWS_PER_WORLD, exhaustively=False)
    sorts = {"event with prohibition", "event without prohibition", "no event remedy", *Action}
    missing = sorts - set(seen)
    assert not missing


def test_changes_of_a_policy_keep_its_other_statements() -> None:
    """Only the statements that a change names are edited, and order is kept."""
    before: Policy = policy()
    change = PolicyChange(Action.LIFT, "readers.contact", "readers.1", Dimension.SOURCE)
    after = change_policy(before, [change, change])
    assert before.statements[1:] == after.statements[1:]
    assert after.statements[0].sources is None


def test_withdrawn_statement_can_be_narrowed_as_well() -> None:
    """One category of an event may ask for what another one makes superfluous."""
    withdrawal = PolicyChange(Action.WITHDRAW, "nobody.health", "limits.1")
    narrowing = PolicyChange(
        Action.REMOVE, "nobody.health", "limits.1", Dimension.OPERATION, terms=("share",)
    )
    for both in ([withdrawal, narrowing], [narrowing, withdrawal]):
        assert "nobody.health" not in {each.id for each in change_policy(policy(), both).statements}


def test_facts_can_not_be_lifted() -> None:
    """Conditions are dropped one by one; there is no other change of them."""
    change = PolicyChange(Action.LIFT, "readers.contact", "readers.1", Dimension.FACTS)
    with pytest.raises(ValueError, match="cannot lift `facts`"):
        change_policy(policy(), [change])
