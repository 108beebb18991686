"""Facts that somebody answers for: what an event claims about them does not count."""

# ruff: noqa: RUF001 - Chinese punctuation is intended

from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from purposewatch_policy import (
    CachedDecider,
    CategoryDecision,
    Decision,
    Flow,
    Policy,
    PolicySet,
    Remedies,
    change_flow,
    decide,
    explain,
    explanation_as_json,
    relevant_facts,
)
from purposewatch_policy.decide import decide_under
from purposewatch_policy.model import Effect, Statement
from purposewatch_policy.sentence import sentence
from purposewatch_policy.vocabulary import Authority, Taxonomy, TermEntry, Vocabulary
from tests.unit.policy.random_worlds import draw_ledger, draw_world

NOW = datetime(2026, 3, 2, tzinfo=UTC)
HAPPENED = "`visitor` data in `email` was used by `first_party` for `ads`"


def permit(
    name: str, *, when: tuple[str, ...] = (), unless: tuple[str, ...] = (), **changes: object
) -> Statement:
    """A permit of using a visitor's e-mail address for advertising, with changes."""
    named: dict[str, object] = {
        "data_categories": ("email",),
        "operations": ("use",),
        "roles": ("visitor",),
        "purposes": ("ads",),
        "recipients": ("first_party",),
    } | changes
    return Statement(name, f"v.{name}", Effect.PERMIT, when=when, unless=unless, **named)  # type: ignore[arg-type]


STATEMENTS = (
    permit("ads.stale", when=("visited",)),
    permit("ads", when=("consent", "visited")),
    permit("research", purposes=("research",), unless=("objected",)),
    permit("phone", data_categories=("phone",), when=("consent",)),
    Statement(
        "no.abroad",
        "v.no.abroad",
        Effect.PROHIBIT,
        data_categories=("phone",),
        operations=("use",),
        unless=("adult",),
    ),
)


def world(*statements: Statement, authority: Authority = Authority.LEDGER) -> PolicySet:
    """A policy of these statements, whose facts but `visited` have this authority."""
    stated_by = {"en": "The consent platform states it.", "zh": "由同意平台记载。"}
    vocabulary = Vocabulary(
        roles=Taxonomy.of("role", "visitor"),
        data_categories=Taxonomy.of("data category", "email", "phone"),
        operations=Taxonomy.of("operation", "use"),
        purposes=Taxonomy.of("purpose", "ads", "research"),
        recipients=Taxonomy.of("recipient", "first_party"),
        sources=Taxonomy.of("source"),
        locations=Taxonomy.of("location", "eu"),
        legal_bases=Taxonomy.of("legal basis"),
        facts=Taxonomy(
            "fact",
            {
                "visited": TermEntry("visited"),
                **{
                    fact: TermEntry(fact, authority=authority, stated_by=stated_by)
                    for fact in ("consent", "objected", "adult")
                },
            },
        ),
    )
    return PolicySet({"acme": vocabulary}, [Policy("acme", "1", NOW, None, statements)])


POLICIES = world(*STATEMENTS[1:])
COMPILED = POLICIES.versions("acme")[0]


def flow(purpose: str = "ads", category: str = "email", **facts: bool) -> Flow:
    """A use of a visitor's data by the controller itself, with facts that the event claims."""
    return Flow(
        controller="acme",
        role="visitor",
        operation="use",
        purpose=purpose,
        recipient="first_party",
        data_categories=(category,),
        facts=facts,
    )


def only(decision: Decision) -> CategoryDecision:
    """The decision about the only category."""
    [category] = decision.categories
    return category


@pytest.mark.parametrize(
    ("asked", "ledger", "expected"),
    [
        (flow(visited=True), {"consent": True}, "permitted"),
        (flow(visited=True, consent=False), {"consent": True}, "permitted"),
        (flow(visited=True, consent=True), {"consent": True}, "permitted"),
        (flow(visited=True), {}, "condition_not_met"),
        (flow(visited=True, consent=True), {}, "contradicted_claim"),
        (flow(visited=True, consent=True), {"consent": None}, "contradicted_claim"),
        (flow(visited=True, consent=True), {"consent": False}, "contradicted_claim"),
        (flow(visited=True, consent=False), {"consent": False}, "condition_not_met"),
        (flow(consent=True), {}, "condition_not_met"),
        (flow(consent=True), {"consent": True}, "condition_not_met"),
        (flow("research"), {}, "permitted"),
        (flow("research", objected=True), {}, "permitted"),
        (flow("research"), {"objected": True}, "condition_not_met"),
        (flow("research", objected=False), {"objected": True}, "contradicted_claim"),
        (flow(category="phone", consent=True, adult=True), {}, "prohibited"),
        (flow(category="phone", consent=True), {"adult": True}, "contradicted_claim"),
        (flow(category="phone"), {"adult": True, "consent": True}, "permitted"),
    ],
    ids=str,
)
def test_ledger_has_the_last_word(
    asked: Flow, ledger: Mapping[str, bool | None], expected: str
) -> None:
    """Its value counts whatever is claimed; a fact that it does not state does not hold."""
    decided = decide(asked, NOW, POLICIES, ledger)
    assert str(decided.kind or decided.outcome) == expected


def test_without_a_ledger_the_event_is_believed() -> None:
    """As it is for facts whose authority is the publisher, with a ledger or without."""
    claimed = flow(visited=True, consent=True)
    assert decide(claimed, NOW, POLICIES).outcome == "permitted"
    believing = world(*STATEMENTS, authority=Authority.PUBLISHER)
    for asked in (claimed, flow(visited=True), flow("research", objected=True)):
        assert decide(asked, NOW, believing) == decide(asked, NOW, believing, {"consent": False})


def test_statement_is_the_one_that_the_claim_would_meet() -> None:
    """Not another one that is as near, and whose condition the event does not claim."""
    policies = world(permit("other", when=("adult",)), permit("ads", when=("consent",)))
    decided = only(decide(flow(consent=True), NOW, policies, {}))

    assert (decided.kind, decided.statement, decided.clause) == (
        "contradicted_claim",
        "ads",
        "v.ads",
    )
    assert [(each.dimension, each.expected, each.actual) for each in decided.failed] == [
        ("facts", ("consent is true",), None)
    ]
    assert (decided.grade, decided.distance, decided.is_nearest_miss) == ("omitted", None, True)


def test_nearest_statement_lacks_no_condition_that_the_ledger_states() -> None:
    """Though the outcome does not depend on facts, the explanation does."""
    asked = flow("research", category="phone", consent=False)
    stated, never = (
        only(decide(asked, NOW, POLICIES, {"adult": True, "consent": value}))
        for value in (True, None)
    )

    assert [(each.kind, each.statement) for each in (stated, never)] == [
        ("undeclared_purpose", "phone")
    ] * 2
    assert [each.dimension for each in stated.failed] == ["purpose"]
    assert [each.dimension for each in never.failed] == ["purpose", "facts"]


def test_claims_are_weighed_together_with_what_the_ledger_says() -> None:
    """A claim is contradicted if it is what would be missing, given everything else."""
    policies = world(permit("ads", when=("consent", "adult")))
    asked = flow(consent=True)

    assert decide(asked, NOW, policies, {"adult": True}).kind == "contradicted_claim"
    assert decide(asked, NOW, policies, {"adult": None}).kind == "condition_not_met"


@pytest.mark.parametrize(
    ("asked", "ledger", "english", "chinese"),
    [
        (
            flow(visited=True, consent=True),
            {},
            (
                f"{HAPPENED}; the event claims that `consent` holds, as `ads` (v.ads) requires, "
                "but in the ledger of facts `consent` is not stated, so the claim does not count."
            ),
            (
                "`visitor`的`email`被`first_party`使用，用途为`ads`；事件声称`consent`成立，"
                "正如声明 `ads`（v.ads）所要求，但事实台账中`consent`没有记载，因此该说法不作数。"
            ),
        ),
        (
            flow("research", objected=False),
            {"objected": True},
            (
                "`visitor` data in `email` was used by `first_party` for `research`; the "
                "event claims that `objected` does not hold, as `research` (v.research) requires, "
                "but in the ledger of facts `objected` holds, so the claim does not count."
            ),
            (
                "`visitor`的`email`被`first_party`使用，用途为`research`；事件声称`objected`不成立，"
                "正如声明 `research`（v.research）所要求，但事实台账中`objected`成立，"
                "因此该说法不作数。"
            ),
        ),
    ],
)
def test_contradiction_is_put_into_words(
    asked: Flow, ledger: Mapping[str, bool | None], english: str, chinese: str
) -> None:
    """What is claimed, what the ledger says, and that the claim does not count."""
    decided = only(decide(asked, NOW, POLICIES, ledger))

    assert decided.sentence == english
    assert sentence("en", decided, asked, NOW, POLICIES, ledger) == english
    assert sentence("zh", decided, asked, NOW, POLICIES, ledger) == chinese


def test_explanation_shows_what_counts() -> None:
    """What the event claims about a fact of the ledger is not what it is compared with."""
    asked = flow(visited=True, consent=True)
    explanation = explain(asked, NOW, POLICIES, ledger={"consent": False})
    [category] = explanation.categories
    [facts] = [each for each in category.comparisons if each.dimension == "facts"]

    assert explanation.decision == decide(asked, NOW, POLICIES, {"consent": False})
    assert category.sentence == category.decided.sentence
    assert {(each.term, each.holds) for each in facts.actual} == {
        ("visited", True),
        ("consent", False),
    }
    assert not facts.covered


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "en",
            (
                "needs `consent` in the ledger of facts; a claim in the event does not count (The "
                "consent platform states it)"
            ),
        ),
        ("zh", "须满足`consent`，以事实台账为准，事件自己的说法不作数（由同意平台记载）"),
    ],
)
def test_advice_names_who_states_a_fact(language: str, expected: str) -> None:
    """It never asks to claim a fact that the ledger answers for, with a ledger or without."""
    no_ledger: tuple[Flow, None] = (flow(visited=True), None)
    for asked, ledger in ((flow(visited=True, consent=True), {"consent": False}), no_ledger):
        [category] = explain(asked, NOW, POLICIES, language, ledger).categories
        assert category.advice[0].changes == (expected,)


def test_machines_are_told_that_no_field_of_the_event_helps() -> None:
    """But who states the fact."""
    explanation = explain(flow(consent=True), NOW, POLICIES, ledger={})
    document: Any = explanation_as_json(explanation)
    changes = document["categories"][0]["smallest_change"]["event"]["changes"]

    assert [(each["value"], each["field"], each.get("stated_by")) for each in changes] == [
        ("consent", None, "The consent platform states it."),
        ("visited", "/data/facts", None),
    ]


def test_advice_for_a_publishers_fact_is_to_state_it() -> None:
    """There the event's own word counts."""
    [category] = explain(flow(), NOW, POLICIES, ledger={"consent": True}).categories
    assert category.advice[0].changes == ("needs `visited`",)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (flow(), ("consent",)),
        (flow("research"), ("objected",)),
        (flow(category="phone"), ("adult", "consent")),
        (flow("research", category="phone"), ("adult", "consent")),
        (flow().model_copy(update={"data_categories": ("email", "phone")}), ("adult", "consent")),
        (flow().model_copy(update={"data_categories": ("email", "none")}), ("consent",)),
        (flow().model_copy(update={"role": "nobody"}), ()),
    ],
    ids=str,
)
def test_only_facts_that_matter_are_looked_up(asked: Flow, expected: tuple[str, ...]) -> None:
    """Those of permits that cover the flow otherwise, and of prohibitions that overlap it.

    Without such a permit, those of the nearest one.
    """
    assert relevant_facts(asked, COMPILED) == expected


@pytest.mark.parametrize("seed", range(30))
def test_no_other_fact_of_the_ledger_makes_a_difference(seed: int) -> None:
    """Nor does a claim about one, to whether and under which permit a flow is permitted."""
    rng = Random(seed)  # noqa: S311 - reproducible cases, not secrets
    drawn = draw_world(rng)
    policies = PolicySet({"acme": drawn.vocabulary}, drawn.policies)
    for compiled in policies.versions("acme"):
        for _ in range(10):
            asked, _at = drawn.flow(rng)
            facts = relevant_facts(asked, compiled)
            ledger = draw_ledger(rng, drawn) or {}
            relevant = {fact: ledger.get(fact) for fact in facts}
            assert decide_under(asked, compiled, ledger) == decide_under(asked, compiled, relevant)
            unlike = {
                fact: not value if fact in compiled.ledger_facts and fact not in facts else value
                for fact, value in asked.facts.items()
            }
            if set(unlike) <= set(drawn.vocabulary.facts):
                changed = change_flow(asked, "", ())
                object.__setattr__(changed, "data_categories", asked.data_categories)
                object.__setattr__(changed, "facts", unlike)
                assert decide_under(asked, compiled, relevant) == decide_under(
                    changed, compiled, relevant
                )


@pytest.mark.parametrize("seed", range(20))
def test_cached_decisions_are_the_decisions(seed: int) -> None:
    """Flows share a cached decision only if the ledger says the same about them."""
    rng = Random(seed)  # noqa: S311
    drawn = draw_world(rng)
    policies = PolicySet({"acme": drawn.vocabulary}, drawn.policies)
    decider = CachedDecider(policies)
    for _ in range(20):
        asked, at = drawn.flow(rng)
        for _ in range(4):
            ledger = draw_ledger(rng, drawn)
            assert decider.decide(asked, at, ledger) == decide(asked, at, policies, ledger)
            independent = decider.judge_independent(asked, at, repr(asked))
            if decider.facts_of(asked, at, repr(asked)):
                assert independent is None
            else:
                assert independent == decide(asked, at, policies, {})


def remedies_of(asked: Flow, ledger: Mapping[str, bool | None]) -> Remedies:
    """The remedies for the only category."""
    [category] = explain(asked, NOW, POLICIES, ledger=ledger).categories
    assert category.remedies is not None
    return category.remedies


def test_remedy_helps_once_the_ledger_says_so() -> None:
    """What it asks for is what makes the flow permitted."""
    event = remedies_of(flow(consent=True), {}).event
    assert event is not None
    changed = change_flow(flow(), "email", event.changes)

    assert {str(each.value) for each in event.changes} == {"consent", "visited"}
    assert decide(changed, NOW, POLICIES, changed.facts).outcome == "permitted"
